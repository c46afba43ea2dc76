//! Taking requests back, with the action that says who did it.

use sexton_core::{
    db::{self, kill_point},
    ids::DeletionId,
    ledger::Action,
    restore::{self, Restored, restore, restore_batch},
    store::Store,
};

/// What to take back, and who does it.
#[derive(Debug)]
pub(crate) struct TakeBack<'a> {
    /// The deletion.
    pub(crate) id: DeletionId,
    /// Whether everything that was requested with it is taken back as well: all of it, or nothing.
    pub(crate) batch: bool,
    /// Who does it.
    pub(crate) who: &'a str,
    /// Why.
    pub(crate) reason: Option<&'a str>,
}

/// Takes a deletion back, in a transaction that is committed when it returns. Returns it and what was taken back with it.
///
/// # Errors
/// [`restore::Error`]; nothing was changed.
pub(crate) async fn take_back(store: &Store, what: &TakeBack<'_>) -> Result<Vec<Restored>, restore::Error> {
    let &TakeBack { id, batch, who, reason } = what;
    let transaction = store.db.begin().await?;
    let restored = if batch {
        let record = store.ledger.record(&transaction, id).await?;
        let batch = record.and_then(|record| record.batch_id.parse().ok()).ok_or(restore::Error::NotFound(id))?;
        restore_batch(&transaction, store, batch).await?
    } else {
        let mut itself = restore(&transaction, store, id).await?;
        let children = std::mem::take(&mut itself.children);
        [itself].into_iter().chain(children).collect()
    };
    let ids: Vec<_> = restored.iter().map(|one| one.id).collect();
    store.ledger.record_action(&transaction, &Action { who, action: "restore", reason }, &ids).await?;
    kill_point("restore::before");
    transaction.commit().await.map_err(db::Error::from)?;
    kill_point("restore::committed");
    Ok(restored)
}
