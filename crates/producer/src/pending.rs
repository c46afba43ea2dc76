//! Hints that wait for a commit.

use std::sync::{Mutex, PoisonError};

use sexton_core::{hint::Hint, soft_remove::Requested};

/// Hints at deletions that were requested in a transaction which the caller commits; see
/// [`Transaction::into_pending`](crate::Transaction::into_pending). Hand it to
/// [`Producer::enqueue`](crate::Producer::enqueue) after the commit, and drop it after a rollback. Dropping it after a
/// commit is harmless: the daemon then finds the deletions in the ledger, a little later.
#[derive(Debug, Default)]
#[must_use = "after the commit, hand it to `Producer::enqueue` so that the daemon starts at once"]
pub struct Pending(pub(crate) Vec<Hint>);

/// Hints as they come in.
#[derive(Debug, Default)]
pub(crate) struct Collected(Mutex<Vec<Hint>>);

impl Collected {
    pub(crate) fn add(&self, hints: impl Iterator<Item = Hint>) {
        // A panic elsewhere leaves hints behind, and any of them is as good as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(hints);
    }

    pub(crate) fn into_pending(self) -> Pending {
        Pending(self.0.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Hints for those of the requested deletions that are due now: the others would only be refused by the worker.
pub(crate) fn due(requested: &[Requested]) -> impl Iterator<Item = Hint> {
    requested.iter().filter(|requested| requested.due).map(|requested| Hint::new(requested.id, requested.fence))
}
