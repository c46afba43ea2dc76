//! Deletions that this process ended and for which others may wait.

use std::sync::{Mutex, PoisonError};

use sexton_core::ids::DeletionId;
use tokio::sync::Notify;

/// A list that somebody can wait for. What is lost with the process is found by the next full look at the ledger.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    ids: Mutex<Vec<DeletionId>>,
    added: Notify,
}

impl Ended {
    pub(super) fn add(&self, id: DeletionId) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        self.added.notify_one();
    }

    /// Takes all that there are, as soon as there is one.
    pub(crate) async fn take(&self) -> Vec<DeletionId> {
        loop {
            let ids = std::mem::take(&mut *self.ids.lock().unwrap_or_else(PoisonError::into_inner));
            if !ids.is_empty() {
                return ids;
            }
            self.added.notified().await;
        }
    }
}
