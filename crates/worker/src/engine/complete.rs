//! Completing a deletion: when all targets confirmed, the row goes, with many others in one transaction.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sexton_core::{
    config::AfterConfirmation, db, ids::ResourceName, key::Key, ledger::Phase, outcome::DeadKind, state::Event,
};

use super::{
    Context,
    batcher::{BatchResult, Batcher, ProcessBatch},
    execution::Execution,
};
use crate::{
    hard_delete::{HardDelete, HardDeleteOutcome, hard_delete},
    metrics,
};

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

    async fn complete(&self, resource: &ResourceName, deletion: HardDelete) -> BatchResult<HardDeleteOutcome> {
        match self.batchers.get(resource) {
            Some(batcher) => batcher.submit(deletion).await,
            None => {
                let why = format!("resource {resource} is not configured");
                Err(Arc::new(db::Error::other("complete a deletion", why)))
            }
        }
    }
}

impl Execution<'_> {
    /// Deletes the row, or leaves it to `delete_after`, to `then = "keep"` or to the end of a pause.
    pub(super) async fn complete(self, key: Key) {
        // A row that was gone from the start can neither be kept nor deleted later; its children go now.
        let then = self.claim.marker_rule.map_or(AfterConfirmation::Delete, |rule| self.table.then(rule));
        if let (Phase::Confirm, AfterConfirmation::DeleteAfter(delay), false) =
            (self.claim.phase, then, self.row_is_gone)
        {
            let mut settlement = self.settlement(Event::HardDeleteScheduled, delay);
            settlement.phase = Phase::HardDelete;
            return self.write_back(settlement).await;
        }
        if then != AfterConfirmation::Keep && self.engine.context.gates.hard_deletes_paused() {
            // It waits in the lane of the resource itself, which is shut meanwhile.
            let event = if self.claim.phase == Phase::Confirm { Event::HardDeleteScheduled } else { Event::Snoozed };
            let mut settlement = self.settlement(event, Duration::ZERO);
            settlement.phase = Phase::HardDelete;
            settlement.give_back = true;
            return self.write_back(settlement).await;
        }
        let deletion = HardDelete {
            id: self.claim.id,
            fence: self.claim.fence,
            key,
            rule: self.claim.marker_rule,
            payload: self.payload.clone(),
            confirmations: self.confirmations.clone(),
            delete: then != AfterConfirmation::Keep,
        };
        let completion = loop {
            match self.engine.completions.complete(&self.table.name, deletion.clone()).await {
                Ok(HardDeleteOutcome::ManyChildren) => match self.delete_many_children(&deletion).await {
                    Ok(None) => {}
                    Ok(Some(why)) => break why,
                    Err(error) => return self.row_unreadable(&error).await,
                },
                Ok(completion) => break completion,
                Err(error) => match error.refusal() {
                    Some(refusal) => return self.row_refused(&refusal, &error).await,
                    None if self.wait_for_database().await => {}
                    None => return self.abandon(&error),
                },
            }
        };
        self.note_completion(completion, &deletion.key).await;
    }

    async fn note_completion(mut self, completion: HardDeleteOutcome, key: &Key) {
        let id = self.claim.id;
        match completion {
            HardDeleteOutcome::Deleted | HardDeleteOutcome::AlreadyGone | HardDeleteOutcome::Kept => {
                metrics::count_completion(&self.claim.resource, &completion);
                self.tell_parent();
                tracing::debug!(%id, row = ?completion, "deletion {id} is completed");
            }
            HardDeleteOutcome::Lost => self.log_lost_lease(),
            HardDeleteOutcome::Locked => self.row_locked().await,
            HardDeleteOutcome::Changed(now) => {
                self.refresh_payload(now);
                // A row that never settles down must not keep its deletion open for ever.
                if self.claim.age + self.since.elapsed() >= self.engine.context.config.retry.give_up_after {
                    return self.die(DeadKind::Expired, "the row kept changing in columns that its targets use").await;
                }
                self.row_changed().await;
            }
            HardDeleteOutcome::LiveAgain => self.row_live_again().await,
            HardDeleteOutcome::Refused => self.row_not_deleted().await,
            HardDeleteOutcome::ChildrenFirst => self.let_children_go_first(key).await,
            HardDeleteOutcome::ChildRefused(table) => self.child_not_deleted(&table).await,
            // Few were left; others may have arrived since.
            HardDeleteOutcome::ManyChildren => self.row_locked().await,
            HardDeleteOutcome::Referenced(by) => self.row_referenced(&by).await,
        }
    }
}
