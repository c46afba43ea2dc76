//! Who runs a sweep, how far it came and what it did: `sexton_sweep`, by the database's clock.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, Value};

use super::Ledger;
use crate::db::{Db, millis};

/// How a sweep stands.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the column of the same name")]
pub struct SweepState {
    pub leader: Option<String>,
    pub lease_until: Option<String>,
    pub figures: serde_json::Value,
    pub last_run_at: Option<String>,
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
    ) -> Result<Option<serde_json::Value>, DbErr> {
        let d = self.dialect;
        let sql = format!(
            "insert into {} as s (name, leader, lease_until) values ($1, $2, {})
             on conflict (name) do update set leader = excluded.leader, lease_until = excluded.lease_until
             where (s.lease_until is null or s.lease_until < {now} or s.leader = excluded.leader)
                and (s.last_run_at is null or s.last_run_at <= {})
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
        serde_json::from_str(&cursor).map(Some).map_err(|e| DbErr::Json(e.to_string()))
    }

    /// Ends a run: the next begins at `cursor`. A run that was the last of its pass counts as complete, and leaves its
    /// figures. Nothing happens if another process leads by now.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn end_sweep(
        &self,
        db: &Db,
        name: &str,
        leader: &str,
        cursor: &serde_json::Value,
        figures: Option<&serde_json::Value>,
    ) -> Result<(), DbErr> {
        let d = self.dialect;
        let (cursor_value, figures_value) = (d.param(3, "jsonb"), d.param(4, "jsonb"));
        let sql = format!(
            "update {} set leader = null, lease_until = null, cursor = {cursor_value},
                figures = coalesce({figures_value}, figures),
                last_run_at = case when {figures_value} is null then last_run_at else {} end
             where name = $1 and leader = $2",
            self.sweep,
            d.now(),
        );
        let figures = figures.map(ToString::to_string);
        let values: [Value; 4] = [name.into(), leader.into(), cursor.to_string().into(), figures.into()];
        db.conn.execute_raw(d.statement(sql, values)).await.map(drop)
    }

    /// Gives the lead back after a run that failed; the next begins where it began.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn leave_sweep(&self, db: &Db, name: &str, leader: &str) -> Result<(), DbErr> {
        let sql =
            format!("update {} set leader = null, lease_until = null where name = $1 and leader = $2", self.sweep);
        db.conn.execute_raw(self.dialect.statement(sql, [name.into(), leader.into()])).await.map(drop)
    }

    /// How the sweep stands; none if it never ran.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn sweep_state(&self, db: &Db, name: &str) -> Result<Option<SweepState>, DbErr> {
        let d = self.dialect;
        let sql = format!(
            "select leader, {} as lease_until, {} as figures, {} as last_run_at from {} where name = $1",
            d.iso("lease_until"),
            d.cast("figures", "text"),
            d.iso("last_run_at"),
            self.sweep,
        );
        let Some(row) = db.conn.query_one_raw(d.statement(sql, [name.into()])).await? else { return Ok(None) };
        let figures: String = row.try_get("", "figures")?;
        Ok(Some(SweepState {
            leader: row.try_get("", "leader")?,
            lease_until: row.try_get("", "lease_until")?,
            figures: serde_json::from_str(&figures).map_err(|e| DbErr::Json(e.to_string()))?,
            last_run_at: row.try_get("", "last_run_at")?,
        }))
    }
}
