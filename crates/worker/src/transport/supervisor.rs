//! Receiving hints, whatever Redis does in the meantime.
//!
//! apalis-redis 1.0.0 never recovers from an error of Redis, and its `Monitor` takes that for a regular end. So apalis
//! workers are run here one after the other, each with a connection and a name of its own. What the one before had
//! fetched is dropped, not re-queued: the ledger dispatches it once more.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sexton_core::transport::{Error, HintQueue};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, info, warn};

use super::{
    Activity, HintHandler,
    apalis_worker::{self, ApalisWorker},
    drop_broken_hints::drop_broken_hints,
    drop_worker::drop_worker,
    reception::Reception,
    registry,
};

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// After a run of this long the next failure is taken for the first.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// What the intake needs to know.
#[derive(Debug, Clone)]
pub struct IntakeOptions {
    /// The queue. Its connection is not used to receive: each worker has one of its own.
    pub queue: HintQueue,
    /// This process: a name that no other process has, nor this one after a restart. See
    /// [`process_name`](super::process_name). Housekeeping must be given the same.
    pub worker_name: String,
    /// How many hints are handled at once; at least 1.
    pub concurrency: usize,
}

/// Receives hints until `shutdown`, whatever Redis does in the meantime, and reports to `activity`.
///
/// At shutdown it stops fetching, returns fetched hints that were not begun with to the list, waits for all handlers to
/// end and takes its worker out of the registry. A timeout around this future may bound that wait.
///
/// # Errors
/// [`Error::Url`] or [`Error::Name`], at once. A Redis that is down, full or misconfigured is no error: it is retried
/// every 100 ms to 5 s.
pub async fn receive_hints(
    options: IntakeOptions,
    handler: Arc<dyn HintHandler>,
    activity: Arc<Activity>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let queue = &options.queue;
    let reception = Arc::new(Reception::new(handler, Arc::clone(&activity), options.concurrency));
    let mut backoff = FIRST_BACKOFF;
    while !shutdown.is_cancelled() {
        let name = registry::new_worker_name(&options.worker_name);
        activity.set_worker(Some(name.clone()));
        let started = Instant::now();
        // In a task of its own, so that a panic inside apalis ends the worker and not the process.
        let worker = ApalisWorker { queue: queue.clone(), name: name.clone(), concurrency: options.concurrency };
        let ended = AbortOnDropHandle::new(tokio::spawn(apalis_worker::run(
            worker,
            Arc::clone(&reception),
            Arc::clone(&activity),
            shutdown.clone(),
        )))
        .await;
        let error = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(failure) => Some(format!("the apalis worker did not end: {failure}")),
        };
        let was_connected = activity.note_end(error.clone());
        drop_ended_worker(queue, &name).await;
        let Some(error) = error else { break };
        mend_list(queue).await;
        if shutdown.is_cancelled() {
            debug!("Redis failed while the intake was stopping: {error}");
            break;
        }

        if was_connected && started.elapsed() >= HEALTHY_AFTER {
            backoff = FIRST_BACKOFF;
        }
        if was_connected || activity.restarts() == 0 {
            warn!("no hints from Redis: {error}; trying again, and claiming from the ledger meanwhile");
        } else {
            debug!("still no hints from Redis: {error}");
        }
        activity.note_restart();
        tokio::select! {
            () = tokio::time::sleep(backoff) => {}
            () = shutdown.cancelled() => {}
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
    reception.finished().await;
    activity.set_worker(None);
    Ok(())
}

/// Drops what a worker left in Redis. If Redis is away now, housekeeping does it later.
async fn drop_ended_worker(queue: &HintQueue, worker: &str) {
    if let Err(error) = drop_worker(queue, worker).await {
        debug!(worker, "cannot take worker {worker} out of the registry yet: {error}");
    }
}

/// Drops hints that may have stopped the worker, and would stop the next.
async fn mend_list(queue: &HintQueue) {
    match drop_broken_hints(queue).await {
        Ok(0) => {}
        Ok(dropped) => info!(dropped, "dropped {dropped} broken hints from the list; the ledger dispatches again"),
        Err(error) => debug!("cannot look for broken hints: {error}"),
    }
}
