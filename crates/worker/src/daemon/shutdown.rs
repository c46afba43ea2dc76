//! The end of a daemon: in order, or because a part of it ended.

use std::time::Duration;

use super::{Daemon, ServiceFailure, services::Stops};

/// How long the last services may take to end: Redis may be away, and signing off from it is only a courtesy.
const FAREWELL: Duration = Duration::from_secs(5);

impl Daemon {
    /// Resolves when a part of the daemon ends by itself: the process should end with an error.
    pub async fn failed(&mut self) -> ServiceFailure {
        match self.services.next_ended().await {
            Some(Ok((name, Ok(())))) => ServiceFailure::Ended(name, "without a reason".to_owned()),
            Some(Ok((name, Err(why)))) => ServiceFailure::Ended(name, why),
            Some(Err(panic)) => ServiceFailure::Panicked(panic),
            None => std::future::pending().await,
        }
    }

    /// Stops bringing in work, lets calls in flight finish within `worker.shutdown_grace`, hands the rest back, and
    /// ends.
    pub async fn shutdown(mut self) {
        tracing::info!(in_flight = self.engine.in_flight(), "stopping");
        self.services.stop(Stops::First);
        let left = self.engine.close(self.engine.context.config.worker.shutdown_grace).await;
        if !left.is_empty() {
            tracing::warn!(left = left.len(), "deletions could not be handed back; their leases will free them");
        }
        self.services.stop(Stops::Last);
        let farewell = async { while self.services.next_ended().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::debug!("not every part of the daemon ended in time");
        }
        tracing::info!("stopped");
    }
}
