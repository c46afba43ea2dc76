//! Asking the targets of a claimed deletion, one after the other.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sexton_core::{
    config::Target,
    ids::Lane,
    ledger::{Confirmation, has_confirmed},
    outcome::{Answer, Outcome},
    template::Values,
};

use super::{
    execution::Execution,
    failed_calls::FailedCall,
    gone_expected::Trace,
    targets_outcome::{Snooze, TargetsOutcome},
};

/// What one target came to, while the deletion is still ours.
pub(super) enum TargetReply {
    Confirmed(TargetConfirmation),
    Failed(FailedCall),
    Snooze(Snooze),
}

/// An answer that confirms.
pub(super) struct TargetConfirmation {
    pub(super) answer: Answer,
    /// Whether it said "gone", and that is still to be judged.
    pub(super) doubted: bool,
}

impl Execution<'_> {
    /// Asks each target that has not confirmed, in their order.
    pub(super) async fn ask_targets(&mut self) -> TargetsOutcome {
        let table = Arc::clone(&self.table);
        let mut failed = Vec::new();
        let mut snooze = None;
        for target in &table.resource.targets {
            let name = target.name.as_str();
            if self.confirmations.contains_key(name) && !self.ask_again.contains_key(name) {
                continue;
            }
            // A target that did not confirm just now is among the failed, so this does not pass for the end.
            if !target.after.iter().all(|before| has_confirmed(&self.confirmations, before.as_str())) {
                continue;
            }
            match self.ask_target(target).await {
                Ok(TargetReply::Confirmed(TargetConfirmation { answer: Answer::Skipped, .. })) => {
                    self.confirm(target, TargetConfirmation { answer: Answer::Skipped, doubted: false });
                    continue;
                }
                Ok(TargetReply::Confirmed(confirmation)) => self.confirm(target, confirmation),
                // The first in order is the lane in which it waits.
                Ok(TargetReply::Snooze(reply)) => {
                    let called = reply.error.is_some();
                    snooze = snooze.or(Some(reply));
                    if !called {
                        continue;
                    }
                }
                Ok(TargetReply::Failed(call)) => {
                    failed.push(call);
                    // On-call must decide about a lost answer: nothing else may be noted over it.
                    if failed.iter().any(|call| matches!(call.outcome, Outcome::Lost(_))) {
                        break;
                    }
                }
                Err(outcome) => return outcome,
            }
            if !target.repeatable
                && let Err(outcome) = self.end_call().await
            {
                return outcome;
            }
        }
        if !failed.is_empty() {
            return TargetsOutcome::Failed(failed);
        }
        if let Some(snooze) = snooze {
            return TargetsOutcome::Snooze(snooze);
        }
        if table.resource.targets.iter().any(|target| self.doubted(target).is_some()) {
            return TargetsOutcome::Doubted;
        }
        let unknown = self.claim.targets.iter().find(|name| !has_confirmed(&self.confirmations, name));
        unknown.map_or(TargetsOutcome::Confirmed, |name| TargetsOutcome::NotConfigured(name.clone()))
    }

    /// Asks a target to delete the row's twin, and before it the twins of rows that had its key before.
    async fn ask_target(&mut self, target: &Target) -> Result<TargetReply, TargetsOutcome> {
        let mut twins: Vec<&Values> = Vec::new();
        for values in self.claim.former.iter().chain([&self.payload]) {
            twins.retain(|known| !target.same_twin(known, values));
            twins.push(values);
        }
        let twins: Vec<Values> = twins.into_iter().cloned().collect();
        let (mut answer, mut any_doubted) = (Answer::Skipped, false);
        for values in &twins {
            if target.skip_when_null.iter().any(|column| values.get(column).is_none_or(Option::is_none)) {
                answer = Answer::Skipped;
                continue;
            }
            match self.call_target(target, values).await? {
                TargetReply::Confirmed(TargetConfirmation { answer: confirmed, doubted }) => {
                    if twins.len() > 1 && matches!(confirmed, Answer::Deleted { .. }) {
                        // All are asked again if one of them is in doubt.
                        self.expect_gone(target, values, Trace::Acted);
                    }
                    answer = confirmed;
                    any_doubted |= doubted;
                }
                other => return Ok(other),
            }
        }
        Ok(TargetReply::Confirmed(TargetConfirmation { answer, doubted: any_doubted }))
    }

    fn confirm(&mut self, target: &Target, confirmation: TargetConfirmation) {
        let TargetConfirmation { answer, doubted } = confirmation;
        let at = humantime::format_rfc3339_millis(self.now()).to_string();
        if matches!(answer, Answer::Deleted { .. }) && !doubted {
            let lane = Lane::of_target(&self.table.name, &target.name);
            for twin in self.claim.former.iter().chain([&self.payload]) {
                self.engine.context.gates.note_confirmed(&lane, self.claim.id, &target.twin_name(twin));
            }
        }
        let verified = target.is_verified() && answer != Answer::Skipped;
        let before = self.doubted(target).filter(|_| doubted);
        let asked_again = before.map_or(0, |before| before.asked.saturating_add(1));
        let in_run = self.ask_again.remove(target.name.as_str()).unwrap_or(false);
        let confirmation = Confirmation { at, answer, verified, doubted, asked_again, in_run };
        self.confirmations.insert(target.name.to_string(), confirmation);
    }

    /// The database's clock, carried on since the claim: this machine's own may be wrong.
    pub(super) fn now(&self) -> SystemTime {
        let elapsed = i64::try_from(self.since.elapsed().as_millis()).unwrap_or_default();
        let at_ms = u64::try_from(self.claim.claimed_at_ms + elapsed).unwrap_or_default();
        UNIX_EPOCH + Duration::from_millis(at_ms)
    }
}
