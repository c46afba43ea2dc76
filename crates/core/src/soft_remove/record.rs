//! Marking rows and recording their deletions, in the way of the database.

use sea_orm::ConnectionTrait;

use super::{
    postgres,
    request::{Recorded, Request},
    sqlite,
};
use crate::{
    catalog::{Catalog, Table},
    db::{self, Dialect},
    ids::DeletionId,
    key::Key,
    ledger::Ledger,
};

/// Marks rows and records their deletions, each with the deletion that is to wait for it.
pub(super) async fn record(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    catalog: &Catalog,
    table: &Table,
    rows: &[(Key, Option<DeletionId>)],
    request: &Request,
) -> Result<Vec<Recorded>, db::Error> {
    match table.dialect {
        Dialect::Postgres => postgres::soft_remove(transaction, ledger, catalog, table, rows, request).await,
        Dialect::Sqlite => sqlite::soft_remove(transaction, ledger, catalog, table, rows, request).await,
    }
}
