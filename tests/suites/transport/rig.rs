//! A recording handler, and an intake with its housekeeping on a private Redis.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use async_trait::async_trait;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use sexton_core::{
    hint::Hint,
    ids::{DeletionId, Fence},
    transport::{HintQueue, Keys},
};
use sexton_tests::eventually;
use sexton_worker::transport::{
    Activity, HintHandler, HousekeepingOptions, IntakeOptions, housekeeping, receive_hints,
};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// The queue's name in every test; each has a Redis of its own.
pub(crate) const NAME: &str = "deletions";

/// `count` different hints.
pub(crate) fn hints(count: usize) -> Vec<Hint> {
    (0..count).map(|_| Hint::new(DeletionId::new(), Fence(0))).collect()
}

pub(crate) fn keys() -> Keys {
    Keys::new(NAME).expect("a good name")
}

/// A number that Redis answers with.
pub(crate) async fn number(redis: &mut MultiplexedConnection, command: &[&str]) -> i64 {
    let mut query = redis::cmd(command[0]);
    for arg in &command[1..] {
        query.arg(arg);
    }
    query.query_async(redis).await.expect("a number")
}

/// Runs a command whose answer does not matter.
pub(crate) async fn tell(redis: &mut MultiplexedConnection, command: &[&str]) {
    let mut query = redis::cmd(command[0]);
    for arg in &command[1..] {
        query.arg(arg);
    }
    query.query_async::<()>(redis).await.expect("no error");
}

/// Remembers when each hint was handled. Handling uses up a permit of `gate`.
pub(crate) struct Recorder {
    pub(crate) handled: Mutex<HashMap<DeletionId, Vec<Instant>>>,
    pub(crate) begun: Mutex<usize>,
    pub(crate) gate: Semaphore,
    pub(crate) panics: bool,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(Semaphore::MAX_PERMITS)
    }

    /// Handles this number of hints, and then waits for more permits.
    pub(crate) fn with(permits: usize) -> Arc<Self> {
        Arc::new(Self::of(permits))
    }

    /// Panics at the end of each.
    pub(crate) fn panicking(permits: usize) -> Arc<Self> {
        Arc::new(Self { panics: true, ..Self::of(permits) })
    }

    fn of(permits: usize) -> Self {
        let (handled, begun) = (Mutex::default(), Mutex::default());
        Self { handled, begun, gate: Semaphore::new(permits), panics: false }
    }

    pub(crate) fn has(&self, hint: &Hint) -> bool {
        self.handled.lock().expect("no panic").contains_key(&hint.id())
    }

    pub(crate) fn has_all(&self, hints: &[Hint]) -> bool {
        let handled = self.handled.lock().expect("no panic");
        hints.iter().all(|hint| handled.contains_key(&hint.id()))
    }

    pub(crate) fn count(&self) -> usize {
        self.handled.lock().expect("no panic").len()
    }

    pub(crate) fn begun(&self) -> usize {
        *self.begun.lock().expect("no panic")
    }

    pub(crate) fn when(&self, hint: &Hint) -> Option<Instant> {
        self.handled.lock().expect("no panic").get(&hint.id()).and_then(|times| times.first().copied())
    }
}

#[async_trait]
impl HintHandler for Recorder {
    async fn handle(&self, hint: Hint) {
        *self.begun.lock().expect("no panic") += 1;
        self.gate.acquire().await.expect("never closed").forget();
        self.handled.lock().expect("no panic").entry(hint.id()).or_default().push(Instant::now());
        assert!(!self.panics, "this handler panics");
    }
}

/// One process: intake and housekeeping.
pub(crate) struct Process {
    pub(crate) queue: HintQueue,
    pub(crate) activity: Arc<Activity>,
    pub(crate) recorder: Arc<Recorder>,
    shutdown: CancellationToken,
    intake: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
}

impl Process {
    pub(crate) fn begin(url: &str, name: &str, concurrency: usize, recorder: Arc<Recorder>) -> Self {
        let queue = HintQueue::new(url, NAME).expect("a good URL");
        let (activity, shutdown) = (Arc::new(Activity::new()), CancellationToken::new());
        let worker_name = name.to_owned();
        let options = IntakeOptions { queue: queue.clone(), worker_name: worker_name.clone(), concurrency };
        let handler: Arc<dyn HintHandler> = recorder.clone();
        let run = receive_hints(options, handler, Arc::clone(&activity), shutdown.clone());
        let intake = tokio::spawn(async move { run.await.expect("good options") });
        let options = HousekeepingOptions { queue: queue.clone(), worker_name, concurrency };
        let housekeeping = tokio::spawn(housekeeping::run(options, Arc::clone(&activity), shutdown.clone()));
        Self { queue, activity, recorder, shutdown, intake, housekeeping }
    }

    /// Begins, and waits until it is fed.
    pub(crate) async fn start(url: &str, recorder: Arc<Recorder>) -> Self {
        let process = Self::begin(url, &sexton_worker::transport::process_name("test"), 64, recorder);
        process.healthy().await;
        process
    }

    pub(crate) async fn healthy(&self) {
        eventually("the intake is healthy", async || self.activity.is_healthy()).await;
    }

    pub(crate) async fn unhealthy(&self) {
        eventually("the intake is unhealthy", async || !self.activity.is_healthy()).await;
    }

    /// Pushes one more hint, and waits until it is handled: the whole way is open. Like a dispatcher, it pushes until
    /// it succeeds.
    pub(crate) async fn passes_hints(&self) {
        let hint = hints(1);
        eventually("a hint passes", async || {
            let _ = self.queue.enqueue(&hint, 7000).await;
            self.recorder.has(&hint[0])
        })
        .await;
    }

    pub(crate) fn ask_to_stop(&self) {
        self.shutdown.cancel();
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.intake.await.expect("the intake ends in good order");
        self.housekeeping.await.expect("housekeeping ends in good order");
    }

    /// As a killed process: nothing is signed off.
    pub(crate) fn kill(self) {
        self.intake.abort();
        self.housekeeping.abort();
    }
}

/// Keys that are there, without those that damp doubles.
pub(crate) async fn remaining(redis: &mut MultiplexedConnection) -> Vec<String> {
    let keys: Vec<String> = redis.keys("*").await.expect("keys");
    keys.into_iter().filter(|key| !key.contains(":seen:")).collect()
}
