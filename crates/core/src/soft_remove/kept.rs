//! Which confirmations still hold when a row is requested again: those of targets that would be called in the same way.

use crate::{catalog::Table, config::Target, ledger::Confirmations, template::Values};

impl Table {
    /// Those confirmations whose target would be called in the same way with the new values as with the old. Of a target
    /// that is not configured here nothing is known, so all values count.
    #[must_use]
    pub fn still_confirmed(&self, confirmations: Confirmations, before: &Values, now: &Values) -> Confirmations {
        let holds = |name: &str| match self.resource.targets.iter().find(|target| target.name.as_str() == name) {
            Some(target) => target.same_twin(before, now),
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

/// The former payloads of a deletion `d`: those that it has, and its own if the row that is requested now is not the one
/// that it was marked for, which lost its mark or its key to it, and has another twin than it. So is any row if it was
/// recorded when its own was gone, and so has no marker column. `now` and `before` are
/// the row's payload and what was in its marker column; `$9` is an object of the targets' columns (PostgreSQL).
pub(super) fn former(d: &str, now: &str, before: &str) -> String {
    format!(
        "case when ({d}.marker_column is null or {d}.marker_value is distinct from {before}) and exists (
            select 1 from jsonb_each($9::jsonb) target
            where not {d}.confirmations ? target.key and exists (
                select 1 from jsonb_array_elements_text(target.value) used(name)
                where {d}.payload ->> used.name is distinct from {now} ->> used.name))
         then {d}.former || jsonb_build_array({d}.payload) else {d}.former end"
    )
}

impl Table {
    /// Whether a target that has not confirmed would be called in another way with the new values than with the old.
    pub(super) fn has_other_twin(&self, confirmations: &Confirmations, before: &Values, now: &Values) -> bool {
        let open = |target: &&Target| !confirmations.contains_key(target.name.as_str());
        self.resource.targets.iter().filter(open).any(|target| !target.same_twin(before, now))
    }
}

/// The lane of a deletion with these confirmations: `$2` is the resource, `$5` the targets in order (PostgreSQL).
pub(super) fn lane(confirmations: &str) -> String {
    format!(
        "coalesce((select $2 || '.' || target.name
            from jsonb_array_elements_text($5::jsonb) with ordinality target(name, place)
            where not {confirmations} ? target.name order by target.place limit 1), $2)"
    )
}
