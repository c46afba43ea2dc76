//! Taking requests back, as long as no external call was made.

use std::collections::{BTreeMap, HashSet};

use sea_orm::ConnectionTrait;

use super::{
    Error,
    lock::{RestorableEntry, lock_entries, lock_rows},
    unmark::unmark,
};
use crate::{
    ids::{BatchId, DeletionId},
    key::Key,
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
    /// Whether the row is live again by this. False if it is gone, or its marker had been taken away; with
    /// [`MarkedRows::Stay`] also if it is still marked.
    pub row_restored: bool,
    /// The deletions of its children that were taken back with it.
    pub children: Vec<Self>,
}

/// What becomes of a restore that would leave a row marked. The row carried a marker before its deletion was requested,
/// another one was written since, or it was removed together with another row as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkedRows {
    /// It fails.
    Refuse,
    /// The deletion is cancelled, and the row stays marked.
    Stay,
}

/// Takes back the deletion `id` within the caller's transaction. The ledger entry ends as cancelled. The row gets back
/// what its marker column held before, if it still carries the marker that we wrote and no other deletion wants it
/// removed. So do the rows that the same request removed with it; their deletions, if they have any, are cancelled as
/// well. Returns what was restored.
///
/// # Errors
/// [`Error`], also when the deletion of a child is past restoring, when another deletion waits for this one, or
/// ([`MarkedRows::Refuse`]) when a row would stay marked; the caller rolls back.
pub async fn restore(
    transaction: &impl ConnectionTrait,
    store: &Store,
    id: DeletionId,
    marked: MarkedRows,
) -> Result<Restored, Error> {
    let mut restored = restore_all(transaction, store, &[id], marked).await?;
    let mut itself = restored.remove(0);
    itself.children = restored;
    Ok(itself)
}

/// Takes back every deletion of a request that is not cancelled yet, within the caller's transaction: all or none.
/// Returns what was restored. [`postpone_batch`](super::postpone_batch) before keeps them from being claimed meanwhile.
///
/// # Errors
/// [`Error::TooLate`] with the first deletion that a worker has called for already, and the other errors of
/// [`restore`]; the caller rolls back. [`Error::NothingInBatch`] when the request has no deletion that is open.
pub async fn restore_batch(
    transaction: &impl ConnectionTrait,
    store: &Store,
    batch: BatchId,
    marked: MarkedRows,
) -> Result<Vec<Restored>, Error> {
    let deletions = store.ledger.of_batch(transaction, batch).await?;
    if deletions.is_empty() {
        return Err(Error::NothingInBatch(batch));
    }
    restore_all(transaction, store, &deletions, marked).await
}

/// Those that are named come first in what it returns.
async fn restore_all(
    transaction: &impl ConnectionTrait,
    store: &Store,
    named: &[DeletionId],
    marked: MarkedRows,
) -> Result<Vec<Restored>, Error> {
    let levels = levels(transaction, store, named).await?;
    let all = levels.concat();
    refuse_if_waited_for(transaction, store, named, &all).await?;
    // Parents before their children, as phase 1 locks them.
    for level in &levels {
        lock_rows(transaction, store, level).await?;
    }
    let entries = lock_entries(transaction, store, &all).await?;
    if let Some((parent, child)) = store.ledger.finished_child(transaction, &all).await? {
        let row = describe(&entries, parent);
        let why = format!("the deletion {child} of one of its children is completed");
        return Err(Error::TooLate { id: parent, row, why });
    }
    let unmarked = unmark(transaction, store, &all).await?;
    let still_marked = still_marked(transaction, store, &entries).await?;
    if let (MarkedRows::Refuse, Some(id)) = (marked, all.iter().find(|id| still_marked.contains(id))) {
        return Err(Error::StillMarked { id: *id, row: describe(&entries, *id) });
    }
    let restored = entries.into_iter().map(|RestorableEntry { id, resource, key }| {
        let row_restored = unmarked.contains(&id) && !still_marked.contains(&id);
        Restored { id, resource, key, row_restored, children: Vec::new() }
    });
    Ok(restored.collect())
}

/// The deletions that are named, then level by level those of their children that the same requests made.
async fn levels(
    transaction: &impl ConnectionTrait,
    store: &Store,
    named: &[DeletionId],
) -> Result<Vec<Vec<DeletionId>>, Error> {
    let mut seen: HashSet<DeletionId> = named.iter().copied().collect();
    let mut levels = vec![named.to_vec()];
    while let Some(last) = levels.last() {
        let mut children = store.ledger.children_to_restore(transaction, last).await?;
        children.retain(|child| seen.insert(*child));
        if children.is_empty() {
            break;
        }
        levels.push(children);
    }
    Ok(levels)
}

/// One that waits for another is restored with it. One that was named by itself is not, as the other would then wait
/// for nothing.
async fn refuse_if_waited_for(
    transaction: &impl ConnectionTrait,
    store: &Store,
    named: &[DeletionId],
    all: &[DeletionId],
) -> Result<(), Error> {
    let [only] = named else { return Ok(()) };
    let waiting = store.ledger.waiting_for(transaction, *only).await?;
    let Some(parent) = waiting.into_iter().find(|id| !all.contains(id)) else { return Ok(()) };
    let record = store.ledger.record(transaction, *only).await?;
    let row = record.map(|record| record.describe()).unwrap_or_default();
    let why = format!("deletion {parent} waits for it; restore that one, and this one is restored with it");
    Err(Error::TooLate { id: *only, row, why })
}

/// Those of the deletions whose rows carry their marker.
async fn still_marked(
    transaction: &impl ConnectionTrait,
    store: &Store,
    entries: &[RestorableEntry],
) -> Result<HashSet<DeletionId>, Error> {
    let mut by_resource: BTreeMap<&str, Vec<(Key, DeletionId)>> = BTreeMap::new();
    for entry in entries {
        // What cannot be a key of the table is no key of a row.
        let key = store.catalog.by_name(&entry.resource).and_then(|table| table.parse_key(&entry.key).ok());
        if let Some(key) = key {
            by_resource.entry(&entry.resource).or_default().push((key, entry.id));
        }
    }
    let mut marked = HashSet::new();
    for (resource, rows) in by_resource {
        let Some(table) = store.catalog.by_name(resource) else { continue };
        let keys: Vec<Key> = rows.iter().map(|(key, _)| key.clone()).collect();
        let found: HashSet<Key> = table.marked_among(transaction, &keys).await?.into_iter().collect();
        marked.extend(rows.into_iter().filter(|(key, _)| found.contains(key)).map(|(_, id)| id));
    }
    Ok(marked)
}

fn describe(entries: &[RestorableEntry], id: DeletionId) -> String {
    let entry = entries.iter().find(|entry| entry.id == id);
    entry.map(|entry| format!("{} {}", entry.resource, entry.key)).unwrap_or_default()
}
