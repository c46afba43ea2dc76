//! Phase 1 of a resource without targets: there is nothing to wait for, so the row goes in the caller's transaction with
//! its children, and its deletion is completed with it.

use sea_orm::ConnectionTrait;

use super::request::{Recorded, Request, Requested, delay_ms};
use crate::{
    catalog::Table,
    children::{self, DeleteError, Root, Tree},
    config::AfterConfirmation,
    db::{self, Dialect, recordset},
    guard,
    key::Key,
    state::{Event, State},
    store::Store,
};

/// A row with more children than this goes through the ledger: the caller's transaction would hold too many locks.
const MOST_CHILDREN: usize = 1000;

/// Whether rows of this request are deleted at once. Rows that are kept or deleted later are not among them, see
/// [`delete`].
pub(super) fn applies(table: &Table, request: &Request) -> bool {
    table.resource.targets.is_empty() && delay_ms(table, request) == 0
}

/// Deletes the rows of what was just requested, children first, and completes their deletions. What is not deleted stays
/// pending, and a worker deals with it: rows that stay or that a trigger keeps, and rows whose children are very many,
/// locked by somebody, or have deletions of their own.
pub(super) async fn delete(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    recorded: &mut [Recorded],
) -> Result<(), db::Error> {
    let fresh = |one: &&mut Recorded| {
        let is_new = one.requested.created && one.requested.state == State::Pending;
        is_new && table.then(one.rule) == AfterConfirmation::Delete
    };
    let fresh: Vec<&mut Recorded> = recorded.iter_mut().filter(fresh).collect();
    let tables = store.catalog.tables_deleted_with(table);
    guard::begin_own(transaction, &store.ledger, &tables).await?;
    let deleted = delete_rows(transaction, store, table, fresh).await;
    let ended = guard::end_own(transaction, &store.ledger, &tables).await;
    let Deleted { fresh, children, gone } = deleted?;
    ended?;
    let gone = |one: &Recorded| gone.contains(&one.requested.key);
    let ids: Vec<_> =
        fresh.iter().zip(children).filter(|(one, _)| gone(one)).map(|(one, n)| (one.requested.id, n)).collect();
    let completed = store.ledger.complete_at_once(transaction, &ids).await?;
    if !table.children.is_empty() {
        // Marks that a superseded deletion left: what they were on is gone.
        store.ledger.forget_children(transaction, &completed.iter().copied().collect::<Vec<_>>()).await?;
    }
    for one in fresh {
        if completed.contains(&one.requested.id) {
            one.requested.state = Event::DeletedAtOnce.to();
            one.requested.due = false;
        }
    }
    Ok(())
}

/// Rows that were to go, with the number of children that went before each, and the keys of those that went.
struct Deleted<'r> {
    fresh: Vec<&'r mut Recorded>,
    children: Vec<usize>,
    gone: Vec<String>,
}

async fn delete_rows<'r>(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    mut fresh: Vec<&'r mut Recorded>,
) -> Result<Deleted<'r>, db::Error> {
    let mut children = vec![0; fresh.len()];
    let mut gone = Vec::new();
    if !table.children.is_empty() {
        let went = delete_children(transaction, store, table, &fresh).await?;
        let ready = fresh.into_iter().zip(went).filter_map(|(one, went)| Some((one, went?)));
        let ready: Vec<(&mut Recorded, Went)> = ready.collect();
        gone.extend(ready.iter().filter(|(_, went)| went.row).map(|(one, _)| one.requested.key.clone()));
        (fresh, children) = ready.into_iter().map(|(one, went)| (one, went.children)).unzip();
    }
    gone.extend({
        let requested: Vec<&Requested> = fresh.iter().map(|one| &one.requested).collect();
        match table.dialect {
            Dialect::Postgres => postgres(transaction, table, &requested).await?,
            Dialect::Sqlite => sqlite(transaction, table, &requested).await?,
        }
    });
    Ok(Deleted { fresh, children, gone })
}

/// What went with a row.
#[derive(Clone, Copy)]
struct Went {
    children: usize,
    /// Whether the row itself had to go with them.
    row: bool,
}

/// Deletes the children of the rows. For each what went, or none if it has to wait for a worker.
async fn delete_children(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    rows: &[&mut Recorded],
) -> Result<Vec<Option<Went>>, db::Error> {
    let root = |one: &&mut Recorded| Root {
        resource: table.name.clone(),
        key: one.requested.key.clone(),
        values: one.links.clone(),
    };
    let roots: Vec<Root> = rows.iter().map(root).collect();
    let tree = Tree::find(transaction, store, &roots, MOST_CHILDREN, true).await?;
    if !tree.is_truncated() {
        return delete_tree(transaction, &tree, roots.len()).await;
    }
    // Very many in all; which row has them is seen one by one.
    let mut went = Vec::with_capacity(roots.len());
    for root in roots {
        let tree = Tree::find(transaction, store, &[root], MOST_CHILDREN, true).await?;
        went.extend(if tree.is_truncated() { vec![None] } else { delete_tree(transaction, &tree, 1).await? });
    }
    Ok(went)
}

async fn delete_tree(
    transaction: &impl ConnectionTrait,
    tree: &Tree,
    roots: usize,
) -> Result<Vec<Option<Went>>, db::Error> {
    let goes: Vec<bool> = (0..roots).map(|root| tree.unfinished(root).is_empty() && !tree.is_locked(root)).collect();
    match children::delete(transaction, tree, &goes).await {
        Ok(row) => {
            let went = |(root, goes): (usize, &bool)| goes.then(|| Went { children: tree.count(root), row });
            Ok(goes.iter().enumerate().map(went).collect())
        }
        Err(DeleteError::Database(error)) => Err(error),
        // What went already is the caller's transaction's to undo.
        Err(error) => Err(db::Error::other("delete the rows at once", error)),
    }
}

async fn postgres(
    transaction: &impl ConnectionTrait,
    table: &Table,
    requested: &[&Requested],
) -> Result<Vec<String>, db::Error> {
    let keys: Vec<Key> = requested.iter().filter_map(|one| table.parse_key(&one.key).ok()).collect();
    let values = [Key::records(&keys).to_string().into()];
    let rows = transaction.query_all_raw(table.dialect.statement(statement(table), values)).await?;
    rows.iter().map(|row| row.try_get("", "key").map_err(db::Error::from)).collect()
}

/// `$1` is an array of `{k0, k1, …}`; returns the keys of the rows that went (PostgreSQL).
pub(crate) fn statement(table: &Table) -> String {
    format!(
        "delete from {} t using {} where {} returning {} as key",
        table.sql,
        recordset(1, &table.key_record()),
        table.key_equals("t", "x"),
        table.key_text("t"),
    )
}

/// SQLite takes a long `or` for a deep one, of which it allows a depth of 1,000 ("Implementation Limits For SQLite").
const MOST_KEYS: usize = 500;

/// In one statement, at whose end foreign keys are looked at: rows may name each other.
async fn sqlite(
    transaction: &impl ConnectionTrait,
    table: &Table,
    requested: &[&Requested],
) -> Result<Vec<String>, db::Error> {
    let mut gone = Vec::new();
    let keys: Vec<_> = requested.iter().filter_map(|one| table.parse_key(&one.key).ok()).collect();
    for keys in keys.chunks(MOST_KEYS) {
        let mut values = Vec::new();
        let matches: Vec<_> =
            keys.iter().map(|key| format!("({})", table.key_matches("t", key, &mut values))).collect();
        // SQLite's `returning` does not know the alias.
        let key = table.key_text(&table.sql);
        let sql = format!("delete from {} as t where {} returning {key} as key", table.sql, matches.join(" or "));
        let rows = transaction.query_all_raw(table.dialect.statement(sql, values)).await?;
        for row in rows {
            gone.push(row.try_get("", "key")?);
        }
    }
    Ok(gone)
}
