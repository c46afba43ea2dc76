//! What is left to do after the caller's own transaction has committed.

use sexton_core::{hint::Hint, ids::DeletionId, removal::Requested};

/// Deletions that were requested in the caller's transaction. Hand it to [`Producer::enqueue`](crate::Producer::enqueue)
/// after the commit, and drop it after a rollback. Dropping it after a commit is harmless: the daemon then finds the
/// deletions in the ledger, a little later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "after the commit, hand it to `Producer::enqueue` so that the daemon starts at once"]
pub struct Pending {
    requested: Vec<Requested>,
}

impl Pending {
    pub(crate) const fn new(requested: Vec<Requested>) -> Self {
        Self { requested }
    }

    /// What was requested. Valid only if the transaction commits.
    #[must_use]
    pub fn requested(&self) -> &[Requested] {
        &self.requested
    }

    /// The ids of the deletions, for a later [`restore`](crate::Producer::restore).
    pub fn ids(&self) -> impl Iterator<Item = DeletionId> {
        self.requested.iter().map(|requested| requested.id)
    }

    /// Both, for several removals in one transaction.
    pub fn and(mut self, other: Self) -> Self {
        self.requested.extend(other.requested);
        self
    }

    /// Hints for those that are due now.
    pub(crate) fn hints(&self) -> impl Iterator<Item = Hint> {
        due(&self.requested)
    }
}

/// Hints for those of the requested deletions that are due now: the others would only be refused by the worker.
pub(crate) fn due(requested: &[Requested]) -> impl Iterator<Item = Hint> {
    requested.iter().filter(|requested| requested.due).map(|requested| Hint::new(requested.id, requested.fence))
}
