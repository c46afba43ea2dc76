//! A request for deletions, and the deletions that it made.

use std::time::Duration;

use crate::{
    catalog::Table,
    db::millis,
    ids::{BatchId, DeletionId, Fence},
    state::State,
};

/// Who requests deletions, and why.
#[derive(Debug, Clone)]
pub struct DeletionRequest {
    /// Groups the deletions of this request.
    pub batch: BatchId,
    /// Who requests them.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// How long the deletions at least stay restorable; the resource's grace counts if it is longer.
    pub after: Duration,
    /// W3C `traceparent` of the caller, if there is one.
    pub trace_context: Option<String>,
    /// Whether the commit tells listening workers that something is due: for callers who push no hint. It costs the
    /// caller's transaction a lock that is the same for the whole database, see
    /// [`DUE_CHANNEL`](crate::ledger::DUE_CHANNEL).
    pub notify: bool,
}

impl DeletionRequest {
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

/// The delay before a deletion of this request is due, in milliseconds.
pub(super) fn delay_ms(table: &Table, request: &DeletionRequest) -> i64 {
    millis(table.resource.grace.max(request.after))
}

/// The names of the configured targets as a JSON array.
pub(super) fn target_names(table: &Table) -> String {
    let names: Vec<_> = table.resource.targets.iter().map(|target| target.name.to_string()).collect();
    serde_json::Value::from(names).to_string()
}
