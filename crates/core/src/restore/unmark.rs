//! Taking markers back, unless another deletion wants the row removed.

use sea_orm::ConnectionTrait;

use super::statements::Statements;
use crate::{
    catalog::Table,
    db::{self, Dialect, Row, Sql, Words, literal},
    ids::DeletionId,
    ledger::Ledger,
    store::Store,
};

/// Gives the row of a deletion back what its marker column held before. False if the row is gone, no longer carries the
/// marker that was written, or was removed together with another row as well.
pub(super) async fn unmark_row(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    id: DeletionId,
) -> Result<bool, db::Error> {
    if table.dialect == Dialect::Postgres {
        let unmark = table
            .rendered
            .get("restore.unmark_row", || row_statement(ledger, table))
            .bind([("id", id.to_string().into())]);
        return Ok(unmark.execute(transaction).await? > 0);
    }
    let read = &ledger.statements::<Statements>().mark_of_deletion;
    match read.bind([("id", id.to_string().into())]).one(transaction).await? {
        Some(row) => unmark(transaction, ledger, table, &Mark::read(&row)?, id).await,
        None => Ok(false),
    }
}

/// The same for the rows that were marked with the row of the deletion; then the ledger forgets them.
pub(super) async fn unmark_children(
    transaction: &impl ConnectionTrait,
    store: &Store,
    id: DeletionId,
) -> Result<(), db::Error> {
    let ledger = &store.ledger;
    if ledger.dialect == Dialect::Postgres {
        for table in store.catalog.tables().filter(|table| store.catalog.is_child(&table.name)) {
            // In a statement of its own, so that the next one sees what was committed while this one waited: whether
            // another deletion wants the row gone, or does so no longer.
            table
                .rendered
                .get("restore.lock_children", || lock_children_statement(ledger, table))
                .bind([("id", id.to_string().into())])
                .all(transaction)
                .await?;
            table
                .rendered
                .get("restore.unmark_children", || children_statement(ledger, table))
                .bind([("id", id.to_string().into())])
                .execute(transaction)
                .await?;
        }
    } else {
        let read = &ledger.statements::<Statements>().marks_of_children;
        for row in read.bind([("id", id.to_string().into())]).all(transaction).await? {
            let mark = Mark::read(&row)?;
            if let Some(table) = store.catalog.by_name(&mark.resource) {
                unmark(transaction, ledger, table, &mark, id).await?;
            }
        }
    }
    ledger.forget_children(transaction, &[id]).await
}

/// The statement that takes back the marker of the row of the deletion `@id`. `sexton_restore_all` in the database runs
/// these, too (PostgreSQL).
pub(crate) fn row_statement(ledger: &Ledger, table: &Table) -> Sql {
    words(ledger, table).render_for(include_str!("unmark.row.postgres.sql"), &["id"])
}

/// The statement that takes back the markers of the children that were removed with the row of the deletion `@id`
/// (PostgreSQL).
pub(crate) fn children_statement(ledger: &Ledger, table: &Table) -> Sql {
    words(ledger, table).render_for(include_str!("unmark.children.postgres.sql"), &["id"])
}

/// The statement that locks those children in the order in which phase 1 does (PostgreSQL).
pub(crate) fn lock_children_statement(ledger: &Ledger, table: &Table) -> Sql {
    let text = "-- lock the children of a row
        select 1 from {child} h join {table} t on {key_is_remembered}
        where h.resource = {resource} and h.deletion_id = @id::uuid
        order by {key_columns} for update of t";
    words(ledger, table).render_for(text, &["id"])
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
    resource: String,
    key: String,
    /// The number of the marker rule.
    rule: usize,
    value: Option<String>,
    before: Option<String>,
}

impl Mark {
    fn read(row: &Row) -> Result<Self, db::Error> {
        Ok(Self {
            resource: row.get("resource")?,
            key: row.get("key")?,
            rule: row.count("marker_rule")?,
            value: row.get("marker_value")?,
            before: row.get("marker_before")?,
        })
    }
}

/// One row (SQLite).
async fn unmark(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    mark: &Mark,
    id: DeletionId,
) -> Result<bool, db::Error> {
    let Ok(key) = table.parse_key(&mark.key) else { return Ok(false) };
    let Some(rule) = table.rules.get(mark.rule) else { return Ok(false) };
    let unmark = table.rendered.get(format!("restore.unmark by rule {}", mark.rule), || {
        let words = ledger.words.clone().with([
            ("table", table.sql.clone()),
            ("unmark", table.unmark(&mark.rule.to_string(), "@marker_before")),
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
        ("id".into(), id.to_string().into()),
    ]);
    Ok(unmark.bind_all(values).execute(transaction).await? > 0)
}
