//! Requesting the deletions of rows.

use sea_orm::ConnectionTrait;

use super::{
    delete_at_once::{self, delete_at_once},
    record::{RowToRecord, record},
    remove_children::remove_children,
    request::{DeletionRequest, Requested},
};
use crate::{catalog::Table, db, key::Key, state::State, store::Store};

/// Marks the rows with these keys and records their deletions, within the caller's transaction. On PostgreSQL this is
/// one statement, whatever the number of keys. A key without a row is left out of the result.
///
/// A resource without targets has nothing to wait for: unless there is a grace, its rows are deleted here and now, and
/// their deletions are completed. A foreign key that forbids it is the caller's error, as with any `delete`.
///
/// * A row that carries its marker already keeps it.
/// * A row with an open deletion gets no second one: that one is returned, with its payload refreshed and without the
///   confirmations of targets whose columns changed. A running one does not change.
/// * A dead deletion of the row is superseded. The confirmations of targets whose columns are unchanged are carried
///   over. So is the time of its first call, after which there is no restoring.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
pub async fn soft_remove(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    keys: &[Key],
    request: &DeletionRequest,
) -> Result<Vec<Requested>, db::Error> {
    let rows: Vec<_> = keys.iter().map(|key| RowToRecord { key: key.clone(), parent: None }).collect();
    let mut recorded = record(transaction, store, table, &rows, request).await?;
    if delete_at_once::applies(table, request) {
        delete_at_once(transaction, store, table, &mut recorded).await?;
    }
    if !table.children.is_empty() {
        remove_children(transaction, store, table, &mut recorded, request).await?;
    }
    let requested: Vec<Requested> = recorded.into_iter().map(|row| row.requested).collect();
    // A deletion that waits has children whose own are due.
    if request.notify && requested.iter().any(|one| one.due || one.state == State::Waiting) {
        store.ledger.notify(transaction).await?;
    }
    Ok(requested)
}
