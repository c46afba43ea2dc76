//! Figures for `sexton status`, the metrics and the demonstration.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use serde::Serialize;

use crate::{
    db,
    ids::Lane,
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
    /// The targets that are left alone.
    pub breakers: Vec<OpenBreaker>,
    /// The lanes with anything pending or running.
    pub lanes: Vec<LaneStatus>,
    /// Milliseconds since the oldest due deletion became due; none if none is due.
    pub oldest_due_ms: Option<i64>,
    /// The sweeps that ever ran. Those that never did are for whoever knows them.
    pub sweeps: Vec<SweepState>,
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
    /// Milliseconds since its oldest due deletion became due.
    pub oldest_due_ms: Option<i64>,
}

impl Ledger {
    /// Counts the ledger. It reads every open deletion once; not for every tick.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn status(&self, conn: &impl ConnectionTrait) -> Result<Status, db::Error> {
        let d = self.dialect;
        let mut status = Status::default();
        let states = format!(
            "select state, count(*) as n from {} group by state union all select state, count(*) from {} group by state",
            self.deletion, self.done
        );
        for row in conn.query_all_raw(d.statement(states, [])).await? {
            status.states.insert(row.try_get("", "state")?, row.try_get("", "n")?);
        }
        let dead =
            format!("select dead_kind, count(*) as n from {} where state = 'dead' group by dead_kind", self.deletion);
        for row in conn.query_all_raw(d.statement(dead, [])).await? {
            status.dead.insert(row.try_get("", "dead_kind")?, row.try_get("", "n")?);
        }
        status.paused = self.pauses(conn).await?;
        status.breakers = self.breakers(conn).await?;
        status.lanes = self.lane_status(conn).await?;
        status.oldest_due_ms = status.lanes.iter().filter_map(|lane| lane.oldest_due_ms).max();
        status.sweeps = self.sweeps(conn).await?;
        Ok(status)
    }

    /// How each lane with anything pending or running stands.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn lane_status(&self, conn: &impl ConnectionTrait) -> Result<Vec<LaneStatus>, db::Error> {
        let d = self.dialect;
        let count = |condition: &str| format!("coalesce(sum(case when {condition} then 1 else 0 end), 0)");
        let due = format!("state = 'pending' and run_at <= {}", d.now_once());
        let sql = format!(
            "select lane, {} as due, {} as later, {} as running, {} as oldest from {}
             where state in ('pending', 'running') group by lane order by lane",
            count(&due),
            count(&format!("state = 'pending' and run_at > {}", d.now_once())),
            count("state = 'running'"),
            d.ms_since(&format!("min(case when {due} then run_at end)")),
            self.deletion,
        );
        let rows = conn.query_all_raw(d.statement(sql, [])).await?;
        rows.iter()
            .map(|row| {
                Ok(LaneStatus {
                    lane: Lane::from_ledger(row.try_get("", "lane")?),
                    due: row.try_get("", "due")?,
                    later: row.try_get("", "later")?,
                    running: row.try_get("", "running")?,
                    oldest_due_ms: row.try_get("", "oldest")?,
                })
            })
            .collect()
    }
}
