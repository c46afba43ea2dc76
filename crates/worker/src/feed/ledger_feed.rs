//! Taking due deletions from the ledger itself.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Wake;
use crate::{engine::Engine, metrics, transport::Activity};

/// A process that received nothing from a healthy Redis for this long takes what has been due for as long itself. Not
/// sooner: a quiet time is not the fault of Redis, and the dispatcher goes first.
const QUIET: Duration = Duration::from_secs(2);
/// What has been due for this long is taken even while Redis feeds us: its hint was lost.
const OVERDUE: Duration = Duration::from_secs(5);
/// How often the ledger is asked while nothing is due.
const IDLE: Duration = Duration::from_millis(500);
/// How often it is asked while something is due that another process has locked.
const TAKEN: Duration = Duration::from_millis(250);
/// How often it is asked while a lane has had as many calls as its target may get for now.
const LIMITED: Duration = Duration::from_millis(50);
/// How often it is asked while Redis feeds us, and while every slot is taken.
const FED: Duration = Duration::from_secs(1);
/// After a wake, while Redis feeds us: the dispatcher has this long to hint at what is due.
const DISPATCHED: Duration = Duration::from_millis(400);
/// What has been due for this long after a wake has no hint.
const UNHINTED: Duration = Duration::from_millis(300);
/// After a slot became free: time for others to become free as well, so that one statement claims for all of them.
const GATHER: Duration = Duration::from_millis(5);

/// Feeds the engine from the ledger until `stop`.
///
/// * Without Redis (`activity` is none): always.
/// * With Redis: while Redis does not feed this process, with what is overdue, and after a wake with what has no hint.
pub(crate) async fn feed_from_ledger(
    engine: Arc<Engine>,
    activity: Option<Arc<Activity>>,
    wake: Arc<Wake>,
    stop: CancellationToken,
) {
    let mut fed = true;
    let mut woken = false;
    while !stop.is_cancelled() {
        let patience = activity.as_ref().map_or(Duration::ZERO, |activity| patience(activity));
        let overdue = if woken { patience.min(UNHINTED) } else { patience };
        let taken = engine.take_due(overdue).await;
        // A wake is for what has no hint, which is not the fault of Redis.
        let needed = !woken && overdue < OVERDUE && taken.as_ref().is_ok_and(|taken| *taken > 0);
        let now_fed = activity.as_ref().is_some_and(|activity| activity.is_healthy() && !needed);
        if now_fed != fed && activity.is_some() {
            let what = if now_fed { "Redis is back" } else { "Redis feeds us nothing; taking from the ledger" };
            tracing::debug!("{what}");
        }
        fed = now_fed;
        metrics::set_fed_by_redis(fed);
        let pause = match taken {
            Ok(0) if overdue.is_zero() => idle_time(&engine).await,
            Ok(0) => FED,
            Ok(_) => GATHER,
            Err(error) => {
                tracing::warn!(%error, "cannot take due deletions from the ledger");
                FED
            }
        };
        let next = async {
            let woken = tokio::select! {
                () = tokio::time::sleep(pause) => false,
                () = wake.ledger_feed_woken() => true,
            };
            if woken {
                tokio::time::sleep(if fed { DISPATCHED } else { GATHER }).await;
            }
            // While every open slot is taken, the reserved ones are filled every so often.
            tokio::time::timeout(FED, engine.slot_free()).await.ok();
            woken
        };
        woken = tokio::select! {
            () = stop.cancelled() => return,
            woken = next => woken,
        };
    }
}

/// For how long a deletion must have been due before this process takes it itself.
fn patience(activity: &Activity) -> Duration {
    if !activity.is_healthy() {
        Duration::ZERO
    } else if activity.idle_for() > QUIET {
        QUIET
    } else {
        OVERDUE
    }
}

/// Until something is due, but at most as long as a request without a hint should wait.
async fn idle_time(engine: &Engine) -> Duration {
    let context = &engine.context;
    let (full, lanes): (Vec<_>, Vec<_>) = context.gates.open_lanes().into_iter().partition(|lane| lane.room == Some(0));
    let lanes: Vec<_> = lanes.into_iter().map(|lane| lane.name).collect();
    // A lane that has had its calls for now may have more soon.
    let most = if full.is_empty() { IDLE } else { LIMITED };
    match context.store.ledger.next_due_in(&context.store.db, &lanes).await {
        Ok(_) if !full.is_empty() => most,
        Ok(Some(Duration::ZERO)) => TAKEN,
        Ok(Some(next)) => next.min(IDLE),
        Ok(None) | Err(_) => IDLE,
    }
}
