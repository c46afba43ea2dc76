//! Phase 1 of a resource without targets: there is nothing to wait for, so the row is deleted in the caller's
//! transaction with its children, and its deletion is completed with it.

use sea_orm::ConnectionTrait;

use super::{
    record::RecordedRow,
    request::{DeletionRequest, delay_ms},
};
use crate::{
    catalog::Table,
    children::{self, DeletedRows, Descendants, RowToDelete},
    config::AfterConfirmation,
    db::{self, Dialect, Row, RowLocks, Sql, Words},
    guard,
    key::Key,
    state::{Event, State},
    store::Store,
};

/// A row with more children than this goes through the ledger: the caller's transaction would hold too many locks.
const MOST_CHILDREN: usize = 1000;

/// Whether rows of this request are deleted at once. Rows that are kept or deleted later are not among them, see
/// [`delete_at_once`].
pub(super) fn applies(table: &Table, request: &DeletionRequest) -> bool {
    table.resource.targets.is_empty() && delay_ms(table, request) == 0
}

/// Deletes the rows of what was just requested, children first, and completes their deletions. What is not deleted
/// stays pending for a worker:
/// * rows that are kept by their rule or by a trigger;
/// * rows with more than [`MOST_CHILDREN`] children;
/// * rows whose children are locked, or have deletions of their own.
pub(super) async fn delete_at_once(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    recorded: &mut [RecordedRow],
) -> Result<(), db::Error> {
    let is_due = |row: &&mut RecordedRow| {
        let is_new = row.requested.created && row.requested.state == State::Pending;
        is_new && table.then(row.rule) == AfterConfirmation::Delete
    };
    let due: Vec<&mut RecordedRow> = recorded.iter_mut().filter(is_due).collect();
    let tables = store.catalog.tables_deleted_with(table);
    guard::begin_own(transaction, &store.ledger, &tables).await?;
    let deleted = delete_rows(transaction, store, table, due).await;
    let ended = guard::end_own(transaction, &store.ledger, &tables).await;
    let deleted = deleted?;
    ended?;
    let ids: Vec<_> = deleted.iter().map(|row| (row.recorded.requested.id, row.children)).collect();
    let completed = store.ledger.complete_at_once(transaction, &ids).await?;
    if !table.children.is_empty() {
        // Marks that a superseded deletion left: the rows that they were on are gone.
        store.ledger.forget_children(transaction, &completed.iter().copied().collect::<Vec<_>>()).await?;
    }
    for row in deleted.into_iter().filter(|row| completed.contains(&row.recorded.requested.id)) {
        row.recorded.requested.state = Event::DeletedAtOnce.to();
        row.recorded.requested.due = false;
    }
    Ok(())
}

/// A row, and what was deleted before it.
struct ClearedRow<'r> {
    recorded: &'r mut RecordedRow,
    /// How many children were deleted.
    children: usize,
    /// Whether the row itself had to be deleted with them.
    is_deleted: bool,
}

/// Deletes the rows and their children. Returns those that are deleted.
async fn delete_rows<'r>(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    due: Vec<&'r mut RecordedRow>,
) -> Result<Vec<ClearedRow<'r>>, db::Error> {
    let mut rows: Vec<ClearedRow<'r>> = if table.children.is_empty() {
        due.into_iter().map(|recorded| ClearedRow { recorded, children: 0, is_deleted: false }).collect()
    } else {
        let cleared = delete_children(transaction, store, table, &due).await?;
        let cleared = due.into_iter().zip(cleared).filter_map(|(recorded, cleared)| {
            let (children, deleted) = cleared?;
            Some(ClearedRow { recorded, children, is_deleted: deleted == DeletedRows::WithTheirRows })
        });
        cleared.collect()
    };
    let keys: Vec<Key> = rows.iter().filter(|row| !row.is_deleted).map(|row| row.recorded.key.clone()).collect();
    let deleted = match table.dialect {
        Dialect::Postgres => delete_postgres(transaction, table, &keys).await?,
        Dialect::Sqlite => delete_sqlite(transaction, table, &keys).await?,
    };
    rows.retain(|row| row.is_deleted || deleted.contains(&row.recorded.requested.key));
    Ok(rows)
}

/// Deletes the children of the rows. For each row how many they were, or none if it has to wait for a worker.
async fn delete_children(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    rows: &[&mut RecordedRow],
) -> Result<Vec<Option<(usize, DeletedRows)>>, db::Error> {
    let row_to_delete = |row: &&mut RecordedRow| RowToDelete {
        resource: table.name.clone(),
        key: row.requested.key.clone(),
        values: row.links.clone(),
    };
    let rows: Vec<RowToDelete> = rows.iter().map(row_to_delete).collect();
    let descendants = Descendants::find(transaction, store, &rows, MOST_CHILDREN, RowLocks::SkipLocked).await?;
    if !descendants.is_truncated() {
        return delete_descendants(transaction, &descendants, rows.len()).await;
    }
    // Too many in all; which row has them shows one by one.
    let mut deleted = Vec::with_capacity(rows.len());
    for row in rows {
        let descendants = Descendants::find(transaction, store, &[row], MOST_CHILDREN, RowLocks::SkipLocked).await?;
        deleted.extend(if descendants.is_truncated() {
            vec![None]
        } else {
            delete_descendants(transaction, &descendants, 1).await?
        });
    }
    Ok(deleted)
}

async fn delete_descendants(
    transaction: &impl ConnectionTrait,
    descendants: &Descendants,
    rows: usize,
) -> Result<Vec<Option<(usize, DeletedRows)>>, db::Error> {
    let is_ready = |row: usize| descendants.unfinished(row).is_empty() && !descendants.is_locked(row);
    let ready: Vec<bool> = (0..rows).map(is_ready).collect();
    match children::delete(transaction, descendants, &ready).await {
        Ok(deleted) => {
            let children = |(row, ready): (usize, &bool)| ready.then(|| (descendants.count(row), deleted));
            Ok(ready.iter().enumerate().map(children).collect())
        }
        Err(children::Error::Database(error)) => Err(error),
        // What is deleted already is the caller's transaction's to undo.
        Err(error) => Err(db::Error::other("delete the rows at once", error)),
    }
}

async fn delete_postgres(
    transaction: &impl ConnectionTrait,
    table: &Table,
    keys: &[Key],
) -> Result<Vec<String>, db::Error> {
    let delete = table
        .rendered
        .get("delete_at_once", || statement(table))
        .bind([("keys", Key::records(keys).to_string().into())]);
    delete.all(transaction).await?.iter().map(|row: &Row| row.get("key")).collect()
}

/// The statement that deletes rows and returns their keys (PostgreSQL). `sexton_soft_remove` in the database runs it,
/// too. `@keys` is an array of `{k0, k1, …}`.
pub(crate) fn statement(table: &Table) -> Sql {
    let words = Words::new(table.dialect).with([
        ("table", table.sql.clone()),
        ("key_record", table.key_record()),
        ("key_is_wanted", table.key_equals("t", "x")),
        ("key", table.key_text("t")),
    ]);
    let text = "-- delete rows at once
        delete from {table} t using jsonb_to_recordset(@keys::jsonb) as x({key_record})
        where {key_is_wanted} returning {key} as key";
    words.render_for(text, &["keys"])
}

/// SQLite takes a long `or` for a deep one, of which it allows a depth of 1,000 ("Implementation Limits For SQLite").
const MOST_KEYS: usize = 500;

/// In one statement, at whose end foreign keys are checked: rows may reference each other.
async fn delete_sqlite(
    transaction: &impl ConnectionTrait,
    table: &Table,
    keys: &[Key],
) -> Result<Vec<String>, db::Error> {
    let mut deleted = Vec::new();
    for keys in keys.chunks(MOST_KEYS) {
        let (key_is_any, values) = table.key_is_any_of("t", keys);
        let words = Words::new(table.dialect).with([
            ("table", table.sql.clone()),
            ("key_is_any", key_is_any),
            // SQLite's `returning` does not know the alias.
            ("key", table.key_text(&table.sql)),
        ]);
        let delete =
            words.render("-- delete rows at once\ndelete from {table} as t where {key_is_any} returning {key} as key");
        for row in delete.bind_all(values).all(transaction).await? {
            deleted.push(row.get("key")?);
        }
    }
    Ok(deleted)
}
