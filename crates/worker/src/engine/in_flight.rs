//! The claims that this process holds, and how long each is still good for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sexton_core::ids::{DeletionId, Fence, Lane};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// All claims of the process; cheap to clone.
#[derive(Clone)]
pub(crate) struct InFlight {
    entries: Arc<Mutex<HashMap<DeletionId, Entry>>>,
    lease: Duration,
    /// At most one deletion that was rescued before is in flight, so that one that kills its worker goes alone.
    rescued: Arc<Semaphore>,
}

struct Entry {
    fence: Fence,
    lane: Lane,
    /// When the statement that last set the lease was *sent*: the lease ends no earlier than this plus its length.
    leased_at: Instant,
    lost: CancellationToken,
    interrupted: CancellationToken,
}

/// One claim; while it lives, its lease is renewed.
pub(crate) struct Held {
    id: DeletionId,
    fence: Fence,
    all: InFlight,
    lost: CancellationToken,
    interrupted: CancellationToken,
    _rescued: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    pub(crate) fn new(lease: Duration) -> Self {
        Self { entries: Arc::default(), lease, rescued: Arc::new(Semaphore::new(1)) }
    }

    /// The right to claim one deletion that was rescued before; resolves when the one before is written down.
    pub(super) async fn next_rescued(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.rescued).acquire_owned().await.ok()
    }

    pub(crate) fn hold(
        &self,
        id: DeletionId,
        fence: Fence,
        lane: Lane,
        leased_at: Instant,
        rescued: Option<OwnedSemaphorePermit>,
    ) -> Held {
        let (lost, interrupted) = (CancellationToken::new(), CancellationToken::new());
        let entry = Entry { fence, lane, leased_at, lost: lost.clone(), interrupted: interrupted.clone() };
        if let Some(before) = self.entries().insert(id, entry) {
            // Claimed again by this process: the lease was lost, and nothing else would tell the task that still has it.
            before.lost.cancel();
        }
        Held { id, fence, all: self.clone(), lost, interrupted, _rescued: rescued }
    }

    pub(crate) fn contains(&self, id: DeletionId) -> bool {
        self.entries().contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries().len()
    }

    pub(crate) fn ids(&self) -> Vec<DeletionId> {
        self.entries().keys().copied().collect()
    }

    /// How many deletions of each lane are in flight.
    pub(super) fn by_lane(&self) -> HashMap<Lane, usize> {
        let mut lanes = HashMap::new();
        for entry in self.entries().values() {
            *lanes.entry(entry.lane.clone()).or_default() += 1;
        }
        lanes
    }

    pub(crate) fn leases(&self) -> Vec<(DeletionId, Fence)> {
        self.entries().iter().map(|(id, entry)| (*id, entry.fence)).collect()
    }

    /// Takes note of a renewal of `asked` that was sent at `sent`: what is not among `renewed` is lost, if it is still
    /// held under the same fence.
    pub(crate) fn renewed(
        &self,
        asked: &[(DeletionId, Fence)],
        renewed: &std::collections::HashSet<DeletionId>,
        sent: Instant,
    ) {
        let mut entries = self.entries();
        for (id, fence) in asked {
            let Some(entry) = entries.get_mut(id).filter(|entry| entry.fence == *fence) else { continue };
            if renewed.contains(id) {
                entry.leased_at = sent;
            } else {
                entry.lost.cancel();
            }
        }
    }

    /// Asks all to stop what they are doing and to hand their deletions back.
    pub(super) fn interrupt_all(&self) {
        self.entries().values().for_each(|entry| entry.interrupted.cancel());
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<DeletionId, Entry>> {
        // Nothing that holds the lock can panic half way through a change.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// For how much longer the claim is certainly ours.
    pub(crate) fn remaining(&self) -> Duration {
        let entries = self.all.entries();
        let entry = entries.get(&self.id).filter(|entry| entry.fence == self.fence && !entry.lost.is_cancelled());
        entry.map_or(Duration::ZERO, |entry| self.all.lease.saturating_sub(entry.leased_at.elapsed()))
    }

    /// Resolves when the lease is known to be lost.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Resolves when the process wants the deletion handed back.
    pub(crate) async fn interrupted(&self) {
        self.interrupted.cancelled().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut entries = self.all.entries();
        // The same deletion may have been claimed again by this process after its lease was lost.
        if entries.get(&self.id).is_some_and(|entry| entry.fence == self.fence) {
            entries.remove(&self.id);
        }
    }
}
