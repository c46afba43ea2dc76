//! Taking markers back, unless another deletion wants the row removed, and cancelling the deletions.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::json;

use super::statements::Statements;
use crate::{
    catalog::Table,
    db::{self, Dialect, Row, Sql, Words, literal},
    ids::DeletionId,
    ledger::Ledger,
    state::Cancellation,
    store::Store,
};

/// Gives the rows of deletions, and the rows that were marked with theirs, back what their marker columns held before,
/// and cancels the deletions. Returns those whose rows got back what they held. The others are gone, no longer carry
/// the marker that was written, or were removed together with another row as well.
pub(super) async fn unmark(
    transaction: &impl ConnectionTrait,
    store: &Store,
    deletions: &[DeletionId],
) -> Result<HashSet<DeletionId>, db::Error> {
    match store.ledger.dialect {
        Dialect::Postgres => {
            let unmarked = unmark_postgres(transaction, store, deletions).await?;
            cancel_deletions(transaction, &store.ledger, deletions).await?;
            Ok(unmarked)
        }
        Dialect::Sqlite => unmark_one_by_one(transaction, store, deletions).await,
    }
}

/// Cancels the deletions.
async fn cancel_deletions(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    deletions: &[DeletionId],
) -> Result<(), db::Error> {
    ledger.cancel(transaction, deletions, Cancellation::Restored).await?;
    ledger.forget_children(transaction, deletions).await
}

async fn unmark_one_by_one(
    transaction: &impl ConnectionTrait,
    store: &Store,
    deletions: &[DeletionId],
) -> Result<HashSet<DeletionId>, db::Error> {
    let ids = json!(deletions).to_string();
    let statements = store.ledger.statements::<Statements>();
    let marks = read(transaction, &statements.marks_of_deletions, &ids).await?;
    let marks_of_children = read(transaction, &statements.marks_of_children, &ids).await?;
    cancel_deletions(transaction, &store.ledger, deletions).await?;
    // What wants a row removed now is another deletion.
    let mut unmarked = HashSet::new();
    for mark in marks {
        if unmark_sqlite(transaction, store, &mark).await? {
            unmarked.insert(mark.deletion);
        }
    }
    for mark in marks_of_children {
        unmark_sqlite(transaction, store, &mark).await?;
    }
    Ok(unmarked)
}

async fn unmark_postgres(
    transaction: &impl ConnectionTrait,
    store: &Store,
    deletions: &[DeletionId],
) -> Result<HashSet<DeletionId>, db::Error> {
    let ledger = &store.ledger;
    let ids = json!(deletions).to_string();
    let mut unmarked = HashSet::new();
    let of_rows = &ledger.statements::<Statements>().rows_of_deletions;
    for row in of_rows.bind([("ids", ids.as_str().into())]).all(transaction).await? {
        let resource: String = row.get("resource")?;
        let Some(table) = store.catalog.by_name(&resource) else { continue };
        let unmark = table.rendered.get("restore.unmark_rows", || rows_statement(ledger, table));
        for row in unmark.bind([("ids", ids.as_str().into())]).all(transaction).await? {
            unmarked.insert(row.parse("id")?);
        }
    }
    for table in store.catalog.tables().filter(|table| store.catalog.is_child(&table.name)) {
        // A statement of its own: the next one sees what was committed during this wait, for example a new deletion of
        // the row.
        let lock = table.rendered.get("restore.lock_children", || lock_children_statement(ledger, table));
        if lock.bind([("ids", ids.as_str().into())]).all(transaction).await?.is_empty() {
            continue;
        }
        let unmark = table.rendered.get("restore.unmark_children", || children_statement(ledger, table));
        unmark.bind([("ids", ids.as_str().into())]).execute(transaction).await?;
    }
    Ok(unmarked)
}

/// The statement that takes back the markers of the rows of the deletions `@ids`, as far as they are of this table, and
/// returns the ids of those that had one. `sexton_restore_all` in the database runs these, too (PostgreSQL).
pub(crate) fn rows_statement(ledger: &Ledger, table: &Table) -> Sql {
    words(ledger, table).render_for(include_str!("unmark.rows.postgres.sql"), &["ids"])
}

/// The statement that takes back the markers of the children that were removed with the rows of the deletions `@ids`
/// (PostgreSQL).
pub(crate) fn children_statement(ledger: &Ledger, table: &Table) -> Sql {
    words(ledger, table).render_for(include_str!("unmark.children.postgres.sql"), &["ids"])
}

/// The statement that locks those children in the order in which phase 1 does (PostgreSQL).
pub(crate) fn lock_children_statement(ledger: &Ledger, table: &Table) -> Sql {
    let text = "-- lock the children of rows
        select 1 from {child} h join {table} t on {key_is_remembered}
        where h.resource = {resource} and h.deletion_id {any_uuid:@ids}
        order by {key_columns} for update of t";
    words(ledger, table).render_for(text, &["ids"])
}

/// The statement that returns those of the deletions `@ids` of this table whose rows carry their marker (PostgreSQL).
/// `sexton_restore_all` in the database runs it.
pub(crate) fn still_marked_statement(ledger: &Ledger, table: &Table) -> Sql {
    let text = "-- look for rows that are still marked
        select h.id, h.key from {deletion} h join {table} t on {key_is_remembered}
        where h.resource = {resource} and h.id {any_uuid:@ids} and {is_marked}
        order by h.id limit 1";
    words(ledger, table).with([("is_marked", table.marked("t"))]).render_for(text, &["ids"])
}

/// What the texts for PostgreSQL say of the table `t` and of the ledger's record `h` of the mark.
fn words(ledger: &Ledger, table: &Table) -> Words {
    ledger.words.clone().with([
        ("table", table.sql.clone()),
        ("resource", literal(table.name.as_str())),
        ("unmark", table.unmark("h.marker_rule", "h.marker_before")),
        ("marker", table.marker_text("t", "h.marker_rule")),
        ("key_is_remembered", table.key_is("t", "h.key")),
        ("key_columns", table.key_columns("t")),
    ])
}

/// A mark as the ledger remembers it.
struct Mark {
    deletion: DeletionId,
    resource: String,
    key: String,
    /// The number of the marker rule; none if the deletion was recorded when the row was gone.
    rule: Option<usize>,
    value: Option<String>,
    before: Option<String>,
}

async fn read(transaction: &impl ConnectionTrait, statement: &Sql, ids: &str) -> Result<Vec<Mark>, db::Error> {
    let rows = statement.bind([("ids", ids.into())]).all(transaction).await?;
    rows.iter().map(Mark::read).collect()
}

impl Mark {
    fn read(row: &Row) -> Result<Self, db::Error> {
        Ok(Self {
            deletion: row.parse("id")?,
            resource: row.get("resource")?,
            key: row.get("key")?,
            rule: row.get::<Option<i64>>("marker_rule")?.and_then(|rule| usize::try_from(rule).ok()),
            value: row.get("marker_value")?,
            before: row.get("marker_before")?,
        })
    }
}

/// One row (SQLite).
async fn unmark_sqlite(transaction: &impl ConnectionTrait, store: &Store, mark: &Mark) -> Result<bool, db::Error> {
    let Some(table) = store.catalog.by_name(&mark.resource) else { return Ok(false) };
    let Ok(key) = table.parse_key(&mark.key) else { return Ok(false) };
    let Some((number, rule)) = mark.rule.and_then(|number| Some((number, table.rules.get(number)?))) else {
        return Ok(false);
    };
    let unmark = table.rendered.get(format!("restore.unmark by rule {number}"), || {
        let words = store.ledger.words.clone().with([
            ("table", table.sql.clone()),
            ("unmark", table.unmark(&number.to_string(), "@marker_before")),
            ("marker", rule.column.text("t")),
            ("key_is_bound", table.key_is_bound("t")),
        ]);
        words.render(include_str!("unmark.sqlite.sql"))
    });
    let mut values = key.values();
    values.extend([
        ("marker_before".into(), mark.before.clone().into()),
        ("marker_value".into(), mark.value.clone().into()),
        ("resource".into(), mark.resource.as_str().into()),
        ("key".into(), mark.key.as_str().into()),
    ]);
    Ok(unmark.bind_all(values).execute(transaction).await? > 0)
}
