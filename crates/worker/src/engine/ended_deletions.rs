//! Deletions that this process ended and for which others may wait.

use std::sync::{Mutex, PoisonError};

use sexton_core::ids::DeletionId;
use tokio::sync::Notify;

/// The list of them, to be taken by one task. What is lost with the process is found by the next full look at the
/// ledger.
#[derive(Debug, Default)]
pub(crate) struct EndedDeletions {
    ids: Mutex<Vec<DeletionId>>,
    added: Notify,
}

impl EndedDeletions {
    pub(crate) fn add(&self, id: DeletionId) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        self.added.notify_one();
    }

    /// Waits until there is one, and takes all.
    pub(crate) async fn take_all(&self) -> Vec<DeletionId> {
        loop {
            let ids = std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner));
            if !ids.is_empty() {
                return ids;
            }
            self.added.notified().await;
        }
    }
}
