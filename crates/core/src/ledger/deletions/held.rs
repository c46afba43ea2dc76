//! Deletions that are held: a target said "gone" although nobody expected it, so the row waits until other answers show
//! whether that can be believed.
//!
//! A held deletion is pending in the lane of that target. Its confirmation is marked as doubted, which no completion accepts,
//! so it does not matter when or where its process dies.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Db, Row, Sql, Words},
    ids::{DeletionId, Lane},
    ledger::Ledger,
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

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    count: Sql,
    list: Sql,
    ask_again: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let count = "-- count held deletions
            select d.lane, count(*) as n, {ms_since:max(d.held_at)} as newest_ms from {deletion} d
            where d.held_at is not null and d.state in ({from:Claimed}, {from:Finished})
            group by d.lane";
        let list = "-- list held deletions
            select {text:d.id} as id from {deletion} d
            where d.held_at is not null and d.lane = @lane and d.state in ({from:Claimed})
            order by d.held_at limit @limit";
        let ask_again = words.pick(
            "-- let held deletions ask their target again
             update {deletion} d
             set confirmations = d.confirmations - @target::text,
                gone_expected = d.gone_expected || jsonb_build_array(@target::text), held_at = null, run_at = {now}
             where d.held_at is not null and d.lane = @lane and d.state in ({from:Claimed})
                and (@all = 1 or d.id {any_uuid:@ids})",
            "-- let held deletions ask their target again
             update {deletion} as d
             set confirmations = json_remove(confirmations, '$.\"' || @target || '\"'),
                gone_expected = json_insert(gone_expected, '$[#]', @target), held_at = null, run_at = {now}
             where d.held_at is not null and d.lane = @lane and d.state in ({from:Claimed})
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
    pub async fn held(&self, conn: &impl ConnectionTrait) -> Result<Vec<HeldInLane>, db::Error> {
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
    pub async fn held_in_lane(&self, db: &Db, lane: &Lane, limit: u32) -> Result<Vec<DeletionId>, db::Error> {
        let values = [("lane", lane.as_str().into()), ("limit", i64::from(limit).into())];
        self.sql.held.list.bind(values).all(&db.conn).await?.iter().map(|row: &Row| row.parse("id")).collect()
    }

    /// Lets held deletions of `lane` ask their target once more, and expect that it says "gone": all of them, or those with
    /// one of these `ids`. Returns how many.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn ask_again(
        &self,
        conn: &impl ConnectionTrait,
        lane: &Lane,
        ids: Option<&[DeletionId]>,
    ) -> Result<u64, db::Error> {
        let Some((_, target)) = lane.split_once('.') else { return Ok(0) };
        let values = [
            ("target", target.into()),
            ("lane", lane.as_str().into()),
            ("all", i32::from(ids.is_none()).into()),
            ("ids", json!(ids.unwrap_or_default()).to_string().into()),
        ];
        self.sql.held.ask_again.bind(values).execute(conn).await
    }
}
