//! Reading what is due, without locking or writing anything.

use std::time::Duration;

use sea_orm::ConnectionTrait;

use crate::{
    db::{self, Db},
    hint::Hint,
    ids::{Fence, Lane},
    ledger::Ledger,
    state::Event,
};

/// A due deletion, and its place in its lane: where the next read goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The hint to push.
    pub hint: Hint,
    /// Since when it is due, as the database prints it; only good for [`Ledger::due_in_lane`].
    pub run_at: String,
}

impl Ledger {
    /// The oldest due deletions of a lane, at most `limit`, after the place of `after`; rescued ones are not among them,
    /// because each process takes those one at a time ([`rescued`](Self::rescued)).
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn due_in_lane(
        &self,
        db: &Db,
        lane: &Lane,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, db::Error> {
        let d = self.dialect;
        let place = match after {
            None => String::new(),
            Some(_) => format!("and (d.run_at, d.id) > ({}, {})", d.param(2, "timestamptz"), d.param(3, "uuid")),
        };
        let sql = format!(
            // Qualified, so that `order by` means the columns and their index, not the texts that are selected.
            "select {} as id, d.fence, {} as run_at from {} d
             where d.state in ({}) and d.lane = $1 and d.run_at <= {} and d.rescues = 0 {place}
             order by d.run_at, d.id limit {limit}",
            d.cast("d.id", "text"),
            d.cast("d.run_at", "text"),
            self.deletion,
            Event::Claimed.sql_from(),
            d.now_once(),
        );
        let mut values = vec![lane.as_str().into()];
        if let Some(after) = after {
            values.push(after.run_at.clone().into());
            values.push(after.hint.id().to_string().into());
        }
        let rows = db.conn.query_all_raw(d.statement(sql, values)).await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("", "id")?;
                let id = id.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))?;
                Ok(Due { hint: Hint::new(id, Fence(row.try_get("", "fence")?)), run_at: row.try_get("", "run_at")? })
            })
            .collect()
    }

    /// When the first pending deletion of a lane (an SQL expression) is due. It is read off the index, which
    /// `exists (… run_at <= …)` is not: the planner expects to hit on a due row soon, and reads the table.
    pub(in crate::ledger) fn oldest_in(&self, lane: &str, and: &str) -> String {
        let (table, pending) = (&self.deletion, Event::Claimed.sql_from());
        format!(
            "(select d.run_at from {table} d where d.state in ({pending}) and d.lane = {lane} {and}
              order by d.run_at, d.id limit 1)"
        )
    }

    /// Time until the next deletion of `lanes` is due; zero if one is, none if there is none.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn next_due_in(&self, db: &Db, lanes: &[Lane]) -> Result<Option<Duration>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "select -{} as ms from (select {} as run_at from {} lane) one",
            d.ms_since("min(one.run_at)"),
            self.oldest_in("lane.value", ""),
            d.json_texts(1),
        );
        if lanes.is_empty() {
            return Ok(None);
        }
        let lanes = serde_json::json!(lanes).to_string();
        let row = db.conn.query_one_raw(d.statement(sql, [lanes.into()])).await?;
        let ms = row.map(|row| row.try_get::<Option<i64>>("", "ms")).transpose()?.flatten();
        Ok(ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default())))
    }

    /// Whether nothing is running in `lanes` and nothing will be due without time passing. Backoffs and snoozes count
    /// as due; grace and `delete_after` do not.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn is_idle(&self, db: &Db, lanes: &[Lane]) -> Result<bool, db::Error> {
        let d = self.dialect;
        let sql = format!(
            // In this order: only the last has to read through what is not due yet.
            "select case
                when exists (select 1 from {table} where state in ({running}) and lane {any}) then 1
                when exists (select 1 from {lanes} lane where {oldest} <= {now}) then 1
                when {waiting} then 1
                when exists (select 1 from {table} where state in ({pending}) and lane {any}
                             and phase = 'confirm' and fence > 0) then 1
             else 0 end as busy",
            oldest = self.oldest_in("lane.value", ""),
            waiting = self.any_to_follow(),
            table = self.deletion,
            running = Event::Finished.sql_from(),
            pending = Event::Claimed.sql_from(),
            lanes = d.json_texts(1),
            any = d.any_of(1, "text"),
            now = d.now_once(),
        );
        let lanes = serde_json::json!(lanes).to_string();
        let row = db.conn.query_one_raw(d.statement(sql, [lanes.into()])).await?;
        let busy: i32 = row.map(|row| row.try_get("", "busy")).transpose()?.unwrap_or_default();
        Ok(busy == 0)
    }
}
