//! The claims that this process holds, and how long the lease of each still lasts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sexton_core::{
    ids::{DeletionId, Fence, Lane},
    ledger::{Lease, Renewal},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// All claims of the process; cheap to clone.
#[derive(Clone)]
pub(crate) struct InFlight {
    entries: Arc<Mutex<HashMap<DeletionId, LeaseEntry>>>,
    lease: Duration,
    /// At most one deletion that was rescued before is in flight, so that one that kills its worker goes alone.
    rescued: Arc<Semaphore>,
    /// What the payloads of all claims may have in all, in bytes.
    payload_bytes: usize,
    /// Told when a claim ends.
    ended: Arc<Notify>,
}

struct LeaseEntry {
    payload_bytes: usize,
    fence: Fence,
    lane: Lane,
    /// When the statement that last set the lease was *sent*: the lease ends no earlier than this plus its length.
    leased_at: Instant,
    lost: CancellationToken,
    interrupted: CancellationToken,
}

/// A lease as a claim began it.
pub(super) struct NewLease {
    pub(super) id: DeletionId,
    pub(super) fence: Fence,
    pub(super) lane: Lane,
    /// The size of its payloads.
    pub(super) payload_bytes: usize,
    /// When the claim was sent.
    pub(super) sent: Instant,
    /// For a deletion that was rescued before.
    pub(super) rescue_permit: Option<OwnedSemaphorePermit>,
}

/// One claim; while it lives, its lease is renewed.
pub(crate) struct LeaseGuard {
    id: DeletionId,
    fence: Fence,
    all: InFlight,
    lost: CancellationToken,
    interrupted: CancellationToken,
    _rescue_permit: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    /// No claims yet.
    ///
    /// * `lease`: how long their leases will last.
    /// * `payload_bytes`: the size that their payloads may have in all.
    pub(crate) fn new(lease: Duration, payload_bytes: usize) -> Self {
        let (rescued, ended) = (Arc::new(Semaphore::new(1)), Arc::new(Notify::new()));
        Self { entries: Arc::default(), lease, rescued, payload_bytes, ended }
    }

    /// How many bytes of payloads may be claimed. There is always some room, so that the payloads of one slow target do
    /// not keep other lanes, and what was rescued or held, from being claimed.
    pub(super) fn payload_room(&self) -> usize {
        self.free_payload_bytes().max(self.payload_bytes / 8)
    }

    /// Whether the payloads in flight leave room for more.
    pub(super) fn has_payload_room(&self) -> bool {
        self.free_payload_bytes() > 0
    }

    /// Waits until [`Self::has_payload_room`].
    pub(super) async fn payload_room_free(&self) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if self.has_payload_room() {
                return;
            }
            ended.await;
        }
    }

    fn free_payload_bytes(&self) -> usize {
        let held: usize = self.entries().values().map(|entry| entry.payload_bytes).sum();
        self.payload_bytes.saturating_sub(held)
    }

    /// The right to claim one deletion that was rescued before. Resolves when the one before is written back. None
    /// would mean that the semaphore was closed, which never happens.
    pub(super) async fn rescue_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.rescued).acquire_owned().await.ok()
    }

    /// The same, if it is free now.
    pub(super) fn try_rescue_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.rescued).try_acquire_owned().ok()
    }

    /// Adds a claim.
    pub(super) fn add(&self, lease: NewLease) -> LeaseGuard {
        let NewLease { id, fence, lane, payload_bytes, sent, rescue_permit } = lease;
        let (lost, interrupted) = (CancellationToken::new(), CancellationToken::new());
        let entry = LeaseEntry {
            payload_bytes,
            fence,
            lane,
            leased_at: sent,
            lost: lost.clone(),
            interrupted: interrupted.clone(),
        };
        if let Some(before) = self.entries().insert(id, entry) {
            // This process lost the lease and claimed the deletion once more: the task with the old claim must hear of
            // it.
            before.lost.cancel();
        }
        LeaseGuard { id, fence, all: self.clone(), lost, interrupted, _rescue_permit: rescue_permit }
    }

    pub(crate) fn contains(&self, id: DeletionId) -> bool {
        self.entries().contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries().len()
    }

    pub(super) fn ids(&self) -> Vec<DeletionId> {
        self.entries().keys().copied().collect()
    }

    /// How many deletions of each lane are in flight.
    pub(super) fn count_by_lane(&self) -> HashMap<Lane, usize> {
        let mut lanes = HashMap::new();
        for entry in self.entries().values() {
            *lanes.entry(entry.lane.clone()).or_default() += 1;
        }
        lanes
    }

    /// The leases to renew.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        self.entries().iter().map(|(id, entry)| Lease { id: *id, fence: entry.fence }).collect()
    }

    /// Takes note of a renewal of `leases` that was sent at `sent`.
    pub(crate) fn note_renewal(&self, leases: &[Lease], renewal: &Renewal, sent: Instant) {
        let mut entries = self.entries();
        for Lease { id, fence } in leases {
            // A later claim of the same deletion has a lease of its own.
            let Some(entry) = entries.get_mut(id).filter(|entry| entry.fence == *fence) else { continue };
            if renewal.renewed.contains(id) {
                entry.leased_at = sent;
            } else if !renewal.locked.contains(id) {
                entry.lost.cancel();
            }
        }
    }

    /// Asks all executions to stop and to hand their deletions back.
    pub(super) fn interrupt_all(&self) {
        self.entries().values().for_each(|entry| entry.interrupted.cancel());
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<DeletionId, LeaseEntry>> {
        // Nothing that holds the lock can panic half way through a change.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeaseGuard {
    /// For how much longer the claim is certainly ours.
    pub(super) fn remaining(&self) -> Duration {
        let entries = self.all.entries();
        let entry = entries.get(&self.id).filter(|entry| entry.fence == self.fence && !entry.lost.is_cancelled());
        entry.map_or(Duration::ZERO, |entry| self.all.lease.saturating_sub(entry.leased_at.elapsed()))
    }

    /// Resolves when the lease is known to be lost.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Resolves when the process wants the deletion handed back.
    pub(super) async fn interrupted(&self) {
        self.interrupted.cancelled().await;
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let mut entries = self.all.entries();
        // This process may have claimed the deletion once more after it lost this lease.
        if entries.get(&self.id).is_some_and(|entry| entry.fence == self.fence) {
            entries.remove(&self.id);
            self.all.ended.notify_waiters();
        }
    }
}
