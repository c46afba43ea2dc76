//! Deletions that are held: a target said "gone" unexpectedly, so the row waits until other answers show whether that
//! can be believed.
//!
//! A held deletion is pending, in the lane of the first target that has not confirmed without a doubt. Its confirmation
//! is marked as doubted, which no completion accepts, so it does not matter when or where its process dies.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Db, Dialect, Row, Sql, Words},
    ids::{DeletionId, Lane},
    ledger::Ledger,
    template::Values,
};

/// What is held in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldInLane {
    /// `resource.target`.
    pub lane: Lane,
    /// How many deletions.
    pub count: usize,
    /// How long ago the last answer came, by the database's clock.
    pub newest: Duration,
}

/// A deletion that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDeletion {
    /// The deletion.
    pub id: DeletionId,
    /// The row's values.
    pub payload: Values,
    /// Those of rows that had its key before.
    pub former: Vec<Values>,
}

/// The words, and `{is_doubted:target}`: whether the answer of that target of the deletion `d` is doubted. Its lane
/// does not say so, which is that of the first target that has not confirmed.
pub(in crate::ledger) fn with_is_doubted(words: &Words) -> Words {
    words.clone().with_function("is_doubted", |dialect, target: &str| match dialect {
        Dialect::Postgres => format!("d.confirmations -> {target}::text ->> 'doubted' = 'true'"),
        Dialect::Sqlite => format!("json_extract(d.confirmations, '$.\"' || {target} || '\".doubted') = 1"),
    })
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    count: Sql,
    list: Sql,
    ask_again: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let words = with_is_doubted(words);
        let count = words.pick(
            "-- count held deletions
            select d.resource || '.' || c.key as lane, count(*) as n, {ms_since:max(d.held_at)} as newest_ms
            from {deletion} d cross join lateral jsonb_each(d.confirmations) c
            where d.held_at is not null and d.state in ({from:Claimed}, {from:Finished}) and c.value ->> 'doubted' = 'true'
            group by d.resource, c.key",
            "-- count held deletions
            select d.resource || '.' || c.key as lane, count(*) as n, {ms_since:max(d.held_at)} as newest_ms
            from {deletion} d, json_each(d.confirmations) c
            where d.held_at is not null and d.state in ({from:Claimed}, {from:Finished})
                and json_extract(c.value, '$.doubted') = 1
            group by d.resource, c.key",
        );
        let list = "-- list held deletions
            select {text:d.id} as id, {text:d.payload} as payload, {text:d.former} as former from {deletion} d
            where d.held_at is not null and d.resource = @resource and {is_doubted:@target} and d.state in ({from:Claimed})
            order by d.held_at limit @limit";
        let ask_again = words.pick(
            "-- let held deletions ask their target again
             update {deletion} d
             set confirmations = d.confirmations - @target::text,
                gone_expected = d.gone_expected || jsonb_build_array(@target::text || '!'), held_at = null, run_at = {now}
             where d.held_at is not null and d.resource = @resource and {is_doubted:@target} and d.state in ({from:Claimed})
                and (@all = 1 or d.id {any_uuid:@ids})",
            "-- let held deletions ask their target again
             update {deletion} as d
             set confirmations = json_remove(confirmations, '$.\"' || @target || '\"'),
                gone_expected = json_insert(gone_expected, '$[#]', @target || '!'), held_at = null, run_at = {now}
             where d.held_at is not null and d.resource = @resource and {is_doubted:@target} and d.state in ({from:Claimed})
                and (@all = 1 or d.id {any_uuid:@ids})",
        );
        Self { count: words.render(count), list: words.render(list), ask_again: words.render(ask_again) }
    }
}

impl Ledger {
    /// How much is held, lane by lane; lanes in which nothing is held are left out.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn count_held(&self, conn: &impl ConnectionTrait) -> Result<Vec<HeldInLane>, db::Error> {
        let held = |row: &Row| {
            let newest_ms: i64 = row.get("newest_ms")?;
            Ok(HeldInLane {
                lane: Lane::from_ledger(row.get("lane")?),
                count: usize::try_from(row.get::<i64>("n")?).unwrap_or_default(),
                newest: Duration::from_millis(u64::try_from(newest_ms).unwrap_or_default()),
            })
        };
        self.sql.held.count.bind([]).all(conn).await?.iter().map(held).collect()
    }

    /// What is held in `lane` and not claimed, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn held_in_lane(&self, db: &Db, lane: &Lane, limit: u32) -> Result<Vec<HeldDeletion>, db::Error> {
        let Some((resource, target)) = lane.split_once('.') else { return Ok(Vec::new()) };
        let limit = i64::from(limit).into();
        let values = [("resource", resource.into()), ("target", target.into()), ("limit", limit)];
        let held = |row: &Row| {
            Ok(HeldDeletion { id: row.parse("id")?, payload: row.json("payload")?, former: row.json("former")? })
        };
        self.sql.held.list.bind(values).all(&db.conn).await?.iter().map(held).collect()
    }

    /// Lets held deletions of `lane` ask their target once more, and expect that it says "gone": all of them, or those
    /// with one of these `ids`. Returns how many.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn ask_again(
        &self,
        conn: &impl ConnectionTrait,
        lane: &Lane,
        ids: Option<&[DeletionId]>,
    ) -> Result<u64, db::Error> {
        let Some((resource, target)) = lane.split_once('.') else { return Ok(0) };
        let values = [
            ("resource", resource.into()),
            ("target", target.into()),
            ("all", i32::from(ids.is_none()).into()),
            ("ids", json!(ids.unwrap_or_default()).to_string().into()),
        ];
        self.sql.held.ask_again.bind(values).execute(conn).await
    }
}
