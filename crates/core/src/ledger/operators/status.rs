//! Figures for `sexton status`, the metrics and the demonstration.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use serde::Serialize;

use crate::{
    db::{self, Row, Sql, Words},
    ids::{DeletionId, Lane},
    ledger::{Ledger, OpenBreaker, Pause, SweepState},
};

/// How things stand; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Deletions by state; final states count what is still kept.
    pub states: BTreeMap<String, i64>,
    /// Dead letters by kind.
    pub dead: BTreeMap<String, i64>,
    /// What operators paused.
    pub paused: Vec<Pause>,
    /// The targets that are not called for now.
    pub breakers: Vec<OpenBreaker>,
    /// The lanes with anything pending or running.
    pub lanes: Vec<LaneStatus>,
    /// Milliseconds since the oldest due deletion became due; none if none is due.
    pub oldest_due_ms: Option<i64>,
    /// Deletions whose rows take long to delete, the slowest first; at most twenty.
    pub slow_deletes: Vec<SlowDelete>,
    /// The sweeps that ever ran; the ledger does not know the others.
    pub sweeps: Vec<SweepState>,
}

/// A deletion whose row was not deleted within the limit of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlowDelete {
    /// The deletion.
    pub id: DeletionId,
    /// Its resource.
    pub resource: String,
    /// How many milliseconds its next DELETE may take.
    pub limit_ms: i64,
    /// What its last error was, with the tables that lack an index.
    pub reason: Option<String>,
}

/// How a lane stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneStatus {
    /// The resource, or `resource.target`.
    pub lane: Lane,
    /// Pending and due.
    pub due: i64,
    /// Pending and not yet due.
    pub later: i64,
    /// Claimed.
    pub running: i64,
    /// Of all these, those whose row waits until an unexpected "gone" is judged.
    pub held: i64,
    /// Milliseconds since its oldest due deletion became due.
    pub oldest_due_ms: Option<i64>,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    by_state: Sql,
    dead_by_kind: Sql,
    lanes: Sql,
    slow_deletes: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let by_state = "-- count deletions by state
            select state, count(*) as n from {deletion} group by state
            union all
            select state, count(*) from {done} group by state";
        let dead_by_kind = "-- count dead letters by kind
            select dead_kind, count(*) as n from {deletion} where state = {dead} group by dead_kind";
        let slow_deletes = "-- list rows that take long to delete
            select {text:id} as id, resource, delete_limit_ms, last_error from {deletion}
            where delete_limit_ms is not null order by delete_limit_ms desc, id limit 20";
        Self {
            by_state: words.render(by_state),
            dead_by_kind: words.render(dead_by_kind),
            lanes: words.render(include_str!("status.lanes.sql")),
            slow_deletes: words.render(slow_deletes),
        }
    }
}

impl Ledger {
    /// Counts the ledger. It reads every open deletion once; not for every tick.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn status(&self, conn: &impl ConnectionTrait) -> Result<Status, db::Error> {
        let sql = &self.sql.status;
        let mut status = Status::default();
        for row in sql.by_state.bind([]).all(conn).await? {
            status.states.insert(row.get("state")?, row.get("n")?);
        }
        for row in sql.dead_by_kind.bind([]).all(conn).await? {
            status.dead.insert(row.get("dead_kind")?, row.get("n")?);
        }
        status.paused = self.pauses(conn).await?;
        status.breakers = self.breakers(conn).await?;
        status.lanes = self.lane_status(conn).await?;
        status.oldest_due_ms = status.lanes.iter().filter_map(|lane| lane.oldest_due_ms).max();
        for row in sql.slow_deletes.bind([]).all(conn).await? {
            let (limit_ms, reason) = (row.get("delete_limit_ms")?, row.get("last_error")?);
            let (id, resource) = (row.parse("id")?, row.get("resource")?);
            status.slow_deletes.push(SlowDelete { id, resource, limit_ms, reason });
        }
        status.sweeps = self.sweeps(conn).await?;
        Ok(status)
    }

    /// How each lane with anything pending or running stands.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn lane_status(&self, conn: &impl ConnectionTrait) -> Result<Vec<LaneStatus>, db::Error> {
        let lane = |row: &Row| {
            Ok(LaneStatus {
                lane: Lane::from_ledger(row.get("lane")?),
                due: row.get("due")?,
                later: row.get("later")?,
                running: row.get("running")?,
                held: row.get("held")?,
                oldest_due_ms: row.get("oldest")?,
            })
        };
        self.sql.status.lanes.bind([]).all(conn).await?.iter().map(lane).collect()
    }
}
