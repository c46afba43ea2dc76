//! What operators paused: a resource, a target of one, or the deleting of rows.

use std::fmt;

use sea_orm::{ConnectionTrait, Value};
use serde::Serialize;

use crate::{
    db::{self, Db},
    ids::Lane,
    ledger::{Action, Ledger, notify},
};

/// What can be paused, by its name in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A resource, or `resource.target`: nothing of it is claimed, and calls that have not begun do not begin.
    Lane(String),
    /// Targets are asked, but rows that all of them confirmed stay until it is resumed.
    HardDeletes,
}

/// The name of [`Scope::HardDeletes`], which no resource can have.
const HARD_DELETES: &str = "(hard deletes)";

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lane(lane) => f.write_str(lane),
            Self::HardDeletes => f.write_str(HARD_DELETES),
        }
    }
}

/// A pause that lasts; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// A resource, `resource.target`, or `(hard deletes)`.
    pub scope: String,
    /// Since when (RFC 3339, UTC).
    pub since: String,
    /// Who paused it.
    pub by: String,
    /// Why, if said.
    pub reason: Option<String>,
}

impl Pause {
    /// Whether deletions in `lane` wait because of it.
    #[must_use]
    pub fn holds(&self, lane: &Lane) -> bool {
        **lane == *self.scope || lane.strip_prefix(&self.scope).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether it is about the deleting of rows.
    #[must_use]
    pub fn is_of_hard_deletes(&self) -> bool {
        self.scope == HARD_DELETES
    }
}

impl Ledger {
    /// What is paused now.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn pauses(&self, conn: &impl ConnectionTrait) -> Result<Vec<Pause>, db::Error> {
        let sql = format!(
            "select scope, {} as since, paused_by, reason from {} where resumed_at is null order by scope",
            self.dialect.iso("paused_at"),
            self.control
        );
        let rows = conn.query_all_raw(self.dialect.statement(sql, [])).await?;
        rows.iter()
            .map(|row| {
                Ok(Pause {
                    scope: row.try_get("", "scope")?,
                    since: row.try_get("", "since")?,
                    by: row.try_get("", "paused_by")?,
                    reason: row.try_get("", "reason")?,
                })
            })
            .collect()
    }

    /// Pauses `scope` and tells all processes. False if it was paused already: nothing changes then.
    ///
    /// # Errors
    /// Whatever the database says; nothing is paused then.
    pub async fn pause(&self, db: &Db, scope: &Scope, who: &str, reason: Option<&str>) -> Result<bool, db::Error> {
        let d = self.dialect;
        let transaction = db.begin().await?;
        let sql = format!(
            "insert into {} (scope, paused_by, reason) values ($1, $2, {}) on conflict do nothing",
            self.control,
            d.param(3, "text")
        );
        let values: [Value; 3] = [scope.to_string().into(), who.into(), reason.map(str::to_owned).into()];
        let new = transaction.execute_raw(d.statement(sql, values)).await?.rows_affected() > 0;
        if new {
            self.record_scope_action(&transaction, &Action { who, action: "pause", reason }, scope).await?;
            notify(&transaction, d).await?;
        }
        transaction.commit().await?;
        Ok(new)
    }

    /// Resumes `scope`, closes the breaker of that name, and tells all processes. False if there was neither: nothing
    /// changes then. The time of the pause is not counted in `give_up_after`.
    ///
    /// # Errors
    /// Whatever the database says; nothing is resumed then.
    pub async fn resume(&self, db: &Db, scope: &Scope, who: &str, reason: Option<&str>) -> Result<bool, db::Error> {
        let d = self.dialect;
        let transaction = db.begin().await?;
        let end = format!(
            "update {} set resumed_at = {}, resumed_by = $2 where scope = $1 and resumed_at is null",
            self.control,
            d.now()
        );
        let values: [Value; 2] = [scope.to_string().into(), who.into()];
        let resumed = transaction.execute_raw(d.statement(end, values)).await?.rows_affected();
        let close = format!("delete from {} where lane = $1", self.breaker);
        let closed = transaction.execute_raw(d.statement(close, [scope.to_string().into()])).await?.rows_affected();
        if resumed + closed > 0 {
            self.record_scope_action(&transaction, &Action { who, action: "resume", reason }, scope).await?;
            notify(&transaction, d).await?;
        }
        transaction.commit().await?;
        Ok(resumed + closed > 0)
    }

    async fn record_scope_action(
        &self,
        transaction: &impl ConnectionTrait,
        action: &Action<'_>,
        scope: &Scope,
    ) -> Result<(), db::Error> {
        let d = self.dialect;
        let sql = format!(
            "insert into {} (who, action, detail, reason) values ($1, $2, {}, {})",
            self.action,
            d.param(3, "jsonb"),
            d.param(4, "text")
        );
        let detail = serde_json::json!({ "scope": scope.to_string() }).to_string();
        let values: [Value; 4] =
            [action.who.into(), action.action.into(), detail.into(), action.reason.map(str::to_owned).into()];
        transaction.execute_raw(d.statement(sql, values)).await.map(drop).map_err(Into::into)
    }
}
