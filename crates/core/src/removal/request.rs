//! Requesting deletions.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr};

use super::{at_once, children, postgres, sqlite, wake};
use crate::{
    catalog::{Catalog, Table},
    db::{Dialect, millis},
    ids::{BatchId, DeletionId, Fence},
    key::Key,
    ledger::Ledger,
    state::State,
    template::Values,
};

/// Who asks for what, and why.
#[derive(Debug, Clone)]
pub struct Request {
    /// Groups the deletions of this request.
    pub batch: BatchId,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// How long the deletions at least stay restorable; the resource's grace counts if it is longer.
    pub after: Duration,
    /// W3C `traceparent` of the caller, if there is one.
    pub trace_context: Option<String>,
    /// Whether the commit tells listening workers that something is due: for callers who push no hint. It costs the
    /// caller's transaction a lock that is the same for the whole database, see [`DUE_CHANNEL`](super::DUE_CHANNEL).
    pub notify: bool,
}

impl Request {
    /// A request by `by`, without a reason, a delay and a notification.
    #[must_use]
    pub fn by(by: impl Into<String>) -> Self {
        Self {
            batch: BatchId::new(),
            by: by.into(),
            reason: None,
            after: Duration::ZERO,
            trace_context: None,
            notify: false,
        }
    }
}

/// A deletion that was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The deletion.
    pub id: DeletionId,
    /// The row's key, as the database prints it.
    pub key: String,
    /// False if the row had an open deletion already, which is returned with its payload refreshed.
    pub created: bool,
    /// Its state.
    pub state: State,
    /// Its fence.
    pub fence: Fence,
    /// Whether it is due at once.
    pub due: bool,
}

/// Marks the rows with these keys and records their deletions, within the caller's transaction. On PostgreSQL this is
/// one statement, whatever the number of keys. A key without a row is left out of the result.
///
/// A resource without targets has nothing to wait for: unless there is a grace, its rows are deleted here and now, and
/// their deletions are completed. A foreign key that forbids it is the caller's error, as with any `delete`.
///
/// A row that carries its marker already keeps it. A row with an open deletion gets no second one: that one is returned,
/// with its payload refreshed and without the confirmations of targets whose columns changed; a running one is left as it
/// is. A dead deletion of the row is superseded, and the confirmations of targets whose columns are unchanged are carried
/// over; so is the time of its first call, after which there is no restoring.
///
/// # Errors
/// Whatever the database says; the caller rolls back.
pub async fn soft_remove(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    catalog: &Catalog,
    table: &Table,
    keys: &[Key],
    request: &Request,
) -> Result<Vec<Requested>, DbErr> {
    let rows: Vec<_> = keys.iter().map(|key| (key.clone(), None)).collect();
    let mut recorded = record(transaction, ledger, catalog, table, &rows, request).await?;
    if at_once::applies(table, request) {
        at_once::delete(transaction, ledger, catalog, table, &mut recorded).await?;
    }
    if !table.children.is_empty() {
        children::remove(transaction, ledger, catalog, table, &mut recorded, request).await?;
    }
    let requested: Vec<Requested> = recorded.into_iter().map(|one| one.requested).collect();
    // A deletion that waits has children whose own are due.
    if request.notify && requested.iter().any(|one| one.due || one.state == State::Waiting) {
        wake::notify(transaction, table.dialect).await?;
    }
    Ok(requested)
}

/// A deletion that was requested, and the values by which children name its row.
pub(super) struct Recorded {
    pub(super) requested: Requested,
    pub(super) links: Values,
    /// The rule by which it was marked.
    pub(super) rule: usize,
}

/// Marks rows and records their deletions, each with the deletion that is to wait for it.
pub(super) async fn record(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    catalog: &Catalog,
    table: &Table,
    rows: &[(Key, Option<DeletionId>)],
    request: &Request,
) -> Result<Vec<Recorded>, DbErr> {
    match table.dialect {
        Dialect::Postgres => postgres::soft_remove(transaction, ledger, catalog, table, rows, request).await,
        Dialect::Sqlite => sqlite::soft_remove(transaction, ledger, catalog, table, rows, request).await,
    }
}

/// The delay before such a deletion is due, in milliseconds.
pub(super) fn delay_ms(table: &Table, request: &Request) -> i64 {
    millis(table.resource.grace.max(request.after))
}

/// The names of the configured targets as a JSON array.
pub(super) fn targets(table: &Table) -> String {
    let names: Vec<_> = table.resource.targets.iter().map(|target| target.name.to_string()).collect();
    serde_json::Value::from(names).to_string()
}
