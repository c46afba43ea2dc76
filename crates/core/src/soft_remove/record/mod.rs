//! Marking rows and recording their deletions, in the way of the database.

mod postgres;
pub(super) mod sqlite;

use sea_orm::ConnectionTrait;

use super::request::{DeletionRequest, Requested};
use crate::{
    catalog::Table,
    db::{self, Dialect},
    ids::DeletionId,
    key::Key,
    store::Store,
    template::Values,
};

pub(crate) use postgres::{statement, target_columns};

/// A row whose deletion is to be recorded.
pub(super) struct RowToRecord {
    pub(super) key: Key,
    /// The deletion that waits for it, if it is the child of a row that is removed.
    pub(super) parent: Option<DeletionId>,
}

/// A row that was marked, and its deletion.
pub(super) struct RecordedRow {
    pub(super) key: Key,
    pub(super) requested: Requested,
    /// The columns by which children reference it.
    pub(super) links: Values,
    /// The number of the marker rule by which it was marked.
    pub(super) rule: usize,
}

/// Marks rows and records their deletions. A key without a row is left out of the result.
pub(super) async fn record(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    rows: &[RowToRecord],
    request: &DeletionRequest,
) -> Result<Vec<RecordedRow>, db::Error> {
    match table.dialect {
        Dialect::Postgres => postgres::record(transaction, store, table, rows, request).await,
        Dialect::Sqlite => sqlite::record(transaction, store, table, rows, request).await,
    }
}
