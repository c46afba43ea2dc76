//! What operators paused: a resource, a target of one, or the deleting of rows.

use std::fmt;

use sea_orm::ConnectionTrait;
use serde::Serialize;
use serde_json::json;

use crate::{
    db::{self, Db, Row, Sql, Words},
    ids::Lane,
    ledger::{Action, Cause, Ledger, Operator},
};

/// What can be paused, by its name in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseScope {
    /// A resource, or `resource.target`: nothing of it is claimed, and calls that have not begun do not begin.
    Lane(String),
    /// Targets are called, but rows that all of them confirmed stay until it is resumed.
    HardDeletes,
}

/// The name of [`PauseScope::HardDeletes`], which no resource can have.
const HARD_DELETES: &str = "(hard deletes)";

impl fmt::Display for PauseScope {
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
    pub fn covers(&self, lane: &Lane) -> bool {
        **lane == *self.scope || lane.strip_prefix(&self.scope).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether it is about the deleting of rows.
    #[must_use]
    pub fn is_of_hard_deletes(&self) -> bool {
        self.scope == HARD_DELETES
    }
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    list: Sql,
    begin: Sql,
    end: Sql,
    close_breaker: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let list = "-- list what is paused
            select scope, {iso:paused_at} as since, paused_by, reason from {control}
            where resumed_at is null
            order by scope";
        let begin = "-- pause
            insert into {control} (scope, paused_by, reason) values (@scope, @who, {text:@reason})
            on conflict do nothing";
        let end = "-- resume
            update {control} set resumed_at = {now}, resumed_by = @who where scope = @scope and resumed_at is null";
        let close_breaker = "-- close the breaker of what is resumed
            delete from {breaker} where lane = @scope returning cause";
        Self {
            list: words.render(list),
            begin: words.render(begin),
            end: words.render(end),
            close_breaker: words.render(close_breaker),
        }
    }
}

impl Ledger {
    /// What is paused now.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn pauses(&self, conn: &impl ConnectionTrait) -> Result<Vec<Pause>, db::Error> {
        let pause = |row: &Row| {
            Ok(Pause {
                scope: row.get("scope")?,
                since: row.get("since")?,
                by: row.get("paused_by")?,
                reason: row.get("reason")?,
            })
        };
        self.sql.pause.list.bind([]).all(conn).await?.iter().map(pause).collect()
    }

    /// Pauses `scope` and tells all processes. False if it was paused already: nothing changes then.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing is paused then.
    pub async fn pause(&self, db: &Db, scope: &PauseScope, operator: &Operator<'_>) -> Result<bool, db::Error> {
        let transaction = db.begin().await?;
        let begin = self.sql.pause.begin.bind([
            ("scope", scope.to_string().into()),
            ("who", operator.who.into()),
            ("reason", operator.reason.into()),
        ]);
        let is_new = begin.execute(&transaction).await? > 0;
        if is_new {
            self.record_change(&transaction, Action::Pause, operator, &detail(scope)).await?;
            self.notify(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(is_new)
    }

    /// Resumes `scope`, closes the breaker of that name, and tells all processes. False if there was neither: nothing
    /// changes then. The time of the pause is not counted in `give_up_after`.
    ///
    /// If the breaker was open because of too many answers "gone", the deletions that were held because of them ask
    /// once more. Then the answer counts, because an operator has looked.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing is resumed then.
    pub async fn resume(&self, db: &Db, scope: &PauseScope, operator: &Operator<'_>) -> Result<bool, db::Error> {
        let transaction = db.begin().await?;
        let sql = &self.sql.pause;
        let end = sql.end.bind([("scope", scope.to_string().into()), ("who", operator.who.into())]);
        let close = sql.close_breaker.bind([("scope", scope.to_string().into())]);
        let resumed = end.execute(&transaction).await? > 0;
        let closed: Option<Cause> = close.one(&transaction).await?.map(|row| row.parse("cause")).transpose()?;
        if let (Some(Cause::Gone), PauseScope::Lane(lane)) = (closed, scope) {
            self.ask_again(&transaction, &Lane::from_ledger(lane.clone()), None).await?;
        }
        let changed = resumed || closed.is_some();
        if changed {
            self.record_change(&transaction, Action::Resume, operator, &detail(scope)).await?;
            self.notify(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(changed)
    }
}

fn detail(scope: &PauseScope) -> serde_json::Value {
    json!({ "scope": scope.to_string() })
}
