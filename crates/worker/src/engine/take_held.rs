//! Taking what this process holds, when its doubts can be judged: no other process saw the answers around them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sexton_core::{db, ids::DeletionId, ledger::Candidates};

use super::{
    Engine,
    claim::{BATCH, claim_batch},
};

/// How soon what could not be claimed is tried once more, because another process has it or its lane is shut; then
/// after twice as long, and so on. After [`MOST_TRIES`] it is due for any process.
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
    fn take(&self, limit: usize) -> Vec<(DeletionId, u32)> {
        let now = Instant::now();
        self.queue().extract_if(|_, (at, _)| *at <= now).take(limit).map(|(id, (_, tries))| (id, tries)).collect()
    }

    fn try_later(&self, id: DeletionId, tries: u32) {
        if tries < MOST_TRIES {
            let at = Instant::now() + PAUSE * 2_u32.pow(tries);
            self.queue().entry(id).or_insert((at, tries + 1));
        }
    }

    fn queue(&self) -> MutexGuard<'_, HashMap<DeletionId, (Instant, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Takes what this process holds and can judge by now.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; it is tried once more later.
    pub(crate) async fn take_held(self: &Arc<Self>) -> Result<(), db::Error> {
        let Some(slots) = self.slots.take_open(BATCH) else { return Ok(()) };
        let ready = self.held.take(slots.num_permits());
        if ready.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = ready.iter().map(|(id, _)| *id).filter(|id| !self.in_flight.contains(*id)).collect();
        let _claiming = self.executions.token();
        if self.closing.is_cancelled() {
            return Ok(());
        }
        let lanes = self.context.gates.open_lane_names();
        let claimed = claim_batch(&self.context, &self.in_flight, Candidates::Hinted(&ids), &lanes, None).await;
        let taken: HashSet<_> = claimed.iter().flatten().map(|claimed| claimed.claim.id).collect();
        for (id, tries) in ready.into_iter().filter(|(id, _)| !taken.contains(id)) {
            self.held.try_later(id, tries);
        }
        self.execute_all(claimed?, slots).await;
        Ok(())
    }
}
