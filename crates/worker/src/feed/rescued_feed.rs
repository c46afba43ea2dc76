//! Taking rescued deletions, one at a time.
//!
//! What was in flight when a process vanished may be what killed it. So rescued deletions get no hints: each process
//! takes one, and the next when that one is written back.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, RescuedTake};

/// How often the ledger is asked while there are none.
const IDLE: Duration = Duration::from_secs(1);
/// How soon it is asked when other processes were faster.
const MISSED: Duration = Duration::from_millis(100);

/// Feeds the engine with rescued deletions until `stop`.
pub(crate) async fn feed_rescued(engine: Arc<Engine>, stop: CancellationToken) {
    loop {
        let permit = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            permit = engine.rescue_permit() => permit,
        };
        let Some(permit) = permit else { return };
        let pause = match engine.take_rescued(permit).await {
            Ok(RescuedTake::Taken) => Duration::ZERO,
            Ok(RescuedTake::OthersWereFaster) => MISSED,
            Ok(RescuedTake::NoneDue) => IDLE,
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
