//! Completing a deletion: when all targets confirmed, the row goes, with many others in one transaction.

use std::time::Duration;

use sexton_core::{config::AfterConfirmation, key::Key, ledger::Phase, outcome::DeadKind, state::Event};

use super::{completions::complete_alone, execution::Execution};
use crate::{
    hard_delete::{HardDelete, HardDeleteOutcome, HardDeleted},
    metrics,
};

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
        let mut deletion = HardDelete {
            id: self.claim.id,
            fence: self.claim.fence,
            key,
            rule: self.claim.marker_rule,
            payload: self.payload.clone(),
            confirmations: self.confirmations.clone(),
            delete: then != AfterConfirmation::Keep,
            in_circle: false,
        };
        let slow_permit = match self.claim.delete_limit {
            Some(_) => match self.engine.completions.slow_permit() {
                Some(permit) => Some(permit),
                None => return self.wait_for_slow_delete().await,
            },
            None => None,
        };
        let completion = loop {
            match self.try_to_complete(&deletion).await {
                Ok(HardDeleteOutcome::ManyChildren) if deletion.in_circle => return self.row_in_large_circle().await,
                Ok(HardDeleteOutcome::ManyChildren) => match self.delete_many_children(&mut deletion).await {
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
        drop(slow_permit);
        self.note_completion(completion, &deletion.key).await;
    }

    /// Deletes the row in one transaction with others; alone if it took long before, or goes with a circle of children.
    async fn try_to_complete(&self, deletion: &HardDelete) -> HardDeleted {
        let in_circle = || deletion.in_circle.then_some(self.engine.context.config.worker.delete_timeout);
        match self.claim.delete_limit.or_else(in_circle) {
            Some(limit) => complete_alone(&self.engine.context, &self.table, deletion.clone(), limit).await,
            None => self.engine.completions.complete(&self.table.name, deletion.clone()).await,
        }
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
            HardDeleteOutcome::TooSlow(limit) => self.row_too_slow(limit).await,
            HardDeleteOutcome::Referenced(by) => self.row_referenced(&by).await,
        }
    }
}
