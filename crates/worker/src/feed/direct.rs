//! Taking due deletions from the ledger itself.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{engine::Engine, metrics, queue::Activity};

/// A process that received nothing from Redis for this long helps itself.
const UNFED: Duration = Duration::from_secs(2);
/// What has been due for this long is taken even while Redis feeds us: its hint was lost.
const OVERDUE: Duration = Duration::from_secs(5);
/// How often the ledger is asked while nothing is due and nobody says when something will be.
const IDLE: Duration = Duration::from_millis(500);
/// How often it is asked while something is due that is not to be had: another process has it.
const TAKEN: Duration = Duration::from_millis(250);
/// How often it is asked while Redis feeds us, and while every slot is taken.
const FED: Duration = Duration::from_secs(1);
/// After a slot became free: time for others to become free as well, so that one statement claims for all of them.
const GATHER: Duration = Duration::from_millis(5);

/// Feeds the engine from the ledger until `stop`: always without Redis (`activity` is none), otherwise whenever Redis
/// does not feed this process, and with what is overdue.
pub(crate) async fn feed_directly(engine: Arc<Engine>, activity: Option<Arc<Activity>>, stop: CancellationToken) {
    let mut fed = true;
    while !stop.is_cancelled() {
        let unfed = activity.as_ref().is_none_or(|activity| !activity.is_connected() || activity.idle_for() > UNFED);
        let taken = engine.take_due(if unfed { Duration::ZERO } else { OVERDUE }).await;
        // Nothing to do is not the fault of Redis.
        let needed = unfed && taken.as_ref().is_ok_and(|taken| *taken > 0);
        let now_fed = activity.as_ref().is_some_and(|activity| activity.is_healthy() && !needed);
        if now_fed != fed && activity.is_some() {
            let what = if now_fed { "Redis is back" } else { "Redis feeds us nothing; taking from the ledger" };
            tracing::debug!("{what}");
        }
        fed = now_fed;
        metrics::fed_by_redis(fed);
        let pause = match taken {
            Ok(0) if unfed => idle_time(&engine).await,
            Ok(0) => FED,
            Ok(_) => GATHER,
            Err(error) => {
                tracing::warn!(%error, "cannot take due deletions from the ledger");
                FED
            }
        };
        let next = async {
            tokio::time::sleep(pause).await;
            // While every open slot is taken, the reserved ones are looked at.
            tokio::time::timeout(FED, engine.slot_free()).await.ok();
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = next => {}
        }
    }
}

/// Until something is due, but not longer than a request without a hint should wait.
async fn idle_time(engine: &Engine) -> Duration {
    let context = &engine.context;
    match context.ledger.next_due_in(&context.db, &context.catalog.lanes()).await {
        Ok(Some(Duration::ZERO)) => TAKEN,
        Ok(Some(next)) => next.min(IDLE),
        Ok(None) | Err(_) => IDLE,
    }
}
