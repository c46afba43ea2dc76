//! Taking a request back, as long as no external call was made.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;

use super::{
    Error,
    statements::Statements,
    unmark::{unmark_children, unmark_row},
};
use crate::{
    catalog::Table,
    db::{self, Dialect, Sql, Words},
    ids::{BatchId, DeletionId},
    ledger::Ledger,
    state::Cancellation,
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
    /// Whether the row is live again. False if it is gone, no longer carried the marker that we wrote, or was removed
    /// together with another row as well.
    pub row_restored: bool,
    /// The deletions of its children that were taken back with it.
    pub children: Vec<Self>,
}

/// Takes back the deletion `id` within the caller's transaction. The ledger entry ends as cancelled. The row gets back what
/// its marker column held before, if it still carries the marker that we wrote and no other deletion wants it removed. So do
/// the rows that the same request removed with it; their deletions, if they have any, are cancelled as well. Returns what
/// was restored.
///
/// The row is locked first and the entry second, in the order in which phase 1 locks them. Claims lock the entry, too, so
/// that of a restore and a claim exactly one wins.
///
/// # Errors
/// [`Error`], also when the deletion of a child is past restoring, or when another deletion waits for this one;
/// the caller rolls back.
pub async fn restore(transaction: &impl ConnectionTrait, store: &Store, id: DeletionId) -> Result<Restored, Error> {
    let mut restored = restore_all(transaction, store, &[id]).await?;
    let mut itself = restored.remove(0);
    itself.children = restored;
    Ok(itself)
}

/// Takes back every deletion of a request that is not cancelled yet, within the caller's transaction: all or none.
/// Returns what was restored.
///
/// # Errors
/// [`Error::TooLate`] with the first deletion that a worker has called for already, and the other errors of
/// [`restore`]; the caller rolls back. [`Error::NothingInBatch`] when the request has no deletion that is open.
pub async fn restore_batch(
    transaction: &impl ConnectionTrait,
    store: &Store,
    batch: BatchId,
) -> Result<Vec<Restored>, Error> {
    let deletions = store.ledger.of_batch(transaction, batch).await?;
    if deletions.is_empty() {
        return Err(Error::NothingInBatch(batch));
    }
    restore_all(transaction, store, &deletions).await
}

async fn restore_all(
    transaction: &impl ConnectionTrait,
    store: &Store,
    deletions: &[DeletionId],
) -> Result<Vec<Restored>, Error> {
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
        // One that waits for another is restored with it. This one was named by itself.
        if let Some(parent) =
            store.ledger.waiting_for(transaction, *only).await?.into_iter().find(|id| !wanted.contains(id))
        {
            let why = format!("deletion {parent} waits for it; restore that one, and this one is restored with it");
            return Err(Error::TooLate { id: *only, why });
        }
    }
    let mut restored = Vec::with_capacity(order.len());
    for id in order {
        restored.push(restore_one(transaction, store, id).await?);
    }
    restored.sort_by_key(|one| !deletions.contains(&one.id));
    Ok(restored)
}

async fn restore_one(transaction: &impl ConnectionTrait, store: &Store, id: DeletionId) -> Result<Restored, Error> {
    lock_row(transaction, store, id).await?;
    let lock = store.ledger.statements::<Statements>().restorable.bind([("id", id.to_string().into())]);
    let Some(row) = lock.one(transaction).await? else {
        return Err(refusal(transaction, &store.ledger, id).await?);
    };
    let (resource, key): (String, String) = (row.get("resource")?, row.get("key")?);
    let Some(table) = store.catalog.by_name(&resource) else {
        return Err(Error::UnknownResource { id, resource });
    };
    if let Some(child) = store.ledger.finished_child(transaction, id).await? {
        let why = format!("the deletion {child} of one of its children is completed");
        return Err(Error::TooLate { id, why });
    }
    let row_restored = unmark_row(transaction, &store.ledger, table, id).await?;
    store.ledger.cancel(transaction, &[id], Cancellation::Restored).await?;
    unmark_children(transaction, store, id).await?;
    Ok(Restored { id, resource, key, row_restored, children: Vec::new() })
}

/// The statement that returns and locks the deletion `@id` if it may be restored. `sexton_restore_all` in the database runs
/// it, too.
pub(crate) fn restorable_statement(words: &Words) -> Sql {
    let text = words.pick(
        "-- lock a deletion that may be restored
         select resource, key from {deletion}
         where id = @id::uuid and state in ({from:Restored}) and called_at is null for update",
        "-- read a deletion that may be restored
         select resource, key from {deletion} where id = @id and state in ({from:Restored}) and called_at is null",
    );
    words.render_for(text, &["id"])
}

/// The statement that locks the row with the key `@key` (PostgreSQL). `sexton_restore_all` in the database runs it, too.
pub(crate) fn lock_statement(table: &Table) -> Sql {
    let words = Words::new(table.dialect)
        .with([("table", table.sql.clone()), ("key_is_wanted", table.key_is("t", "@key::text"))]);
    words.render_for("-- lock a row\nselect 1 from {table} t where {key_is_wanted} for update", &["key"])
}

/// Locks the row of the deletion, if there is one. On SQLite the transaction has locked everything.
async fn lock_row(transaction: &impl ConnectionTrait, store: &Store, id: DeletionId) -> Result<(), Error> {
    let Some(row) = store
        .ledger
        .statements::<Statements>()
        .row_of_deletion
        .bind([("id", id.to_string().into())])
        .one(transaction)
        .await?
    else {
        return Ok(());
    };
    let (resource, key): (String, String) = (row.get("resource")?, row.get("key")?);
    let Some(table) = store.catalog.by_name(&resource) else {
        return Err(Error::UnknownResource { id, resource });
    };
    if let (Dialect::Postgres, Ok(key)) = (table.dialect, table.parse_key(&key)) {
        table
            .rendered
            .get("restore.lock_row", || lock_statement(table))
            .bind([("key", key.to_string().into())])
            .all(transaction)
            .await?;
    }
    Ok(())
}

/// Says why the deletion was not in a state to be restored.
async fn refusal(transaction: &impl ConnectionTrait, ledger: &Ledger, id: DeletionId) -> Result<Error, db::Error> {
    let Some(record) = ledger.record(transaction, id).await? else { return Ok(Error::NotFound(id)) };
    let why = match (record.state.as_str(), record.cancelled_by, record.called_at) {
        ("completed", _, _) => "it is completed".to_owned(),
        ("cancelled", by, _) => format!("it was {} already", by.unwrap_or_default()),
        (state, _, Some(at)) => format!("it is {state}, and the first external call was made at {at}"),
        (state, _, None) => format!("it is {state}"),
    };
    Ok(Error::TooLate { id, why })
}
