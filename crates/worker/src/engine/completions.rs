//! Completions of this process in batches: one transaction deletes the rows of many deletions.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use sexton_core::{db, ids::ResourceName};

use super::{
    Context,
    batcher::{BatchResult, Batcher, ProcessBatch},
};
use crate::hard_delete::{HardDelete, HardDeleteOutcome, hard_delete};

/// Most rows in one transaction.
const BATCH: usize = 100;

/// Completes deletions in batches, one batcher a table.
pub(super) struct Completions {
    batchers: BTreeMap<ResourceName, Batcher<HardDelete, HardDeleteOutcome>>,
}

impl Completions {
    pub(super) fn start(context: &Arc<Context>) -> Self {
        let batchers = context.store.catalog.tables().map(|table| {
            let (context, name) = (Arc::clone(context), table.name.clone());
            let table = Arc::clone(table);
            let process: ProcessBatch<HardDelete, HardDeleteOutcome> = Arc::new(move |batch: Vec<HardDelete>| {
                let (context, table) = (Arc::clone(&context), Arc::clone(&table));
                let work = async move { hard_delete(&context.store, &table, &batch).await };
                Box::pin(work) as BoxFuture<'static, Result<Vec<HardDeleteOutcome>, db::Error>>
            });
            (name, Batcher::start(BATCH, 2, process))
        });
        Self { batchers: batchers.collect() }
    }

    /// Completes a deletion, once its batch is full or has waited long enough.
    pub(super) async fn complete(
        &self,
        resource: &ResourceName,
        deletion: HardDelete,
    ) -> BatchResult<HardDeleteOutcome> {
        match self.batchers.get(resource) {
            Some(batcher) => batcher.submit(deletion).await,
            None => {
                let why = format!("resource {resource} is not configured");
                Err(Arc::new(db::Error::other("complete a deletion", why)))
            }
        }
    }
}
