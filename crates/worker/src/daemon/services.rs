//! What runs in a worker process: a list, and when each stops.

use std::{fmt::Display, sync::Arc};

use sexton_core::transport::HintQueue;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Context, Engine},
    feed::{self, Wake},
    sweep,
    transport::{self, Activity, HintHandler, HousekeepingOptions, IntakeOptions},
    upkeep::{
        GateWatch, GaugeRefresh, GuardsWatch, LeaseRenewal, ParentRelease, Rescue, Service, StrandedWatch, keep_running,
    },
};

/// When a service stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stops {
    /// At once: it brings in work.
    First,
    /// When nothing is in flight any more: until then leases are renewed, and questions answered.
    Last,
}

/// The name of a service that ended, and its error if it had one.
type Ended = (&'static str, Result<(), String>);

/// The services of a process.
#[derive(Default)]
pub(super) struct Services {
    running: JoinSet<Ended>,
    stop_first: CancellationToken,
    stop_last: CancellationToken,
}

impl Services {
    /// Starts what works on deletions, with or without Redis (`activity` is none then).
    pub(super) fn start_work(&mut self, engine: &Arc<Engine>, activity: Option<&Arc<Activity>>, wake: &Arc<Wake>) {
        let (context, activity) = (Arc::clone(&engine.context), activity.map(Arc::clone));
        let engine = || Arc::clone(engine);
        if context.store.db.dialect.has_notifications() {
            let (context, wake) = (Arc::clone(&context), Arc::clone(wake));
            self.spawn("listening on the database", Stops::First, |stop| listen(context, wake, stop));
        }
        let wake = Arc::clone(wake);
        self.spawn("the feed from the ledger", Stops::First, |stop| {
            feed::feed_from_ledger(engine(), activity, wake, stop)
        });
        self.spawn("the feed of rescued deletions", Stops::First, |stop| feed::feed_rescued(engine(), stop));
        self.spawn("the feed of held deletions", Stops::First, |stop| feed::feed_held(engine(), stop));
        self.spawn("the sweeps", Stops::First, |stop| sweep::schedule(Arc::clone(&context), stop));
        self.spawn_upkeep("the gates", Stops::First, GateWatch::new(engine()));
        self.spawn_upkeep("the renewal of leases", Stops::Last, LeaseRenewal::new(engine()));
        self.spawn_upkeep("rescue", Stops::Last, Rescue::new(Arc::clone(&context)));
        self.spawn_upkeep("what no process claims", Stops::Last, StrandedWatch::new(engine()));
        self.spawn_upkeep("what waits for children", Stops::Last, ParentRelease::new(engine()));
        self.spawn_upkeep("the watch on guards", Stops::First, GuardsWatch::new(context));
        self.spawn_upkeep("the gauges", Stops::Last, GaugeRefresh::new(engine()));
    }

    /// Starts what connects this process to Redis. Returns what it reports to.
    pub(super) fn start_redis(&mut self, engine: &Arc<Engine>, queue: HintQueue, wake: &Arc<Wake>) -> Arc<Activity> {
        let context = &engine.context;
        let activity = Arc::new(Activity::new());
        let (worker_name, concurrency) = (context.worker.clone(), context.config.worker.concurrency);
        let intake = IntakeOptions { queue: queue.clone(), worker_name: worker_name.clone(), concurrency };
        let housekeeping = HousekeepingOptions { queue: queue.clone(), worker_name, concurrency };
        let handler: Arc<dyn HintHandler> = Arc::new(Arc::clone(engine));
        let report = || Arc::clone(&activity);
        self.spawn_fallible("the intake", Stops::First, |stop| {
            transport::receive_hints(intake, handler, report(), stop)
        });
        self.spawn("housekeeping", Stops::Last, |stop| transport::housekeeping::run(housekeeping, report(), stop));
        self.spawn("the dispatcher", Stops::First, |stop| {
            feed::dispatch(Arc::clone(context), queue, report(), Arc::clone(wake), stop)
        });
        activity
    }

    fn spawn_upkeep(&mut self, name: &'static str, stops: Stops, service: impl Service + 'static) {
        self.spawn(name, stops, |stop| keep_running(service, stop));
    }

    /// Starts work that cannot fail.
    pub(super) fn spawn<W>(&mut self, name: &'static str, stops: Stops, work: impl FnOnce(CancellationToken) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let work = work(self.token(stops));
        self.running.spawn(async move {
            work.await;
            (name, Ok(()))
        });
    }

    /// The same for work that can fail.
    pub(super) fn spawn_fallible<W, E>(
        &mut self,
        name: &'static str,
        stops: Stops,
        work: impl FnOnce(CancellationToken) -> W,
    ) where
        W: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let work = work(self.token(stops));
        self.running.spawn(async move { (name, work.await.map_err(|error| error.to_string())) });
    }

    fn token(&self, stops: Stops) -> CancellationToken {
        match stops {
            Stops::First => self.stop_first.clone(),
            Stops::Last => self.stop_last.clone(),
        }
    }

    /// Stops the services that stop then.
    pub(super) fn stop(&self, stops: Stops) {
        self.token(stops).cancel();
    }

    /// Resolves when a service ended or panicked. None if there is none left.
    pub(super) async fn next_ended(&mut self) -> Option<Result<Ended, JoinError>> {
        self.running.join_next().await
    }
}

/// Listens on the database until `stop`. A notification may speak of due deletions or of a change of the gates.
async fn listen(context: Arc<Context>, wake: Arc<Wake>, stop: CancellationToken) {
    let on_notification = || {
        wake.wake_all();
        context.gates.note_change();
    };
    feed::listen(&context.store.db, on_notification, stop).await;
}
