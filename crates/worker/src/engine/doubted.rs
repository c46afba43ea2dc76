//! Answers "gone" that are still to be judged, when their deletion is claimed once more.

use std::time::Duration;

use sexton_core::ids::Lane;

use super::execution::Execution;
use crate::gate::Judgement;

impl Execution<'_> {
    /// Judges what is in doubt. Returns how long to wait if that cannot be done yet.
    pub(super) fn judge_doubted(&mut self) -> Option<Duration> {
        let now = self.now();
        let gates = &self.engine.context.gates;
        let mut wait = None;
        for target in &self.table.resource.targets {
            let name = target.name.as_str();
            let Some(confirmation) = self.confirmations.get_mut(name).filter(|confirmation| confirmation.doubted)
            else {
                continue;
            };
            let at = humantime::parse_rfc3339(&confirmation.at).ok();
            let age = at.map(|at| now.duration_since(at).unwrap_or_default());
            let lane = Lane::of_target(&self.table.name, &target.name);
            match age.map_or(Judgement::AskAgain { believe: false }, |age| gates.judge_gone(&lane, age)) {
                Judgement::Believe => confirmation.doubted = false,
                Judgement::Wait(time) => wait = wait.max(Some(time)),
                Judgement::AskAgain { believe } => {
                    self.confirmations.remove(name);
                    if believe {
                        self.gone_expected.insert(name.to_owned());
                    }
                }
            }
        }
        wait
    }
}
