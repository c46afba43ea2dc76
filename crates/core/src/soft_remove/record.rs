//! Marking rows and recording their deletions, in the way of the database.

use sea_orm::ConnectionTrait;

use super::{
    postgres,
    request::{Recorded, Request},
    sqlite,
};
use crate::{
    catalog::Table,
    db::{self, Dialect},
    ids::DeletionId,
    key::Key,
    store::Store,
};

/// Marks rows and records their deletions, each with the deletion that is to wait for it.
pub(super) async fn record(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    rows: &[(Key, Option<DeletionId>)],
    request: &Request,
) -> Result<Vec<Recorded>, db::Error> {
    match table.dialect {
        Dialect::Postgres => postgres::soft_remove(transaction, store, table, rows, request).await,
        Dialect::Sqlite => sqlite::soft_remove(transaction, store, table, rows, request).await,
    }
}
