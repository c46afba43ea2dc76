//! Completions of this process: one transaction deletes the rows of many deletions, or one row that takes long.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sexton_core::{catalog::Table, db, ids::ResourceName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Context,
    batcher::{Batcher, ProcessBatch},
};
use crate::hard_delete::{HardDelete, HardDeleted, hard_delete};

/// Most rows in one transaction.
const BATCH: usize = 100;

/// Completes deletions in batches, one batcher a table.
pub(super) struct Completions {
    batchers: BTreeMap<ResourceName, Batcher<HardDelete, HardDeleted>>,
    /// One row that takes long is deleted at a time: each has a connection, maybe for minutes.
    slow: Arc<Semaphore>,
}

impl Completions {
    pub(super) fn start(context: &Arc<Context>) -> Self {
        let limit = context.config.worker.delete_timeout;
        let batchers = context.store.catalog.tables().map(|table| {
            let (context, name) = (Arc::clone(context), table.name.clone());
            let table = Arc::clone(table);
            let process: ProcessBatch<HardDelete, HardDeleted> = Arc::new(move |batch: Vec<HardDelete>| {
                let (context, table) = (Arc::clone(&context), Arc::clone(&table));
                let work = async move { Ok(hard_delete(&context.store, &table, &batch, limit).await) };
                Box::pin(work) as BoxFuture<'static, Result<Vec<HardDeleted>, db::Error>>
            });
            (name, Batcher::start(BATCH, 2, process))
        });
        Self { batchers: batchers.collect(), slow: Arc::new(Semaphore::new(1)) }
    }

    /// The right to delete a row that takes long; none while another is being deleted.
    pub(super) fn slow_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slow).try_acquire_owned().ok()
    }

    /// Completes a deletion, once its batch is full or has waited long enough.
    pub(super) async fn complete(&self, resource: &ResourceName, deletion: HardDelete) -> HardDeleted {
        match self.batchers.get(resource) {
            Some(batcher) => batcher.submit(deletion).await.flatten(),
            None => {
                let why = format!("resource {resource} is not configured");
                Err(Arc::new(db::Error::other("complete a deletion", why)))
            }
        }
    }
}

/// Completes one deletion in a transaction of its own, in which a statement may take as long as `limit`.
pub(super) async fn complete_alone(
    context: &Context,
    table: &Table,
    deletion: HardDelete,
    limit: Duration,
) -> HardDeleted {
    let results = hard_delete(&context.store, table, &[deletion], limit).await;
    let none = || Err(Arc::new(db::Error::other("complete a deletion", "there is no result")));
    results.into_iter().next().unwrap_or_else(none)
}
