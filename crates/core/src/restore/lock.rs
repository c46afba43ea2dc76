//! Locking what is to be restored: rows first and entries second, in the order in which phase 1 locks them. Claims lock
//! the entries, too, so that of a restore and a claim exactly one wins.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{Error, statements::Statements};
use crate::{
    catalog::Table,
    db::{self, Sql, literal},
    ids::DeletionId,
    ledger::Ledger,
    state::{Cancellation, State},
    store::Store,
};

/// A deletion that is locked and may be restored.
pub(super) struct RestorableEntry {
    pub(super) id: DeletionId,
    pub(super) resource: String,
    pub(super) key: String,
}

/// Locks the rows of deletions, as far as they are there. On SQLite the transaction has locked everything.
pub(super) async fn lock_rows(
    transaction: &impl ConnectionTrait,
    store: &Store,
    deletions: &[DeletionId],
) -> Result<(), Error> {
    let ids = json!(deletions).to_string();
    let find = &store.ledger.statements::<Statements>().rows_of_deletions;
    for row in find.bind([("ids", ids.as_str().into())]).all(transaction).await? {
        let resource: String = row.get("resource")?;
        let Some(table) = store.catalog.by_name(&resource) else {
            return Err(Error::UnknownResource { resource });
        };
        if table.dialect.has_row_locks() {
            let lock = table.rendered.get("restore.lock_rows", || rows_statement(&store.ledger, table));
            lock.bind([("ids", ids.as_str().into())]).all(transaction).await?;
        }
    }
    Ok(())
}

/// The statement that locks the rows of those of the deletions `@ids` that are of this table (PostgreSQL).
/// `sexton_restore_all` in the database runs it, too.
pub(crate) fn rows_statement(ledger: &Ledger, table: &Table) -> Sql {
    let words = ledger.words.clone().with([
        ("table", table.sql.clone()),
        ("resource", literal(table.name.as_str())),
        ("key_is_recorded", table.key_is("t", "d.key")),
        ("key_columns", table.key_columns("t")),
    ]);
    let text = "-- lock the rows of deletions
        select 1
        from {deletion} d
        join {table} t on {key_is_recorded}
        where d.id {any_uuid:@ids} and d.resource = {resource}
        order by {key_columns}
        for update of t";
    words.render_for(text, &["ids"])
}

/// Locks the deletions.
///
/// # Errors
/// [`Error::TooLate`] or [`Error::NotFound`] with the first one that may not be restored.
pub(super) async fn lock_entries(
    transaction: &impl ConnectionTrait,
    store: &Store,
    deletions: &[DeletionId],
) -> Result<Vec<RestorableEntry>, Error> {
    let lock = &store.ledger.statements::<Statements>().restorable;
    let rows = lock.bind([("ids", json!(deletions).to_string().into())]).all(transaction).await?;
    let mut entries = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = row.parse("id")?;
        entries.insert(id, RestorableEntry { id, resource: row.get("resource")?, key: row.get("key")? });
    }
    let mut locked = Vec::with_capacity(deletions.len());
    for id in deletions {
        match entries.remove(id) {
            Some(entry) => locked.push(entry),
            None => return Err(refusal(transaction, &store.ledger, *id).await?),
        }
    }
    Ok(locked)
}

/// The text of the statement that locks entries. `sexton_restore_all` in the database runs it, too.
pub(crate) fn entries_statement(ledger: &Ledger) -> String {
    ledger.statements::<Statements>().restorable.text().to_owned()
}

/// Says why the deletion was not in a state to be restored.
async fn refusal(transaction: &impl ConnectionTrait, ledger: &Ledger, id: DeletionId) -> Result<Error, db::Error> {
    let Some(record) = ledger.record(transaction, id).await? else { return Ok(Error::NotFound(id)) };
    let row = record.describe();
    let why = match (record.state, record.cancelled_by, record.called_at) {
        (State::Completed, _, _) => "it is completed".to_owned(),
        (State::Cancelled, by, _) => format!("it was {} already", by.map_or("", Cancellation::as_str)),
        (state, _, Some(at)) => format!("it is {state}, and the first external call was made at {at}"),
        (state, _, None) => format!("it is {state}"),
    };
    Ok(Error::TooLate { id, row, why })
}
