//! Settlements of this process in batches: one statement writes many back.

use std::sync::Arc;

use futures::future::BoxFuture;
use sexton_core::{db, ledger::Settlement};

use super::{
    Context,
    batcher::{BatchResult, Batcher, ProcessBatch},
};

/// Most settlements in one statement.
const BATCH: usize = 200;

/// Writes settlements in batches.
pub(super) struct Settlements {
    batcher: Batcher<Settlement, bool>,
}

impl Settlements {
    pub(super) fn start(context: &Arc<Context>) -> Self {
        let context = Arc::clone(context);
        let process: ProcessBatch<Settlement, bool> = Arc::new(move |batch: Vec<Settlement>| {
            let context = Arc::clone(&context);
            let work = async move {
                let written = context.store.ledger.settle(&context.store.db, &batch, &context.worker).await?;
                Ok(batch.iter().map(|settlement| written.contains(&settlement.id)).collect())
            };
            Box::pin(work) as BoxFuture<'static, Result<Vec<bool>, db::Error>>
        });
        Self { batcher: Batcher::start(BATCH, 2, process) }
    }

    /// Writes a settlement; false if the deletion was no longer ours.
    pub(super) async fn settle(&self, settlement: Settlement) -> BatchResult<bool> {
        self.batcher.submit(settlement).await
    }
}
