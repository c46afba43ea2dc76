//! Taking due deletions from the ledger itself.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{engine::Engine, queue::Activity};

/// A process that received nothing from Redis for this long helps itself.
const UNFED: Duration = Duration::from_secs(2);
/// What has been due for this long is taken even while Redis feeds us: its hint was lost.
const OVERDUE: Duration = Duration::from_secs(5);
/// How often the ledger is asked while nothing is due and nobody says when something will be.
const IDLE: Duration = Duration::from_millis(500);
/// How often it is asked while Redis feeds us.
const FED: Duration = Duration::from_secs(1);
/// After a slot became free: time for others to become free as well, so that one statement claims for all of them.
const GATHER: Duration = Duration::from_millis(5);

/// Feeds the engine from the ledger until `stop`: always without Redis (`activity` is none), otherwise whenever Redis
/// does not feed this process, and with what is overdue.
pub(crate) async fn feed_directly(engine: Arc<Engine>, activity: Option<Arc<Activity>>, stop: CancellationToken) {
    let mut unfed = false;
    while !stop.is_cancelled() {
        let now_unfed = activity.as_ref().is_none_or(|activity| activity.idle_for() > UNFED);
        if now_unfed != unfed && activity.is_some() {
            tracing::debug!(
                "{}",
                if now_unfed { "Redis feeds us nothing; asking the ledger" } else { "Redis feeds us again" }
            );
        }
        unfed = now_unfed;
        crate::metrics::fed_by_redis(!unfed);
        let overdue = if unfed { Duration::ZERO } else { OVERDUE };
        let pause = match engine.take_due(overdue).await {
            Ok(0) if unfed => idle_time(&engine).await,
            Ok(0) => FED,
            Ok(_) => GATHER,
            Err(error) => {
                tracing::warn!(%error, "cannot take due deletions from the ledger");
                FED
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = async { tokio::time::sleep(pause).await; engine.slot_free().await } => {}
        }
    }
}

/// Until something is due, but not longer than a request without a hint should wait.
async fn idle_time(engine: &Engine) -> Duration {
    let context = &engine.context;
    match context.ledger.next_due_in(&context.db, &context.catalog.lanes()).await {
        // Zero: it is due but locked, or another process has it.
        Ok(Some(next)) => next.clamp(Duration::from_millis(50), IDLE),
        Ok(None) | Err(_) => IDLE,
    }
}
