//! Completions: the rows of many deletions go in one transaction.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use sexton_core::{db, ids::ResourceName};

use super::Context;
use crate::{
    engine::batcher::{Batcher, Outcome, Process},
    hard_delete::{HardDelete, HardDeleteOutcome, hard_delete},
};

/// Most rows in one transaction.
const BATCH: usize = 100;

/// Completes deletions in batches, one batcher a table.
pub(crate) struct Completions {
    batchers: BTreeMap<ResourceName, Batcher<HardDelete, HardDeleteOutcome>>,
}

impl Completions {
    pub(super) fn start(context: &Arc<Context>) -> Self {
        let batchers = context.store.catalog.tables().map(|table| {
            let (context, name) = (Arc::clone(context), table.name.clone());
            let table = Arc::clone(table);
            let process: Process<HardDelete, HardDeleteOutcome> = Arc::new(move |batch: Vec<HardDelete>| {
                let (context, table) = (Arc::clone(&context), Arc::clone(&table));
                let work = async move { hard_delete(&context.store, &table, &batch).await };
                Box::pin(work) as BoxFuture<'static, Result<Vec<HardDeleteOutcome>, db::Error>>
            });
            (name, Batcher::start(BATCH, 2, process))
        });
        Self { batchers: batchers.collect() }
    }

    pub(crate) async fn complete(&self, resource: &ResourceName, deletion: HardDelete) -> Outcome<HardDeleteOutcome> {
        match self.batchers.get(resource) {
            Some(batcher) => batcher.submit(deletion).await,
            None => {
                Err(Arc::new(db::Error::other("complete a deletion", format!("resource {resource} is not configured"))))
            }
        }
    }
}
