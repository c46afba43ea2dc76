//! Which confirmations still hold when a row is requested anew: those of targets that would be called in the same way.

use crate::{
    catalog::Table,
    config::Target,
    ledger::{Confirmations, has_confirmed},
    template::Values,
};

impl Table {
    /// Those confirmations whose target would be called in the same way with the new values as with the old. Of a
    /// target that is not configured here nothing is known, so all values count.
    #[must_use]
    pub fn still_confirmed(&self, confirmations: Confirmations, before: &Values, now: &Values) -> Confirmations {
        let holds = |name: &str| match self.resource.targets.iter().find(|target| target.name.as_str() == name) {
            Some(target) => target.same_twin(before, now),
            None => before == now,
        };
        confirmations.into_iter().filter(|(name, _)| holds(name)).collect()
    }

    /// Whether a target that has not confirmed would be called in another way with the new values than with the old.
    pub(super) fn has_other_twin(&self, confirmations: &Confirmations, before: &Values, now: &Values) -> bool {
        let unconfirmed = |target: &&Target| !has_confirmed(confirmations, target.name.as_str());
        self.resource.targets.iter().filter(unconfirmed).any(|target| !target.same_twin(before, now))
    }
}
