//! Taking what this process holds, as soon as it can be judged.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

/// How often it looks; without a query if there is nothing.
const INTERVAL: Duration = Duration::from_millis(200);

/// Feeds the engine with what this process holds until `stop`.
pub(crate) async fn feed_held(engine: Arc<Engine>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        if let Err(error) = engine.take_held().await {
            tracing::warn!(%error, "cannot take the deletions that this process holds");
        }
    }
}
