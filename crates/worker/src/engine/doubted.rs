//! Answers "gone" that are still to be judged, when their deletion is claimed once more.

use std::{sync::Arc, time::Duration};

use sexton_core::{config::Target, ids::Lane, ledger::Confirmation};

use super::execution::Execution;
use crate::gate::{Doubted, HOLD, Judgement};

/// A deletion that is older than `give_up_after` is given up once its target was asked so often again.
const ASKED_ENOUGH: u32 = 3;

/// How soon a deletion is due again that another process has to judge. That one does not wait for this.
const ELSEWHERE: Duration = Duration::from_secs(2);

impl Execution<'_> {
    /// Judges what is in doubt. Returns how long to wait if that cannot be done yet.
    pub(super) async fn judge_doubted(&mut self) -> Option<Duration> {
        let context = &self.engine.context;
        self.engine.held.remove(self.claim.id);
        let mut wait = None;
        let table = Arc::clone(&self.table);
        for target in &table.resource.targets {
            let name = target.name.as_str();
            let Some(doubted) = self.doubted(target) else { continue };
            let Some(confirmation) = self.confirmations.get_mut(name) else { continue };
            let lane = Lane::of_target(&table.name, &target.name);
            match context.gates.judge_gone(&lane, doubted) {
                Judgement::Believe => {
                    let Confirmation { doubted, asked_again, in_run, .. } = confirmation;
                    (*doubted, *asked_again, *in_run) = (false, 0, false);
                }
                Judgement::Wait { time, in_run } => {
                    confirmation.in_run = in_run;
                    self.engine.held.add(self.claim.id, time);
                    wait = wait.max(Some(time));
                }
                Judgement::Elsewhere => wait = wait.max(Some(ELSEWHERE)),
                // It stays until the target has said something else: nothing may forget that it is in doubt.
                Judgement::AskAgain { in_run } => {
                    if confirmation.in_run && !in_run {
                        // From here on those count that follow a deletion.
                        confirmation.asked_again = 0;
                    }
                    self.ask_again.insert(name.to_owned(), in_run);
                }
                Judgement::OpenBreaker => {
                    context.gates.open_gone_breaker(&context.store, &lane).await;
                    wait = wait.max(Some(HOLD));
                }
            }
        }
        wait
    }

    /// The answer of `target` that is still to be judged.
    pub(super) fn doubted(&self, target: &Target) -> Option<Doubted> {
        let confirmation = self.confirmations.get(target.name.as_str()).filter(|confirmation| confirmation.doubted)?;
        let at = humantime::parse_rfc3339(&confirmation.at).ok();
        Some(Doubted {
            id: self.claim.id,
            age: at.map_or(Duration::MAX, |at| self.now().duration_since(at).unwrap_or_default()),
            asked: confirmation.asked_again,
            in_run: confirmation.in_run,
        })
    }

    /// Whether a target said "gone" time and again for longer than `give_up_after`, and that could not be judged.
    pub(super) fn doubts_for_too_long(&self) -> bool {
        let is_asked = |doubted: &Confirmation| doubted.doubted && doubted.asked_again >= ASKED_ENOUGH;
        self.table.resource.targets.iter().any(|target| {
            self.confirmations.get(target.name.as_str()).is_some_and(is_asked) && self.has_expired(target)
        })
    }
}
