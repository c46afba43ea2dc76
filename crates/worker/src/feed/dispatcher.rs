//! The dispatcher: keeps the window of hints in Redis topped up, lane by lane.
//!
//! - One process at a time leads. It reads due deletions without locking or writing anything.
//! - It reads a page a lane in turn, so that a lane with a million due deletions does not delay one with ten.
//! - Once a second it starts from the oldest, for deletions that became due behind what was read, or whose hint was
//!   lost. Redis damps the doubles.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use sexton_core::{db, ids::Lane, ledger::Due, transport::HintQueue};
use tokio_util::sync::CancellationToken;

use super::Wake;
use crate::{
    engine::Context,
    gate::OpenLane,
    metrics,
    transport::{Activity, Leader, window},
};

/// Between two looks while there is something to push.
const BUSY: Duration = Duration::from_millis(50);
/// Between two looks while nothing is due.
const IDLE: Duration = Duration::from_millis(250);
/// Hints in one page: less room than this is not worth a look, unless the window is small.
const PAGE: usize = 200;
/// How often the reading starts from the oldest.
const PASS: Duration = Duration::from_secs(1);
/// The same after a wake: what was just committed may be due before what was read.
const WOKEN_PASS: Duration = Duration::from_millis(250);
/// After a wake: time for other wakes, so that one look is for all of them.
const GATHER: Duration = Duration::from_millis(10);

/// Dispatches until `stop`, while this process leads.
pub(crate) async fn dispatch(
    context: Arc<Context>,
    queue: HintQueue,
    activity: Arc<Activity>,
    wake: Arc<Wake>,
    stop: CancellationToken,
) {
    let leader = Leader::new(queue.clone(), context.worker.clone());
    let mut dispatcher =
        Dispatcher { context, queue, activity, read_until: HashMap::new(), pass_began: Instant::now(), first_lane: 0 };
    let mut led = false;
    loop {
        let leads = leader.try_lead().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot take the dispatcher's lease");
            false
        });
        if leads != led {
            tracing::info!("{}", if leads { "this process dispatches" } else { "another process dispatches, or none" });
            led = leads;
        }
        let pause = if leads {
            match dispatcher.top_up().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::debug!(%error, "cannot dispatch; processes take from the ledger meanwhile");
                    PASS
                }
            }
        } else {
            PASS
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
            () = wake.dispatcher_woken(), if leads => {
                tokio::time::sleep(GATHER).await;
                dispatcher.restart_if_older_than(WOKEN_PASS);
            }
        }
    }
    if led && let Err(error) = leader.resign().await {
        tracing::debug!(%error, "cannot give the dispatcher's lease back; it expires by itself");
    }
}

struct Dispatcher {
    context: Arc<Context>,
    queue: HintQueue,
    activity: Arc<Activity>,
    /// How far each lane was read in this pass.
    read_until: HashMap<Lane, Due>,
    pass_began: Instant,
    /// The lane that begins the next round: the last of a round gets what the others left.
    first_lane: usize,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Queue(#[from] sexton_core::transport::Error),
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl Dispatcher {
    /// Reads from the oldest if the last time was that long ago.
    fn restart_if_older_than(&mut self, age: Duration) {
        if self.pass_began.elapsed() >= age {
            self.read_until.clear();
            self.pass_began = Instant::now();
        }
    }

    /// Pushes hints until the window is full or nothing more is due. Returns how long to wait before the next look.
    async fn top_up(&mut self) -> Result<Duration, Error> {
        self.restart_if_older_than(PASS);
        let context = &self.context;
        let window = window::effective(context.config.queue.window, self.activity.registered_concurrency());
        let length = self.queue.len().await?;
        if window.saturating_sub(length) < (window / 10).clamp(1, PAGE) {
            return Ok(BUSY);
        }
        // In a lane whose target has limits, no more is hinted at than it will let through soon.
        let mut lanes = context.gates.lanes_to_hint();
        let all = lanes.len();
        lanes.retain(|lane| lane.room != Some(0));
        let idle = if lanes.len() < all { BUSY } else { IDLE };
        let names: Vec<_> = lanes.iter().map(|lane| lane.name.clone()).collect();
        match context.store.ledger.next_due_in(&context.store.db, &names).await? {
            Some(Duration::ZERO) => {}
            Some(next) => return Ok(next.min(idle)),
            None => return Ok(idle),
        }
        let start = self.first_lane % lanes.len();
        self.first_lane = start + 1;
        lanes.rotate_left(start);
        self.push_in_rounds(lanes, length, window).await
    }

    /// Rounds of equal shares: a lane that has less leaves its room to the others in the next round.
    async fn push_in_rounds(
        &mut self,
        mut lanes: Vec<OpenLane>,
        mut length: usize,
        window: usize,
    ) -> Result<Duration, Error> {
        let context = Arc::clone(&self.context);
        let mut pushed = 0;
        while length < window && !lanes.is_empty() {
            let share = (window - length).div_ceil(lanes.len());
            let mut unfinished = Vec::new();
            for OpenLane { name: lane, room } in lanes {
                if length >= window {
                    break;
                }
                // More than the share, for much of it may be in the window already.
                let page = share.max(PAGE);
                let share = share.min(room.unwrap_or(usize::MAX));
                let due = context
                    .store
                    .ledger
                    .due_in_lane(&context.store.db, &lane, self.read_until.get(&lane), page)
                    .await?;
                let hints: Vec<_> = due.iter().map(|due| due.hint).collect();
                if hints.is_empty() {
                    continue;
                }
                let enqueued = self.queue.enqueue(&hints, (length + share).min(window)).await?;
                metrics::count_hints_pushed(enqueued.accepted);
                context.gates.note_hints(&lane, enqueued.accepted);
                pushed += enqueued.accepted;
                length = enqueued.length;
                let seen = enqueued.accepted + enqueued.damped;
                if room.is_none() && (seen == page || seen < due.len()) {
                    unfinished.push(OpenLane { name: lane.clone(), room });
                }
                if let Some(last) = due.into_iter().take(seen).next_back() {
                    self.read_until.insert(lane, last);
                }
            }
            lanes = unfinished;
        }
        Ok(if pushed > 0 || length > 0 { BUSY } else { IDLE })
    }
}
