//! What operators did: who, when, why.

use std::fmt;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::{
    db::{self, Sql, Words},
    ids::DeletionId,
    ledger::Ledger,
};

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Gives dead deletions another try.
    Retry,
    /// Gives dead deletions up.
    Discard,
    /// Lets deletions ask a target by its new name.
    Retarget,
    /// Takes requests back.
    Restore,
    /// Pauses a lane, or the deleting of rows.
    Pause,
    /// Ends a pause, and closes a breaker.
    Resume,
    /// Installs guards.
    Guard,
    /// Removes guards.
    RemoveGuard,
}

impl Action {
    /// As in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
            Self::Retarget => "retarget",
            Self::Restore => "restore",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Guard => "guard",
            Self::RemoveGuard => "remove_guard",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who acts, and why.
#[derive(Debug, Clone, Copy)]
pub struct Operator<'a> {
    /// Who acts.
    pub who: &'a str,
    /// Why, if said.
    pub reason: Option<&'a str>,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    on_deletions: Sql,
    other: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        // The SQL functions know its values by their numbers.
        let on_deletions = "-- record what was done with deletions
            insert into {action} (who, action, deletion_id, reason)
            select @who, @action, {uuid:value}, {text:@reason} from {texts:@deletions} wanted";
        let other = "-- record what was done
            insert into {action} (who, action, detail, reason)
            values (@who, @action, {jsonb:@detail}, {text:@reason})";
        Self {
            on_deletions: words.render_for(on_deletions, &["deletions", "who", "action", "reason"]),
            other: words.render(other),
        }
    }
}

impl Ledger {
    /// Records an action on each of `deletions`, in the transaction that carries it out.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn record_action(
        &self,
        transaction: &impl ConnectionTrait,
        action: Action,
        operator: &Operator<'_>,
        deletions: &[DeletionId],
    ) -> Result<(), db::Error> {
        let query = self.sql.action.on_deletions.bind([
            ("deletions", json!(deletions).to_string().into()),
            ("who", operator.who.into()),
            ("action", action.as_str().into()),
            ("reason", operator.reason.into()),
        ]);
        query.execute(transaction).await.map(drop)
    }

    /// Records an action that is not on deletions, in the transaction that carries it out.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub(crate) async fn record_change(
        &self,
        transaction: &impl ConnectionTrait,
        action: Action,
        operator: &Operator<'_>,
        detail: &Value,
    ) -> Result<(), db::Error> {
        let query = self.sql.action.other.bind([
            ("who", operator.who.into()),
            ("action", action.as_str().into()),
            ("detail", detail.to_string().into()),
            ("reason", operator.reason.into()),
        ]);
        query.execute(transaction).await.map(drop)
    }

    /// Records an action on deletions: `$1` is an array of ids, then come who, what and why.
    pub(crate) fn action_statement(&self) -> &str {
        self.sql.action.on_deletions.text()
    }
}
