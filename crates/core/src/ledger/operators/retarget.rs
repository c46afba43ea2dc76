//! A target that was renamed: deletions that were requested under its old name go on under the new one.

use crate::{
    db::{self, Db, Row, Sql, Words, kill_point},
    ids::{DeletionId, Lane, ResourceName, TargetName},
    ledger::{Action, Ledger, Operator},
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    count: Sql,
    retarget: Sql,
}

/// Deletions that still have to ask the old target: pending, or dead because it is not configured.
const MEANT: &str = "
    d.resource = @resource and {has_old}
    and (d.state in ({from:Claimed}) or (d.state = {dead} and d.dead_kind = {dead_kind:TargetNotConfigured}))";

const HAS_OLD_POSTGRES: &str =
    "d.targets @> jsonb_build_array(@old::text) and not jsonb_exists(d.confirmations, @old::text)";
const HAS_OLD_SQLITE: &str = "exists (select 1 from json_each(d.targets) t where t.value = @old)
    and json_extract(d.confirmations, '$.\"' || @old || '\"') is null";

const RENAMED_POSTGRES: &str = "(
    select jsonb_agg(case when t.value = @old then @new else t.value end order by t.ordinality)
    from jsonb_array_elements_text(d.targets) with ordinality t)";
const RENAMED_SQLITE: &str = "(
    select json_group_array(case when t.value = @old then @new else t.value end)
    from json_each(d.targets) t)";

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let words = words.clone().with([
            ("has_old", words.pick(HAS_OLD_POSTGRES, HAS_OLD_SQLITE).to_owned()),
            ("renamed", words.pick(RENAMED_POSTGRES, RENAMED_SQLITE).to_owned()),
        ]);
        let words = words.clone().with([("meant", words.expand(MEANT))]);
        let count = "-- count the deletions of a target
            select count(*) as n from {deletion} d where {meant}";
        let retarget = "-- rename a target of deletions
            update {deletion} as d
            set targets = {renamed}, lane = case when d.lane = @old_lane then @new_lane else d.lane end,
                run_at = case when d.state in ({from:Claimed}) then {now} else d.run_at end
            where {meant}
            returning {text:id} as id, case when state = {dead} then 1 else 0 end as is_dead";
        Self { count: words.render(count), retarget: words.render(retarget) }
    }
}

impl Ledger {
    /// How many deletions of `resource` still have to ask the target `old`: pending, or dead as
    /// `target_not_configured`.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn count_of_target(&self, db: &Db, resource: &ResourceName, old: &TargetName) -> Result<i64, db::Error> {
        let values = [("resource", resource.as_str().into()), ("old", old.as_str().into())];
        let row = self.sql.retarget.count.bind(values).one(&db.conn).await?;
        Ok(row.map(|row| row.get("n")).transpose()?.unwrap_or_default())
    }

    /// Lets these deletions ask the target `new` in place of `old`, and retries those that are dead. Returns all of
    /// them.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn retarget(
        &self,
        db: &Db,
        resource: &ResourceName,
        (old, new): (&TargetName, &TargetName),
        operator: &Operator<'_>,
    ) -> Result<Vec<DeletionId>, db::Error> {
        let transaction = db.begin().await?;
        let values = [
            ("resource", resource.as_str().into()),
            ("old", old.as_str().into()),
            ("new", new.as_str().into()),
            ("old_lane", Lane::of_target(resource, old).as_str().into()),
            ("new_lane", Lane::of_target(resource, new).as_str().into()),
        ];
        let rows = self.sql.retarget.retarget.bind(values).all(&transaction).await?;
        let (mut all, mut dead) = (Vec::new(), Vec::new());
        for row in &rows as &[Row] {
            let id: DeletionId = row.parse("id")?;
            all.push(id);
            if row.integer("is_dead")? == 1 {
                dead.push(id);
            }
        }
        all.sort();
        self.retry(&transaction, &dead).await?;
        self.record_action(&transaction, Action::Retarget, operator, &all).await?;
        kill_point("retarget::before");
        transaction.commit().await?;
        kill_point("retarget::committed");
        Ok(all)
    }
}
