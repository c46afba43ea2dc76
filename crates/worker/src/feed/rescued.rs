//! Taking rescued deletions, one at a time.
//!
//! What was in flight when a process vanished may be what killed it. So nobody sends hints of rescued deletions; each
//! process takes one, and the next when that one is written down.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, Rescued};

/// How often the ledger is asked while there are none.
const IDLE: Duration = Duration::from_secs(1);
/// How soon it is asked again when others were faster.
const MISSED: Duration = Duration::from_millis(100);

/// Feeds the engine with rescued deletions until `stop`.
pub(crate) async fn feed_rescued(engine: Arc<Engine>, stop: CancellationToken) {
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            taken = engine.may_take_rescued() => taken,
        };
        let Some(permit) = taken else { return };
        let pause = match engine.take_rescued(permit).await {
            Ok(Rescued::Taken) => Duration::ZERO,
            Ok(Rescued::Missed) => MISSED,
            Ok(Rescued::None) => IDLE,
            Err(error) => {
                tracing::warn!(%error, "cannot look for rescued deletions");
                IDLE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
