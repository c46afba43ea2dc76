//! Which confirmations still hold when a row is requested again: those of targets that would be called in the same way.

use crate::{catalog::Table, ledger::Confirmations, template::Values};

impl Table {
    /// Those confirmations whose target would be called in the same way with the new values as with the old. Of a target
    /// that is not configured here nothing is known, so all values count.
    #[must_use]
    pub fn still_confirmed(&self, confirmations: Confirmations, before: &Values, now: &Values) -> Confirmations {
        let holds = |name: &str| match self.resource.targets.iter().find(|target| target.name.as_str() == name) {
            Some(target) => target.columns().iter().all(|column| before.get(column) == now.get(column)),
            None => before == now,
        };
        confirmations.into_iter().filter(|(name, _)| holds(name)).collect()
    }
}

/// [`Table::still_confirmed`] for `jsonb` expressions; `$9` is an object of the targets' columns (PostgreSQL).
pub(super) fn still_confirmed(confirmations: &str, before: &str, now: &str) -> String {
    format!(
        "(select coalesce(jsonb_object_agg(c.key, c.value), '{{}}') from jsonb_each({confirmations}) c
          where case when $9::jsonb ? c.key then not exists (
                select 1 from jsonb_array_elements_text($9::jsonb -> c.key) used(name)
                where {before} ->> used.name is distinct from {now} ->> used.name)
             else {before} = {now} end)"
    )
}

/// The lane of a deletion with these confirmations: `$2` is the resource, `$5` the targets in order (PostgreSQL).
pub(super) fn lane(confirmations: &str) -> String {
    format!(
        "coalesce((select $2 || '.' || target.name
            from jsonb_array_elements_text($5::jsonb) with ordinality target(name, place)
            where not {confirmations} ? target.name order by target.place limit 1), $2)"
    )
}
