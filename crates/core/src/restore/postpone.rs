//! Keeping the deletions of a batch from being claimed while they are restored.
//!
//! A large batch takes a while, and may wait for rows that are locked. Without this its grace could end
//! meanwhile, and the whole restore would fail.

use serde_json::json;

use super::statements::Statements;
use crate::{
    db::{self, Row, millis},
    ids::BatchId,
    store::Store,
};

/// How long they are postponed. If the process dies, they are due this much later.
const POSTPONED_FOR: std::time::Duration = std::time::Duration::from_secs(600);

/// Deletions that are not claimed for ten minutes.
#[derive(Debug)]
pub struct Postponement {
    /// What they are, and when each was due before, as JSON.
    postponed: serde_json::Value,
}

/// Postpones the deletions of a batch that could be claimed, in a transaction of its own. On SQLite, which has one
/// writer, there is nothing to do.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; nothing was changed.
pub async fn postpone_batch(store: &Store, batch: BatchId) -> Result<Postponement, db::Error> {
    if !store.ledger.dialect.has_row_locks() {
        return Ok(Postponement { postponed: json!([]) });
    }
    let values = [("batch", batch.to_string().into()), ("postponed_ms", millis(POSTPONED_FOR).into())];
    let rows = store.ledger.statements::<Statements>().postpone.bind(values).all(&store.db.conn).await?;
    let one = |row: &Row| {
        let text = |name: &str| row.get::<String>(name);
        Ok(json!({ "id": text("id")?, "run_at": text("run_at")?, "postponed_until": text("postponed_until")? }))
    };
    Ok(Postponement { postponed: rows.iter().map(one).collect::<Result<_, db::Error>>()? })
}

impl Postponement {
    /// Lets them be claimed again when they were to be, after a restore that failed.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; they are then due when the postponement ends.
    pub async fn undo(self, store: &Store) -> Result<(), db::Error> {
        if self.postponed.as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let values = [("postponed", self.postponed.to_string().into())];
        store.ledger.statements::<Statements>().undo_postponement.bind(values).execute(&store.db.conn).await.map(drop)
    }
}
