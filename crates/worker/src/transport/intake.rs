//! Hints in, supervised.
//!
//! apalis-redis 1.0.0 never recovers from an error of Redis, and its `Monitor` takes that for a regular end. So the
//! apalis worker is run here, one incarnation after the other, each with a connection and a name of its own; what
//! the one before held is dropped, not re-queued, and the ledger dispatches it again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sexton_core::transport::{Error, HintQueue};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, info, warn};

use super::{Activity, HintHandler, drop_worker::drop_worker, handler::Reception, incarnation, mend::mend, registry};

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// After a run of this long the next failure is taken for the first.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// What the intake needs to know.
#[derive(Debug, Clone)]
pub struct IntakeOptions {
    /// The queue's Redis, as for [`HintQueue::new`].
    pub url: String,
    /// The queue's name.
    pub name: String,
    /// This process: a name that no other process has, nor this one after a restart. See
    /// [`process_name`](super::process_name). Housekeeping must be given the same.
    pub worker_name: String,
    /// How many hints are handled at once; at least 1.
    pub concurrency: usize,
}

/// Receives hints until `shutdown`, whatever Redis does in the meantime, and reports to `activity`.
///
/// At shutdown it stops fetching, returns fetched hints that nobody began with to the list, waits for all handlers to
/// end and takes its worker out of the registry. Bound that wait by a timeout around this future if need be.
///
/// # Errors
/// [`Error::Url`] or [`Error::Name`], at once. A Redis that is down, full or misconfigured is no error: it is retried
/// every 100 ms to 5 s.
pub async fn run(
    options: IntakeOptions,
    handler: Arc<dyn HintHandler>,
    activity: Arc<Activity>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let queue = HintQueue::new(&options.url, &options.name)?;
    let reception = Arc::new(Reception::new(handler, Arc::clone(&activity), options.concurrency));
    let mut backoff = FIRST_BACKOFF;
    while !shutdown.is_cancelled() {
        let name = registry::incarnation_of(&options.worker_name);
        activity.set_worker(Some(name.clone()));
        let started = Instant::now();
        // In a task of its own, so that a panic inside apalis ends an incarnation and not the process.
        let ended = AbortOnDropHandle::new(tokio::spawn(incarnation::run(
            queue.clone(),
            name.clone(),
            options.concurrency,
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
        let was_connected = activity.ended(error.clone());
        clean_up(&queue, &name, error.is_some()).await;
        let Some(error) = error else { break };
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
        activity.restarting();
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

/// Removes what an incarnation left in Redis; housekeeping does it too, should Redis be away now.
async fn clean_up(queue: &HintQueue, worker: &str, failed: bool) {
    if let Err(error) = drop_worker(queue, worker).await {
        debug!(worker, "cannot take worker {worker} out of the registry yet: {error}");
    }
    if !failed {
        return;
    }
    match mend(queue).await {
        Ok(0) => {}
        Ok(dropped) => info!(dropped, "dropped {dropped} broken hints from the list; the ledger dispatches again"),
        Err(error) => debug!("cannot look for broken hints: {error}"),
    }
}
