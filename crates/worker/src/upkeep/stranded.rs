//! Deletions whose target or resource has left the configuration: no process claims from their lanes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sexton_core::{db, ids::Lane, ledger::Stranded, outcome::DeadKind};

use super::Service;
use crate::{engine::Engine, metrics};

/// Most deletions of a lane in one round.
const BATCH: u32 = 500;

/// Takes in what is stranded. Every lease: one small statement, and one more a lane that this configuration does not
/// have.
pub(crate) struct StrandedWatch {
    engine: Arc<Engine>,
}

impl StrandedWatch {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    async fn look_at_lanes(&self) -> Result<(), db::Error> {
        let context = &self.engine.context;
        let known = context.config.lanes();
        for lane in context.store.ledger.pending_lanes(&context.store.db.conn).await? {
            if !known.contains(&lane) {
                self.end_deletions(&lane).await?;
            }
        }
        Ok(())
    }

    async fn end_deletions(&self, lane: &Lane) -> Result<(), db::Error> {
        let (store, config) = (&self.engine.context.store, &self.engine.context.config);
        let stranded_for = |overdue| Stranded { lane, overdue, limit: BATCH };
        let resource = lane.split('.').next().unwrap_or_default();
        if config.resources.keys().any(|name| name.as_str() == resource) {
            // Not at once: a process with a newer configuration may know the lane.
            let taken = store.ledger.take_in_stranded(&store.db, stranded_for(config.worker.lease)).await?;
            if !taken.is_empty() {
                tracing::warn!(
                    %lane,
                    deletions = taken.len(),
                    "{lane} is not configured; its deletions continue without it"
                );
            }
            return Ok(());
        }
        for id in store.ledger.abandon_stranded(&store.db, stranded_for(config.retry.give_up_after)).await? {
            let kind = DeadKind::TargetNotConfigured;
            metrics::count_dead(resource, kind);
            tracing::warn!(%id, %kind, "deletion {id} is dead: no process has {lane} in its configuration");
            self.engine.ended.add(id);
        }
        Ok(())
    }
}

#[async_trait]
impl Service for StrandedWatch {
    async fn run_once(&mut self) -> Duration {
        if let Err(error) = self.look_at_lanes().await {
            tracing::debug!(%error, "cannot look for deletions that no process claims");
        }
        self.engine.context.config.worker.lease
    }
}
