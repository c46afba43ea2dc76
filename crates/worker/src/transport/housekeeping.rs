//! Once a second: beat, drop acked tasks, drop dead workers. Every process does it; the scripts are atomic and cheap.

use std::{sync::Arc, time::Duration};

use sexton_core::transport::{Error, HintQueue};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Activity, drop_acked_tasks::drop_acked_tasks, drop_worker::drop_worker, registry};

const INTERVAL: Duration = Duration::from_secs(1);

/// What housekeeping needs to know.
#[derive(Debug, Clone)]
pub struct HousekeepingOptions {
    /// The queue to keep.
    pub queue: HintQueue,
    /// This process, as in [`IntakeOptions`](super::IntakeOptions).
    pub worker_name: String,
    /// How many hints this process handles at once.
    pub concurrency: usize,
}

/// Keeps the queue until `shutdown`, then signs off. Failures are reported to `activity`, and the next round follows a
/// second later. Shut the intake down first, or other processes take its worker for dead a minute later.
pub async fn run(options: HousekeepingOptions, activity: Arc<Activity>, shutdown: CancellationToken) {
    let HousekeepingOptions { queue, worker_name, concurrency } = options;
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = shutdown.cancelled() => break,
        }
        if let Err(error) = run_once(&queue, &worker_name, concurrency, &activity).await {
            if activity.note_failed_beat(error.to_string()) {
                warn!("cannot keep the queue in Redis: {error}; trying again every {INTERVAL:?}");
            } else {
                debug!("still cannot keep the queue in Redis: {error}");
            }
        }
    }
    if let Err(error) = registry::unregister(&queue, &worker_name).await {
        debug!("cannot sign off from Redis: {error}; others notice within {:?}", registry::DEAD_AFTER);
    }
}

/// One round. The beat is last to be reported, so that "healthy" means that all of it worked.
async fn run_once(queue: &HintQueue, process: &str, concurrency: usize, activity: &Activity) -> Result<(), Error> {
    let registered = registry::beat(queue, process, concurrency).await?;
    let dropped = drop_acked_tasks(queue).await?;
    if dropped > 0 {
        debug!(dropped, "dropped {dropped} acked tasks");
    }
    for worker in registry::departed_workers(queue, process, activity.worker().as_deref()).await? {
        if activity.worker().as_deref() == Some(worker.as_str()) {
            continue; // It registered while the script ran.
        }
        drop_worker(queue, &worker).await?;
        info!(worker, "dropped worker {worker}, which no process runs any more");
    }
    activity.note_beat(registered);
    Ok(())
}
