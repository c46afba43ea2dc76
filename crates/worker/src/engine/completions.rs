//! Completions: the rows of many deletions go in one transaction.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use sexton_core::{db, ids::ResourceName};

use super::Context;
use crate::{
    engine::batcher::{Batcher, Outcome, Process},
    hard_delete::{Completion, Removal, remove},
};

/// Most rows in one transaction.
const BATCH: usize = 100;

/// Completes deletions in batches, one batcher a table.
pub(crate) struct Completions {
    batchers: BTreeMap<ResourceName, Batcher<Removal, Completion>>,
}

impl Completions {
    pub(super) fn start(context: &Arc<Context>) -> Self {
        let batchers = context.store.catalog.tables().map(|table| {
            let (context, name) = (Arc::clone(context), table.name.clone());
            let table = Arc::clone(table);
            let process: Process<Removal, Completion> = Arc::new(move |batch: Vec<Removal>| {
                let (context, table) = (Arc::clone(&context), Arc::clone(&table));
                let work = async move { remove(&context.store, &table, &batch).await };
                Box::pin(work) as BoxFuture<'static, Result<Vec<Completion>, db::Error>>
            });
            (name, Batcher::start(BATCH, 2, process))
        });
        Self { batchers: batchers.collect() }
    }

    pub(crate) async fn complete(&self, resource: &ResourceName, removal: Removal) -> Outcome<Completion> {
        match self.batchers.get(resource) {
            Some(batcher) => batcher.submit(removal).await,
            None => {
                Err(Arc::new(db::Error::other("complete a deletion", format!("resource {resource} is not configured"))))
            }
        }
    }
}
