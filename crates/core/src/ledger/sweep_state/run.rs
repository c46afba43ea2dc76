//! Who runs a sweep, how far it came and what it did: `sexton_sweep`, by the database's clock.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Value};
use serde::{Deserialize, Serialize};

use crate::{
    db::{self, Db, Row, Sql, Words, millis},
    ledger::{Ledger, SweepHealth},
};

/// How far a sweep came with what it is for, in the same terms for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepProgress {
    /// What the pass has found so far.
    pub found: u64,
    /// How much of it is to be dealt with, whether or not it was. What is only reported is not.
    pub wanted: u64,
    /// How much of it was dealt with.
    pub done: u64,
    /// Since when the oldest of the backlog has been in it, RFC 3339; none if that is not known.
    pub oldest_at: Option<String>,
}

impl SweepProgress {
    /// How much of what was found was not dealt with.
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
    pub fn note_backlog_since(&mut self, at: Option<&str>) {
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
    pub progress: SweepProgress,
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
    /// How much of it was not dealt with.
    pub backlog: i64,
    /// For how many milliseconds the oldest of the backlog has been in it, if that is known.
    pub oldest_ms: Option<i64>,
    /// How many runs in a row ended because their budget was used up.
    pub cut_short: i64,
    /// How many times in a row a pass changed nothing of what it should change, or a run did not move its cursor.
    pub stalled: i64,
    /// Why the last run failed, or what it could not do.
    pub error: Option<String>,
    /// What the last complete pass found and did, in the sweep's own terms.
    pub figures: serde_json::Value,
}

/// How many runs in a row did not finish their work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnfinishedRuns {
    /// Those that used up their budget.
    pub cut_short: i64,
    /// Those that changed nothing of what they should change.
    pub stalled: i64,
}

/// The lead of a sweep: one process at a time has it.
#[derive(Debug, Clone, Copy)]
pub struct SweepLead<'a> {
    /// The name of the sweep.
    pub sweep: &'a str,
    /// The process.
    pub leader: &'a str,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    lead: Sql,
    end: Sql,
    leave: Sql,
    cursor: Sql,
    list: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let leave = "-- give the lead of a sweep back
            update {sweep}
            set leader = null, lease_until = null, ran_at = {now}, error = coalesce({text:@error}, error)
            where name = @name and leader = @leader";
        let cursor = "-- read the cursor of a sweep
            select {text:cursor} as cursor from {sweep} where name = @name";
        Self {
            lead: words.render(include_str!("run.lead.sql")),
            end: words.render(include_str!("run.end.sql")),
            leave: words.render(leave),
            cursor: words.render(cursor),
            list: words.render(include_str!("run.list.sql")),
        }
    }
}

impl Ledger {
    /// Takes the lead for the time of `lease`, if no other process has it and the sweep's last pass was over at least
    /// `every` ago. Returns the cursor that the last run left, or none if it is not to be run here and
    /// now.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the lead is as before then.
    pub async fn lead_sweep(
        &self,
        db: &Db,
        lead: SweepLead<'_>,
        lease: Duration,
        every: Duration,
    ) -> Result<Option<serde_json::Value>, db::Error> {
        let take = self.sql.sweep_run.lead.bind([
            ("name", lead.sweep.into()),
            ("leader", lead.leader.into()),
            ("lease_ms", millis(lease).into()),
            ("every_ms", millis(every).into()),
        ]);
        take.one(&db.conn).await?.map(|row| row.json("cursor")).transpose()
    }

    /// Ends a run that took this long: the next begins at its cursor. The last run of a pass leaves its figures.
    /// If another process leads by now, nothing changes and the answer is none.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the run is not ended then.
    pub async fn end_sweep(
        &self,
        db: &Db,
        lead: SweepLead<'_>,
        run: &SweepRun,
        took: Duration,
    ) -> Result<Option<UnfinishedRuns>, db::Error> {
        let count = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
        let end = self.sql.sweep_run.end.bind([
            ("name", lead.sweep.into()),
            ("leader", lead.leader.into()),
            ("took_ms", millis(took).into()),
            ("cursor", run.cursor.to_string().into()),
            ("found", count(run.progress.found)),
            ("done", count(run.progress.done)),
            ("backlog", count(run.progress.backlog())),
            ("oldest_at", run.progress.oldest_at.clone().into()),
            ("over", run.over.into()),
            ("figures", run.figures.to_string().into()),
            ("error", run.error.clone().into()),
            ("stalled", (run.over && run.progress.is_stalled()).into()),
        ]);
        let unfinished =
            |row: Row| Ok(UnfinishedRuns { cut_short: row.integer("cut_short")?, stalled: row.integer("stalled")? });
        end.one(&db.conn).await?.map(unfinished).transpose()
    }

    /// Gives the lead back after a run that failed because of `error`, or that was ended from outside; the next begins
    /// where it began.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the lead ends with its lease then.
    pub async fn leave_sweep(&self, db: &Db, lead: SweepLead<'_>, error: Option<&str>) -> Result<(), db::Error> {
        let values = [("name", lead.sweep.into()), ("leader", lead.leader.into()), ("error", error.into())];
        self.sql.sweep_run.leave.bind(values).execute(&db.conn).await.map(drop)
    }

    /// The cursor that a sweep left; an empty object if it never ran.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses, or the cursor is no JSON.
    pub async fn sweep_cursor(&self, db: &Db, name: &str) -> Result<serde_json::Value, db::Error> {
        let row = self.sql.sweep_run.cursor.bind([("name", name.into())]).one(&db.conn).await?;
        let cursor = row.map(|row| row.json_opt("cursor")).transpose()?.flatten();
        Ok(cursor.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())))
    }

    /// How each sweep stands that ever ran, by name.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn sweeps(&self, conn: &impl ConnectionTrait) -> Result<Vec<SweepState>, db::Error> {
        self.sql.sweep_run.list.bind([]).all(conn).await?.iter().map(state).collect()
    }
}

fn state(row: &Row) -> Result<SweepState, db::Error> {
    Ok(SweepState {
        name: row.get("name")?,
        health: SweepHealth::default(),
        leader: row.get("leader")?,
        lease_until: row.get("lease_until")?,
        ran_at: row.get("ran_at")?,
        idle_ms: row.get("idle_ms")?,
        took_ms: row.get("took_ms")?,
        passed_at: row.get("passed_at")?,
        found: row.get("found")?,
        done: row.get("done")?,
        backlog: row.get("backlog")?,
        oldest_ms: row.get("oldest_ms")?,
        cut_short: row.integer("cut_short")?,
        stalled: row.integer("stalled")?,
        error: row.get("error")?,
        figures: row.json("figures")?,
    })
}
