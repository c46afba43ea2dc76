//! Taking markers back, as far as nobody else wants the row removed.

use sea_orm::ConnectionTrait;

use crate::{
    catalog::Table,
    db::{self, Dialect, literal},
    ids::DeletionId,
    ledger::Ledger,
    store::Store,
};

/// A mark as the ledger remembers it.
struct Mark {
    resource: String,
    key: String,
    rule: i64,
    value: Option<String>,
    before: Option<String>,
}

/// Gives the row of a deletion back what its marker column held before; false if it is gone, no longer carries the marker
/// that was written, or was removed together with another row as well.
pub(super) async fn unmark_row(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    table: &Table,
    id: DeletionId,
) -> Result<bool, db::Error> {
    let d = table.dialect;
    if d == Dialect::Postgres {
        let statement = d.statement(of_row(ledger, table), [id.to_string().into()]);
        return Ok(transaction.execute_raw(statement).await?.rows_affected() > 0);
    }
    let sql = format!(
        "select resource, key, marker_rule, marker_value, marker_before from {} where id = $1",
        ledger.deletion
    );
    match marks(transaction, ledger, &sql, id).await?.first() {
        Some(mark) => unmark(transaction, ledger, table, mark, id).await,
        None => Ok(false),
    }
}

/// The same for the rows that were marked with the row of the deletion, which then are forgotten.
pub(super) async fn unmark_children(
    transaction: &impl ConnectionTrait,
    store: &Store,
    id: DeletionId,
) -> Result<(), db::Error> {
    let d = store.ledger.dialect;
    let tables = || store.catalog.tables().filter(|table| store.catalog.is_child(&table.name));
    if d == Dialect::Postgres {
        for table in tables() {
            // In a statement of its own, so that the next one sees what was committed while this one waited: whether
            // another deletion wants the row gone, or does so no longer.
            transaction
                .query_all_raw(d.statement(lock_children(&store.ledger, table), [id.to_string().into()]))
                .await?;
            transaction.execute_raw(d.statement(of_children(&store.ledger, table), [id.to_string().into()])).await?;
        }
    } else {
        let sql = format!(
            "select resource, key, marker_rule, marker_value, marker_before from {} where deletion_id = $1",
            store.ledger.child
        );
        for mark in marks(transaction, &store.ledger, &sql, id).await? {
            if let Some(table) = store.catalog.by_name(&mark.resource) {
                unmark(transaction, &store.ledger, table, &mark, id).await?;
            }
        }
    }
    store.ledger.forget_children(transaction, &[id]).await
}

/// `$1` is the deletion (PostgreSQL).
pub(crate) fn of_row(ledger: &Ledger, table: &Table) -> String {
    format!("{} and h.id = $1::uuid", update(ledger, table, &ledger.deletion, "o.id <> h.id"))
}

/// `$1` is the deletion of the parent (PostgreSQL).
pub(crate) fn of_children(ledger: &Ledger, table: &Table) -> String {
    format!("{} and h.deletion_id = $1::uuid", update(ledger, table, &ledger.child, "true"))
}

/// Locks the children in the order in which phase 1 does; `$1` is the deletion of the parent (PostgreSQL).
pub(crate) fn lock_children(ledger: &Ledger, table: &Table) -> String {
    format!(
        "select 1 from {child} h join {table} t on {key} where h.resource = {name} and h.deletion_id = $1::uuid
         order by {order} for update of t",
        child = ledger.child,
        table = table.sql,
        key = table.key_is("t", "h.key"),
        name = literal(table.name.as_str()),
        order = table.key_columns("t"),
    )
}

fn update(ledger: &Ledger, table: &Table, from: &str, another: &str) -> String {
    format!(
        "update {table} t set {unmark} from {from} h
         where h.resource = {name} and {key} and {marker} is not distinct from h.marker_value
            and not exists (select 1 from {child} o where o.resource = h.resource and o.key = h.key and o.deletion_id <> $1::uuid)
            and not exists (select 1 from {deletion} o where o.resource = h.resource and o.key = h.key and {another})",
        table = table.sql,
        unmark = table.unmark("h.marker_rule", "h.marker_before"),
        name = literal(table.name.as_str()),
        key = table.key_is("t", "h.key"),
        marker = table.marker_text("t", "h.marker_rule"),
        child = ledger.child,
        deletion = ledger.deletion,
    )
}

async fn marks(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    sql: &str,
    id: DeletionId,
) -> Result<Vec<Mark>, db::Error> {
    let rows = transaction.query_all_raw(ledger.dialect.statement(sql, [id.to_string().into()])).await?;
    let mark = |row: &sea_orm::QueryResult| {
        Ok(Mark {
            resource: row.try_get("", "resource")?,
            key: row.try_get("", "key")?,
            rule: row.try_get("", "marker_rule")?,
            value: row.try_get("", "marker_value")?,
            before: row.try_get("", "marker_before")?,
        })
    };
    rows.iter().map(mark).collect()
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
    let rule = usize::try_from(mark.rule).unwrap_or_default();
    let Some(marker) = table.rules.get(rule) else { return Ok(false) };
    let mut values: Vec<sea_orm::Value> = vec![
        mark.before.clone().into(),
        mark.value.clone().into(),
        mark.resource.clone().into(),
        mark.key.clone().into(),
        id.to_string().into(),
    ];
    let matches = table.key_matches("t", &key, &mut values);
    let sql = format!(
        "update {} as t set {} where {matches} and {} is not distinct from $2
            and not exists (select 1 from {} o where o.resource = $3 and o.key = $4 and o.deletion_id <> $5)
            and not exists (select 1 from {} o where o.resource = $3 and o.key = $4 and o.id <> $5)",
        table.sql,
        table.unmark(&rule.to_string(), "$1"),
        marker.column.text("t"),
        ledger.child,
        ledger.deletion,
    );
    Ok(transaction.execute_raw(table.dialect.statement(sql, values)).await?.rows_affected() > 0)
}
