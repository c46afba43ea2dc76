//! Deletions that wait for those of their children: moved on when the last child's is finished, or when one is dead.
//!
//! The ledger says which deletion waits for which, so any process may notice.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use sexton_core::{ids::DeletionId, outcome::DeadKind, state::State};

use super::Service;
use crate::{engine::Engine, metrics};

/// Most deletions in one statement; more are moved on in further ones at once.
const BATCH: u32 = 500;

/// Moves on what waits for children.
///
/// * When deletions ended in this process: one statement about what waits for them.
/// * Every quarter of a lease: one statement about all that wait, because the process that ended one may have died.
pub(crate) struct ParentRelease {
    engine: Arc<Engine>,
    /// Deletions that ended in this process since the last time.
    ended: Option<Vec<DeletionId>>,
    next_full_look: Instant,
}

impl ParentRelease {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, ended: None, next_full_look: Instant::now() }
    }

    /// Moves on what waits for the `ended` deletions, or all that can be.
    async fn advance_parents(&self, mut ended: Option<Vec<DeletionId>>) {
        let store = &self.engine.context.store;
        loop {
            let released = match store.ledger.advance_waiting(&store.db, ended.as_deref(), BATCH).await {
                Ok(released) if released.is_empty() => return,
                Ok(released) => released,
                Err(error) => return tracing::warn!(%error, "cannot move on deletions that wait for their children"),
            };
            for one in &released {
                let id = one.id;
                if one.state == State::Dead {
                    metrics::count_dead(&one.resource, DeadKind::ChildDead);
                    tracing::warn!(%id, kind = %DeadKind::ChildDead, "deletion {id} is dead: a child's deletion is");
                } else {
                    tracing::debug!(%id, "the children of deletion {id} are finished");
                }
            }
            // A parent that died may have a parent of its own.
            ended.iter_mut().for_each(|ended| ended.extend(released.iter().map(|one| one.id)));
        }
    }
}

#[async_trait]
impl Service for ParentRelease {
    async fn run_once(&mut self) -> Duration {
        let ended = self.ended.take();
        let is_full_look = ended.is_none();
        self.advance_parents(ended).await;
        if is_full_look {
            self.next_full_look = Instant::now() + self.engine.context.config.worker.lease / 4;
        }
        self.next_full_look.saturating_duration_since(Instant::now())
    }

    async fn woken(&mut self) {
        self.ended = Some(self.engine.ended.take_all().await);
    }
}
