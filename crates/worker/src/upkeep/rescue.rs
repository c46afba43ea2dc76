//! Rescue: what a vanished worker had claimed becomes due once more.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use super::Service;
use crate::{engine::Context, metrics};

/// Most leases in one statement; more are taken back in further ones at once.
const BATCH: u32 = 500;

/// Takes back expired leases. Every quarter of a lease: one statement, which finds nothing while no worker vanished.
pub(crate) struct Rescue {
    context: Arc<Context>,
}

impl Rescue {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    async fn take_back_expired_leases(&self) {
        let (store, worker) = (&self.context.store, &self.context.config.worker);
        loop {
            let rescued = match store.ledger.rescue(&store.db, worker.max_rescues, BATCH).await {
                Ok(rescued) => rescued,
                Err(error) => return tracing::warn!(%error, "cannot take back expired leases"),
            };
            for one in &rescued {
                metrics::count_rescue(&one.resource);
                let (id, rescues) = (one.id, one.rescues);
                match one.dead {
                    Some(kind) => tracing::warn!(%id, rescues, %kind, "deletion {id} is dead: {kind}"),
                    None => tracing::warn!(%id, rescues, "the lease of deletion {id} expired; it is due again"),
                }
            }
            if rescued.len() < BATCH as usize {
                return;
            }
        }
    }
}

#[async_trait]
impl Service for Rescue {
    async fn run_once(&mut self) -> Duration {
        let began = Instant::now();
        self.take_back_expired_leases().await;
        (self.context.config.worker.lease / 4).saturating_sub(began.elapsed())
    }
}
