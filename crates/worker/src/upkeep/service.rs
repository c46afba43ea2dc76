//! What the services have in common: they do something, pause, and do it once more.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

/// Something that a process looks after.
#[async_trait]
pub(crate) trait Service: Send {
    /// Does it once, logs its own failures, and says how long to pause.
    async fn run_once(&mut self) -> Duration;

    /// Resolves when there is a reason to end the pause early. It may be dropped before.
    async fn woken(&mut self) {
        std::future::pending().await
    }
}

/// Runs a service until `stop`, which is looked at in its pauses.
pub(crate) async fn keep_running(mut service: impl Service, stop: CancellationToken) {
    loop {
        let pause = service.run_once().await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = service.woken() => {}
        }
    }
}
