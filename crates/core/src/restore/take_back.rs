//! Taking a request back, as long as no external call was made.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;

use super::unmark::{unmark_children, unmark_row};
use crate::{
    catalog::Table,
    db::{self, Dialect},
    ids::{BatchId, DeletionId},
    ledger::{Ledger, states_before},
    state::{Cancellation, Event},
    store::Store,
};

/// A deletion that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The deletion, now cancelled.
    pub id: DeletionId,
    /// Its resource.
    pub resource: String,
    /// The row's key.
    pub key: String,
    /// Whether the row is live again; false if it is gone, no longer carried the marker that we wrote, or was removed
    /// together with another row as well.
    pub row_restored: bool,
    /// The deletions of its children that were taken back with it.
    pub children: Vec<Self>,
}

/// Why a deletion cannot be taken back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is none.
    #[error("there is no deletion {0}")]
    NotFound(DeletionId),
    /// There is no request with open deletions.
    #[error("the request {0} has no deletion that could be restored")]
    NothingInBatch(BatchId),
    /// It is too late.
    #[error("deletion {id} cannot be restored: {why}")]
    TooLate {
        /// The deletion.
        id: DeletionId,
        /// What happened to it.
        why: String,
    },
    /// Its resource is not configured here, so the row cannot be found.
    #[error("deletion {id} is of resource `{resource}`, which is not configured here")]
    UnknownResource {
        /// The deletion.
        id: DeletionId,
        /// Its resource.
        resource: String,
    },
    /// The database refused.
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// Takes back the deletion `id` within the caller's transaction: the ledger entry ends as cancelled, and the row gets
/// back what its marker column held before, if it still carries the marker that we wrote and nobody else wants it gone.
/// So do the rows that the same request removed with it, and their deletions, where they have some. Returns what was
/// restored.
///
/// The row is locked first and the entry second, in the order in which phase 1 locks them. Claims lock the entry, too, so
/// that of a restore and a claim exactly one wins.
///
/// # Errors
/// [`RestoreError`], also when the deletion of a child is past restoring, or when another deletion waits for this one;
/// the caller rolls back.
pub async fn restore(
    transaction: &impl ConnectionTrait,
    store: &Store,
    id: DeletionId,
) -> Result<Restored, RestoreError> {
    let mut restored = restore_all(transaction, store, &[id]).await?;
    let mut itself = restored.remove(0);
    itself.children = restored;
    Ok(itself)
}

/// Takes back every deletion of a request that is not cancelled yet, within the caller's transaction: all or none.
/// Returns what was restored.
///
/// # Errors
/// [`RestoreError::TooLate`] with the first deletion that a worker has called for already, and the other errors of
/// [`restore`]; the caller rolls back. [`RestoreError::NothingInBatch`] when the request has no deletion that is open.
pub async fn restore_batch(
    transaction: &impl ConnectionTrait,
    store: &Store,
    batch: BatchId,
) -> Result<Vec<Restored>, RestoreError> {
    let deletions = store.ledger.of_batch(transaction, batch).await?;
    if deletions.is_empty() {
        return Err(RestoreError::NothingInBatch(batch));
    }
    restore_all(transaction, store, &deletions).await
}

async fn restore_all(
    transaction: &impl ConnectionTrait,
    store: &Store,
    deletions: &[DeletionId],
) -> Result<Vec<Restored>, RestoreError> {
    // Parents before their children, as phase 1 locks them. The same request may have removed both.
    let mut wanted: HashSet<DeletionId> = deletions.iter().copied().collect();
    let mut open: Vec<DeletionId> = deletions.to_vec();
    let mut order = Vec::new();
    while let Some(id) = open.pop() {
        order.push(id);
        let children = store.ledger.children_to_restore(transaction, id).await?;
        open.extend(children.into_iter().filter(|child| wanted.insert(*child)));
    }
    if let [only] = deletions {
        // The only one that was asked for itself: the others are restored together with those that wait for them.
        if let Some(parent) =
            store.ledger.waiting_for(transaction, *only).await?.into_iter().find(|id| !wanted.contains(id))
        {
            let why = format!("deletion {parent} waits for it; restore that one, and this one is restored with it");
            return Err(RestoreError::TooLate { id: *only, why });
        }
    }
    let mut restored = Vec::with_capacity(order.len());
    for id in order {
        restored.push(restore_one(transaction, store, id).await?);
    }
    restored.sort_by_key(|one| !deletions.contains(&one.id));
    Ok(restored)
}

async fn restore_one(
    transaction: &impl ConnectionTrait,
    store: &Store,
    id: DeletionId,
) -> Result<Restored, RestoreError> {
    lock_row(transaction, store, id).await?;
    let statement = store.ledger.dialect.statement(restorable(&store.ledger), [id.to_string().into()]);
    let Some(row) = transaction.query_one_raw(statement).await.map_err(db::Error::from)? else {
        return Err(refusal(transaction, &store.ledger, id).await?);
    };
    let resource: String = row.try_get("", "resource").map_err(db::Error::from)?;
    let key: String = row.try_get("", "key").map_err(db::Error::from)?;
    let Some(table) = store.catalog.by_name(&resource) else {
        return Err(RestoreError::UnknownResource { id, resource });
    };
    if let Some(child) = store.ledger.finished_child(transaction, id).await? {
        let why = format!("the deletion {child} of one of its children is completed");
        return Err(RestoreError::TooLate { id, why });
    }
    let row_restored = unmark_row(transaction, &store.ledger, table, id).await?;
    store.ledger.cancel(transaction, &[id], Cancellation::Restored).await?;
    unmark_children(transaction, store, id).await?;
    Ok(Restored { id, resource, key, row_restored, children: Vec::new() })
}

/// `$1` is the deletion, which is returned and locked if it may be restored.
pub(crate) fn restorable(ledger: &Ledger) -> String {
    let d = ledger.dialect;
    format!(
        "select resource, key from {} where id = {} and state in ({}) and called_at is null {}",
        ledger.deletion,
        d.param(1, "uuid"),
        states_before(Event::Restored),
        if d == Dialect::Postgres { "for update" } else { "" },
    )
}

/// `$1` is the key of the row that is locked (PostgreSQL).
pub(crate) fn lock(table: &Table) -> String {
    format!("select 1 from {} t where {} for update", table.sql, table.key_is("t", "$1::text"))
}

/// Locks the row of the deletion, if there is one. On SQLite the transaction has locked everything.
async fn lock_row(transaction: &impl ConnectionTrait, store: &Store, id: DeletionId) -> Result<(), RestoreError> {
    let d = store.ledger.dialect;
    let sql = format!("select resource, key from {} where id = {}", store.ledger.deletion, d.param(1, "uuid"));
    let Some(row) =
        transaction.query_one_raw(d.statement(sql, [id.to_string().into()])).await.map_err(db::Error::from)?
    else {
        return Ok(());
    };
    let (resource, key): (String, String) =
        (row.try_get("", "resource").map_err(db::Error::from)?, row.try_get("", "key").map_err(db::Error::from)?);
    let Some(table) = store.catalog.by_name(&resource) else {
        return Err(RestoreError::UnknownResource { id, resource });
    };
    if let (Dialect::Postgres, Ok(key)) = (d, table.parse_key(&key)) {
        transaction.query_all_raw(d.statement(lock(table), [key.to_string().into()])).await.map_err(db::Error::from)?;
    }
    Ok(())
}

/// Says why the deletion was not in a state to be restored.
async fn refusal(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    id: DeletionId,
) -> Result<RestoreError, db::Error> {
    let Some(record) = ledger.record(transaction, id).await? else { return Ok(RestoreError::NotFound(id)) };
    let why = match (record.state.as_str(), record.cancelled_by, record.called_at) {
        ("completed", _, _) => "it is completed".to_owned(),
        ("cancelled", by, _) => format!("it was {} already", by.unwrap_or_default()),
        (state, _, Some(at)) => format!("it is {state}, and the first external call was made at {at}"),
        (state, _, None) => format!("it is {state}"),
    };
    Ok(RestoreError::TooLate { id, why })
}
