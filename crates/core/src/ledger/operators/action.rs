//! What operators did: who, when, why.

use sea_orm::ConnectionTrait;

use crate::{db, ids::DeletionId, ledger::Ledger};

/// An operator's action.
#[derive(Debug, Clone)]
pub struct Action<'a> {
    /// Who did it.
    pub who: &'a str,
    /// What: `retry`, `discard`, `restore`.
    pub action: &'a str,
    /// Why, if said.
    pub reason: Option<&'a str>,
}

impl Ledger {
    /// Records an action on each of `deletions`, in the transaction that carries it out.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub async fn record_action(
        &self,
        transaction: &impl ConnectionTrait,
        action: &Action<'_>,
        deletions: &[DeletionId],
    ) -> Result<(), db::Error> {
        let d = self.dialect;
        let ids: Vec<_> = deletions.iter().map(ToString::to_string).collect();
        let values = [
            serde_json::Value::from(ids).to_string().into(),
            action.who.into(),
            action.action.into(),
            action.reason.map(str::to_owned).into(),
        ];
        transaction.execute_raw(d.statement(self.action_statement(), values)).await.map(drop).map_err(Into::into)
    }

    /// Records an action that is not about deletions, in the transaction that carries it out.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub(crate) async fn record_change(
        &self,
        transaction: &impl ConnectionTrait,
        who: &str,
        action: &str,
        detail: &serde_json::Value,
    ) -> Result<(), db::Error> {
        let d = self.dialect;
        let sql = format!("insert into {} (who, action, detail) values ($1, $2, {})", self.action, d.param(3, "jsonb"));
        let values = [who.into(), action.into(), detail.to_string().into()];
        transaction.execute_raw(d.statement(sql, values)).await.map(drop).map_err(Into::into)
    }

    /// `$1` is an array of ids, then come who, what and why.
    pub(crate) fn action_statement(&self) -> String {
        let d = self.dialect;
        format!(
            "insert into {} (who, action, deletion_id, reason) select $2, $3, {}, {} from {} wanted",
            self.action,
            d.cast("value", "uuid"),
            d.param(4, "text"),
            d.json_texts(1),
        )
    }
}
