//! Phase 1 on SQLite: row by row, in a transaction that holds the write lock from its beginning.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;

use super::{
    request::{Recorded, Request},
    sqlite_mark::{Marked, mark},
    sqlite_record::record,
};
use crate::{catalog::Table, db, ids::DeletionId, key::Key, ledger::Ledger, store::Store};

pub(super) async fn soft_remove(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    rows: &[(Key, Option<DeletionId>)],
    request: &Request,
) -> Result<Vec<Recorded>, db::Error> {
    let mut recorded = Vec::new();
    let mut seen = HashSet::new();
    for (key, parent) in rows.iter().filter(|(key, _)| seen.insert(key)) {
        if let Some(mut row) = mark(transaction, table, key).await? {
            if store.catalog.is_child(&table.name) {
                row.marker_before = store.ledger.before_child(transaction, table, &row).await?;
            }
            let links = table.links(&row.payload);
            let rule = usize::try_from(row.rule).unwrap_or_default();
            let requested = record(transaction, &store.ledger, table, request, row, *parent).await?;
            recorded.push(Recorded { requested, links, rule });
        }
    }
    Ok(recorded)
}

impl Ledger {
    /// What was in the marker column before the row was first marked: it may have been marked as the child of another.
    pub(super) async fn before_child(
        &self,
        transaction: &impl ConnectionTrait,
        table: &Table,
        row: &Marked,
    ) -> Result<Option<String>, db::Error> {
        let sql = format!(
            "select marker_before from {} where resource = $1 and key = $2 and marker_value = $3 limit 1",
            self.child
        );
        let values = [table.name.as_str().into(), row.key.clone().into(), row.marker_before.clone().into()];
        match transaction.query_one_raw(self.dialect.statement(sql, values)).await? {
            Some(held) => Ok(held.try_get("", "marker_before")?),
            None => Ok(row.marker_before.clone()),
        }
    }
}
