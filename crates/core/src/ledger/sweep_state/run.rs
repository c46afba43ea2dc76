//! Who runs a sweep, how far it came and what it did: `sexton_sweep`, by the database's clock.

use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult, Value};
use serde::{Deserialize, Serialize};

use crate::{
    db::{self, Db, millis},
    ledger::{Ledger, SweepHealth},
};

/// How far a sweep came with what it is for, in the same terms for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What the pass has found so far.
    pub found: u64,
    /// How much of it is to be dealt with, whether or not it was: what is only reported is not.
    pub wanted: u64,
    /// How much of it was dealt with.
    pub done: u64,
    /// Since when the oldest of what is left as it is has been so, RFC 3339; none if that is not known.
    pub oldest_at: Option<String>,
}

impl Progress {
    /// How much is left as it is.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.found.saturating_sub(self.done)
    }

    /// Whether nothing was dealt with although something was to be.
    #[must_use]
    pub const fn is_stalled(&self) -> bool {
        self.wanted > 0 && self.done == 0
    }

    /// Takes the older of two times for that of the oldest.
    pub fn left_since(&mut self, at: Option<&str>) {
        if let Some(at) = at.filter(|at| self.oldest_at.as_deref().is_none_or(|oldest| *at < oldest)) {
            self.oldest_at = Some(at.to_owned());
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct SweepRun {
    /// Where the next run begins.
    pub cursor: serde_json::Value,
    /// What the pass did so far; the field names are part of the contract of `--json`.
    pub figures: serde_json::Value,
    /// The same in the terms that all sweeps share.
    pub progress: Progress,
    /// Whether the pass is over, so that the next begins after the interval. If not, the budget was used up.
    pub over: bool,
    /// What could not be done, although the rest went on.
    pub error: Option<String>,
}

/// How a sweep stands; the field names are part of the contract of `status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SweepState {
    /// Its name.
    pub name: String,
    /// How it gets on; see [`SweepState::judged`].
    #[serde(rename = "state")]
    pub health: SweepHealth,
    /// The process that runs it.
    pub leader: Option<String>,
    /// Until when that process leads, without renewal.
    pub lease_until: Option<String>,
    /// When its last run ended, a run being a part of a pass.
    pub ran_at: Option<String>,
    /// Milliseconds since then.
    pub idle_ms: Option<i64>,
    /// How long the last run took, in milliseconds.
    pub took_ms: Option<i64>,
    /// When its last pass was over.
    pub passed_at: Option<String>,
    /// What the pass has found so far.
    pub found: i64,
    /// How much of it was dealt with.
    pub done: i64,
    /// How much of it is left as it is.
    pub backlog: i64,
    /// Milliseconds since the oldest of what is left has been so, if that is known.
    pub oldest_ms: Option<i64>,
    /// How many runs one after the other ended because their budget was used up.
    pub cut_short: i64,
    /// How many passes one after the other left all that was to be dealt with, or runs did not move.
    pub stalled: i64,
    /// Why the last run failed, or what it could not do.
    pub error: Option<String>,
    /// What the last complete pass found and did, in the sweep's own terms.
    pub figures: serde_json::Value,
}

/// How often one after the other the runs of a sweep ended in the same way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streak {
    /// With their budget used up.
    pub cut_short: i64,
    /// Without having dealt with anything of what was to be dealt with.
    pub stalled: i64,
}

impl Ledger {
    /// Makes `leader` the one that runs the sweep for the time of `lease`, if nobody else is and its last complete run
    /// was at least `every` ago. Returns the cursor that the last run left, or none if it is not to be run here and now.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn lead_sweep(
        &self,
        db: &Db,
        name: &str,
        leader: &str,
        lease: Duration,
        every: Duration,
    ) -> Result<Option<serde_json::Value>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "insert into {} as s (name, leader, lease_until) values ($1, $2, {})
             on conflict (name) do update set leader = excluded.leader, lease_until = excluded.lease_until
             where (s.lease_until is null or s.lease_until < {now} or s.leader = excluded.leader)
                and (s.last_run_at is null or s.last_run_at <= {} or s.cut_short > 0)
             returning {} as cursor",
            self.sweep,
            d.in_ms("$3"),
            d.in_ms("-$4"),
            d.cast("cursor", "text"),
            now = d.now(),
        );
        let values: [Value; 4] = [name.into(), leader.into(), millis(lease).into(), millis(every).into()];
        let row = db.conn.query_one_raw(d.statement(sql, values)).await?;
        let Some(row) = row else { return Ok(None) };
        let cursor: String = row.try_get("", "cursor")?;
        serde_json::from_str(&cursor).map(Some).map_err(|e| db::Error::unreadable(e.to_string()))
    }

    /// Ends a run that took so long: the next begins at its cursor. A run that was the last of its pass leaves its figures.
    /// Nothing happens if another process leads by now, which is none.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn end_sweep(
        &self,
        db: &Db,
        name: &str,
        leader: &str,
        run: &SweepRun,
        took: Duration,
    ) -> Result<Option<Streak>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "update {} set leader = null, lease_until = null, error = $11, ran_at = {now}, took_ms = $3,
                cursor = {cursor}, found = $5, done = $6, backlog = $7, oldest_at = {oldest},
                figures = case when $9 then {figures} else figures end,
                last_run_at = case when $9 then {now} else last_run_at end,
                cut_short = case when $9 then 0 else cut_short + 1 end,
                stalled = case when $12 or (not $9 and cursor = {cursor}) then stalled + 1 when $9 then 0 else stalled end
             where name = $1 and leader = $2 returning cut_short, stalled",
            self.sweep,
            now = d.now(),
            cursor = d.param(4, "jsonb"),
            oldest = d.param(8, "text::timestamptz"),
            figures = d.param(10, "jsonb"),
        );
        let count = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
        let values: [Value; 12] = [
            name.into(),
            leader.into(),
            millis(took).into(),
            run.cursor.to_string().into(),
            count(run.progress.found),
            count(run.progress.done),
            count(run.progress.backlog()),
            run.progress.oldest_at.clone().into(),
            run.over.into(),
            run.figures.to_string().into(),
            run.error.clone().into(),
            (run.over && run.progress.is_stalled()).into(),
        ];
        let row = db.conn.query_one_raw(d.statement(sql, values)).await?;
        let count = |row: &QueryResult, name: &str| row.try_get::<i32>("", name).map(i64::from);
        row.map(|row| Ok(Streak { cut_short: count(&row, "cut_short")?, stalled: count(&row, "stalled")? })).transpose()
    }

    /// Gives the lead back after a run that failed because of `error`, or that somebody ended; the next begins where it began.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn leave_sweep(&self, db: &Db, name: &str, leader: &str, error: Option<&str>) -> Result<(), db::Error> {
        let sql = format!(
            "update {} set leader = null, lease_until = null, ran_at = {}, error = coalesce({}, error)
             where name = $1 and leader = $2",
            self.sweep,
            self.dialect.now(),
            self.dialect.param(3, "text"),
        );
        let values = [name.into(), leader.into(), error.into()];
        db.conn.execute_raw(self.dialect.statement(sql, values)).await.map(drop).map_err(Into::into)
    }

    /// The cursor that a sweep left; an empty object if it never ran.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn sweep_cursor(&self, db: &Db, name: &str) -> Result<serde_json::Value, db::Error> {
        let d = self.dialect;
        let sql = format!("select {} as cursor from {} where name = $1", d.cast("cursor", "text"), self.sweep);
        let row = db.conn.query_one_raw(d.statement(sql, [name.into()])).await?;
        let cursor: Option<String> = row.map(|row| row.try_get("", "cursor")).transpose()?;
        serde_json::from_str(cursor.as_deref().unwrap_or("{}")).map_err(|e| db::Error::unreadable(e.to_string()))
    }

    /// How each sweep stands that ever ran, by name.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn sweeps(&self, conn: &impl ConnectionTrait) -> Result<Vec<SweepState>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "select name, leader, {} as lease_until, {} as ran_at, {} as idle_ms, took_ms, {} as passed_at, found, done, backlog,
                {} as oldest_ms, cut_short, stalled, error, {} as figures
             from {} order by name",
            d.iso("lease_until"),
            d.iso("ran_at"),
            d.ms_since("ran_at"),
            d.iso("last_run_at"),
            d.ms_since("oldest_at"),
            d.cast("figures", "text"),
            self.sweep,
        );
        conn.query_all_raw(d.statement(sql, [])).await?.iter().map(state).collect()
    }
}

fn state(row: &QueryResult) -> Result<SweepState, db::Error> {
    let figures: String = row.try_get("", "figures")?;
    Ok(SweepState {
        name: row.try_get("", "name")?,
        health: SweepHealth::default(),
        leader: row.try_get("", "leader")?,
        lease_until: row.try_get("", "lease_until")?,
        ran_at: row.try_get("", "ran_at")?,
        idle_ms: row.try_get("", "idle_ms")?,
        took_ms: row.try_get("", "took_ms")?,
        passed_at: row.try_get("", "passed_at")?,
        found: row.try_get("", "found")?,
        done: row.try_get("", "done")?,
        backlog: row.try_get("", "backlog")?,
        oldest_ms: row.try_get("", "oldest_ms")?,
        cut_short: row.try_get::<i32>("", "cut_short")?.into(),
        stalled: row.try_get::<i32>("", "stalled")?.into(),
        error: row.try_get("", "error")?,
        figures: serde_json::from_str(&figures).map_err(|e| db::Error::unreadable(e.to_string()))?,
    })
}
