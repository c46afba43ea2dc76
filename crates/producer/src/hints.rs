//! Carrying hints to Redis without a caller waiting for it.
//!
//! Callers put hints into a bounded channel and go on; one background task pushes them. When Redis is slow or gone the
//! channel fills and further hints are dropped, which is harmless: the daemon finds due deletions in the ledger.

use sexton_core::{hint::Hint, transport::HintQueue};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tracing::{debug, info, warn};

/// Hints that may wait for the background task: 32 bytes each.
const CAPACITY: usize = 4096;

/// Hints pushed in one round trip.
const BATCH: usize = 300;

/// The caller's end. Without Redis it leads nowhere.
#[derive(Debug, Clone)]
pub(crate) struct HintSender(Option<Sender<Hint>>);

impl HintSender {
    /// Starts the background task, which ends when the last clone is dropped.
    ///
    /// * `window`: how many hints the queue holds at most.
    pub(crate) fn start(queue: HintQueue, window: usize) -> Self {
        // The other half of the window is the dispatcher's, so that old deletions are not crowded out by new ones.
        let limit = (window / 2).max(1);
        let (sender, receiver) = mpsc::channel(CAPACITY);
        tokio::spawn(push_waiting(queue, limit, receiver));
        Self(Some(sender))
    }

    pub(crate) const fn off() -> Self {
        Self(None)
    }

    /// Whether hints lead nowhere.
    pub(crate) const fn are_off(&self) -> bool {
        self.0.is_none()
    }

    /// Takes hints if there is room for them. Never waits, never fails.
    pub(crate) fn push(&self, hints: impl Iterator<Item = Hint>) {
        let Some(sender) = &self.0 else { return };
        for hint in hints {
            if let Err(error) = sender.try_send(hint) {
                debug!(deletion = %hint.id(), %error, "hint dropped; the daemon will find the deletion in the ledger");
                return;
            }
        }
    }
}

async fn push_waiting(queue: HintQueue, limit: usize, mut waiting: Receiver<Hint>) {
    let mut hints = Vec::with_capacity(BATCH);
    let mut failing = false;
    while waiting.recv_many(&mut hints, BATCH).await > 0 {
        match queue.enqueue(&hints, limit).await {
            Ok(_) if failing => {
                info!("hints reach Redis again");
                failing = false;
            }
            Ok(pushed) => debug!(hints = hints.len(), accepted = pushed.accepted, "hints pushed"),
            // Once per outage: every deletion would otherwise log the same.
            Err(error) if !failing => {
                warn!(%error, "hints do not reach Redis; deletions are found in the ledger instead");
                failing = true;
            }
            Err(_) => {}
        }
        hints.clear();
    }
}
