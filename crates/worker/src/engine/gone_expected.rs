//! What the answer "gone" would tell, by what is known of earlier calls for the same twin.
//!
//! The ledger keeps marks: the name of the target, then
//!
//! - `#` and the twin: the answer to a call was lost, so the target may have acted, or not.
//! - `+` and the twin: the target said that it acted.
//! - `!`: an operator or another process vouches for it.
//! - nothing: written by an earlier version, after a lost answer.

use sexton_core::{config::Target, ids::Lane, template::Values};

use super::execution::Execution;
use crate::gate::GoneEvidence;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// Its answer was lost.
    Lost,
    /// The target acted.
    Acted,
}

fn mark(target: &Target, values: &Values, trace: Trace) -> String {
    let sign = if trace == Trace::Lost { '#' } else { '+' };
    format!("{}{sign}{}", target.name, target.twin_name(values))
}

impl Execution<'_> {
    /// Takes note that the next call for this twin may find nothing.
    pub(super) fn expect_gone(&mut self, target: &Target, values: &Values, trace: Trace) {
        self.gone_expected.insert(mark(target, values, trace));
    }

    /// What "gone" would mean for the twin that `values` name. Only a call that may have been carried out counts:
    /// after 429, 503 or a refused connection the twin must still be there.
    pub(super) fn gone_evidence(&self, lane: &Lane, target: &Target, values: &Values) -> GoneEvidence {
        let (claim, marks) = (&self.claim, &self.gone_expected);
        let gates = &self.engine.context.gates;
        // A worker that vanished may have called, and a ledger that knows of no call may have lost what it knew.
        let is_known = claim.rescues > 0
            || marks.contains(&mark(target, values, Trace::Acted))
            || marks.contains(&format!("{}!", target.name))
            || (claim.uncalled && gates.has_confirmed_before(lane, claim.id, &target.twin_name(values)));
        let is_lost = marks.contains(&mark(target, values, Trace::Lost)) || marks.contains(target.name.as_str());
        if is_known {
            GoneEvidence::Known
        } else if is_lost {
            GoneEvidence::GoneAfterLoss
        } else {
            GoneEvidence::Gone
        }
    }
}
