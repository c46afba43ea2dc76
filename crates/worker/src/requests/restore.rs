//! Restoring deletions, with the action that says who did it.

use sexton_core::{
    db::{self, kill_point},
    ids::{BatchId, DeletionId},
    ledger::{Action, Operator},
    restore::{self, MarkedRows, Restored, postpone_batch, restore, restore_batch},
    store::Store,
};

/// What to restore, and who does it.
#[derive(Debug)]
pub(crate) struct Restore<'a> {
    /// The deletion.
    pub(crate) id: DeletionId,
    /// Whether everything that was requested with it is restored as well: all of it, or nothing.
    pub(crate) batch: bool,
    /// What becomes of it if a row would stay marked.
    pub(crate) marked: MarkedRows,
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
    if !what.batch {
        return in_transaction(store, what, None).await;
    }
    let record = store.ledger.record(&store.db.conn, what.id).await?;
    let batch = record.map(|record| record.batch_id).ok_or(restore::Error::NotFound(what.id))?;
    let postponement = postpone_batch(store, batch).await?;
    kill_point("restore::postponed");
    let restored = in_transaction(store, what, Some(batch)).await;
    if restored.is_err() {
        // They are due a little later if this fails, too; why the restore failed matters more.
        if let Err(error) = postponement.undo(store).await {
            tracing::warn!(%batch, "what was held for a restore is due in ten minutes: {error}");
        }
    }
    restored
}

async fn in_transaction(
    store: &Store,
    what: &Restore<'_>,
    batch: Option<BatchId>,
) -> Result<Vec<Restored>, restore::Error> {
    let &Restore { id, marked, who, reason, .. } = what;
    let transaction = store.db.begin_on_rows().await?;
    let restored = match batch {
        Some(batch) => restore_batch(&transaction, store, batch, marked).await?,
        None => {
            let mut itself = restore(&transaction, store, id, marked).await?;
            let children = std::mem::take(&mut itself.children);
            [itself].into_iter().chain(children).collect()
        }
    };
    let ids: Vec<_> = restored.iter().map(|one| one.id).collect();
    store.ledger.record_action(&transaction, Action::Restore, &Operator { who, reason }, &ids).await?;
    kill_point("restore::before");
    transaction.commit().await.map_err(db::Error::from)?;
    kill_point("restore::committed");
    Ok(restored)
}
