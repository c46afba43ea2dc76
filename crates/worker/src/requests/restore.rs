//! Restoring deletions, with the action that says who did it.

use sexton_core::{
    db::{self, kill_point},
    ids::DeletionId,
    ledger::{Action, Operator},
    restore::{self, Restored, restore, restore_batch},
    store::Store,
};

/// What to restore, and who does it.
#[derive(Debug)]
pub(crate) struct Restore<'a> {
    /// The deletion.
    pub(crate) id: DeletionId,
    /// Whether everything that was requested with it is restored as well: all of it, or nothing.
    pub(crate) batch: bool,
    /// Who does it.
    pub(crate) who: &'a str,
    /// Why.
    pub(crate) reason: Option<&'a str>,
}

/// Restores a deletion, in a transaction that is committed when it returns. Returns it and what was restored with it.
///
/// # Errors
/// [`restore::Error`]; nothing was changed.
pub(crate) async fn restore_deletions(store: &Store, what: &Restore<'_>) -> Result<Vec<Restored>, restore::Error> {
    let &Restore { id, batch, who, reason } = what;
    let transaction = store.db.begin_on_rows().await?;
    let restored = if batch {
        let record = store.ledger.record(&transaction, id).await?;
        let batch = record.map(|record| record.batch_id).ok_or(restore::Error::NotFound(id))?;
        restore_batch(&transaction, store, batch).await?
    } else {
        let mut itself = restore(&transaction, store, id).await?;
        let children = std::mem::take(&mut itself.children);
        [itself].into_iter().chain(children).collect()
    };
    let ids: Vec<_> = restored.iter().map(|one| one.id).collect();
    store.ledger.record_action(&transaction, Action::Restore, &Operator { who, reason }, &ids).await?;
    kill_point("restore::before");
    transaction.commit().await.map_err(db::Error::from)?;
    kill_point("restore::committed");
    Ok(restored)
}
