//! What this process holds, until its doubts can be judged.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sexton_core::ids::DeletionId;

/// How soon a claim is tried again if another process has the deletion or its lane is shut. The pause doubles. After
/// [`MOST_TRIES`] the deletion is due for any process.
const PAUSE: Duration = Duration::from_millis(300);
const MOST_TRIES: u32 = 8;

/// The deletions that this process holds: when they can be judged, and how often that was tried.
#[derive(Debug, Default)]
pub(super) struct HeldQueue(Mutex<HashMap<DeletionId, (Instant, u32)>>);

impl HeldQueue {
    /// Has the deletion `id` taken once `wait` has passed.
    pub(super) fn add(&self, id: DeletionId, wait: Duration) {
        self.queue().insert(id, (Instant::now() + wait, 0));
    }

    /// The deletion `id` was claimed, by whatever way: it is added again if it is still held.
    pub(super) fn remove(&self, id: DeletionId) {
        self.queue().remove(&id);
    }

    /// Those whose time has come, at most `limit`, and how often each was tried.
    pub(super) fn take(&self, limit: usize) -> Vec<(DeletionId, u32)> {
        let now = Instant::now();
        self.queue().extract_if(|_, (at, _)| *at <= now).take(limit).map(|(id, (_, tries))| (id, tries)).collect()
    }

    /// Tries a deletion that could not be claimed once more later.
    pub(super) fn try_later(&self, id: DeletionId, tries: u32) {
        if tries < MOST_TRIES {
            let at = Instant::now() + PAUSE * 2_u32.pow(tries);
            self.queue().entry(id).or_insert((at, tries + 1));
        }
    }

    fn queue(&self) -> MutexGuard<'_, HashMap<DeletionId, (Instant, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
