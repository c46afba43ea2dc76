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

/// How long they are held. If the process dies, they are due this much later.
const HELD: std::time::Duration = std::time::Duration::from_secs(600);

/// Deletions that are not claimed for ten minutes.
#[derive(Debug)]
pub struct Hold {
    /// What they are, and when each was due before, as JSON.
    held: serde_json::Value,
}

/// Holds the deletions of a batch that could be claimed, in a transaction of its own. On SQLite, which has one writer,
/// there is nothing to do.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; nothing was changed.
pub async fn hold_batch(store: &Store, batch: BatchId) -> Result<Hold, db::Error> {
    if !store.ledger.dialect.has_row_locks() {
        return Ok(Hold { held: json!([]) });
    }
    let values = [("batch", batch.to_string().into()), ("held_ms", millis(HELD).into())];
    let rows = store.ledger.statements::<Statements>().hold.bind(values).all(&store.db.conn).await?;
    let one = |row: &Row| {
        let text = |name: &str| row.get::<String>(name);
        Ok(json!({ "id": text("id")?, "run_at": text("run_at")?, "held_until": text("held_until")? }))
    };
    Ok(Hold { held: rows.iter().map(one).collect::<Result<_, db::Error>>()? })
}

impl Hold {
    /// Lets them be claimed again when they were to be, after a restore that failed.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; they are then due when the hold ends.
    pub async fn release(self, store: &Store) -> Result<(), db::Error> {
        if self.held.as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let values = [("held", self.held.to_string().into())];
        store.ledger.statements::<Statements>().release.bind(values).execute(&store.db.conn).await.map(drop)
    }
}
