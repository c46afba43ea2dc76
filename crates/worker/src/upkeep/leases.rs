//! Renewal of the leases of what is in flight.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sexton_core::db;

use super::Service;
use crate::engine::Engine;

/// How soon a renewal that failed is tried once more, at the latest.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Renews leases. Every third of a lease: one statement for all that this process holds, none while it holds none.
pub(crate) struct LeaseRenewal {
    engine: Arc<Engine>,
}

impl LeaseRenewal {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    async fn renew(&self) -> Result<(), db::Error> {
        let leases = self.engine.in_flight.leases();
        if leases.is_empty() {
            return Ok(());
        }
        let renewal = self.engine.renew(&leases).await?;
        let lost = leases.len() - renewal.renewed.len() - renewal.locked.len();
        if lost > 0 {
            // Some of them may have been written back in the meantime; those are not in flight any more.
            tracing::debug!(lost, "leases were not renewed");
        }
        Ok(())
    }
}

#[async_trait]
impl Service for LeaseRenewal {
    async fn run_once(&mut self) -> Duration {
        let lease = self.engine.context.config.worker.lease;
        let interval = lease / 3;
        let began = Instant::now();
        // A server that does not answer at all must not keep us from the next attempt.
        let error = match tokio::time::timeout(interval, self.renew()).await {
            Ok(Ok(())) => return interval.saturating_sub(began.elapsed()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        // The leases run on; calls stop beginning when too little of them is left.
        tracing::warn!(error, leases = self.engine.in_flight.len(), "cannot renew leases");
        RETRY_AFTER.min(lease / 10)
    }
}
