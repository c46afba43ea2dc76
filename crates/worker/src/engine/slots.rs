//! Slots for deletions in flight.
//!
//! Hints of all lanes come in one queue, so the calls of one slow target can fill every open slot. Therefore some slots
//! are reserved for lanes that have few. Their deletions are taken from the ledger directly.

use std::{collections::HashMap, sync::Arc};

use sexton_core::ids::Lane;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of one process.
pub(crate) struct Slots {
    open: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    total: usize,
}

impl Slots {
    /// `total` slots, of which an eighth is reserved if there are several lanes.
    pub(super) fn new(total: usize, lanes: usize) -> Self {
        let reserved = if lanes > 1 { (total / 8).max(usize::from(total > 1)) } else { 0 };
        Self { open: Arc::new(Semaphore::new(total - reserved)), reserved: Arc::new(Semaphore::new(reserved)), total }
    }

    /// Waits in line for an open slot. None would mean that the semaphore was closed, which never happens.
    pub(super) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.open).acquire_owned().await.ok()
    }

    /// All open slots that are free, at most `most`.
    pub(super) fn take_open(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        take(&self.open, most)
    }

    /// All reserved slots that are free, at most `most`; none while an open one is free.
    pub(super) fn take_reserved(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        if self.open.available_permits() > 0 { None } else { take(&self.reserved, most) }
    }

    /// Those of `lanes` that may have more slots; `used` is what each uses now. A lane may use half of the slots that
    /// the lanes with more leave. So however many lanes are slow, the next one finds a slot.
    pub(super) fn lanes_below_share(&self, lanes: Vec<Lane>, used: &HashMap<Lane, usize>) -> Vec<Lane> {
        let below = |lane: &Lane| {
            let own = used.get(lane).copied().unwrap_or_default();
            let used_by_larger: usize = used.values().filter(|&&used| used > own).sum();
            own < (self.total.saturating_sub(used_by_larger) / 2).max(1)
        };
        lanes.into_iter().filter(below).collect()
    }
}

fn take(slots: &Arc<Semaphore>, most: usize) -> Option<OwnedSemaphorePermit> {
    let free = u32::try_from(slots.available_permits().min(most)).ok().filter(|free| *free > 0)?;
    // A task that waits in line may have been faster.
    Arc::clone(slots).try_acquire_many_owned(free).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_uses_most_slots_leaves_the_rest_to_others() {
        let slots = Slots::new(64, 3);
        let below = |used: &[(&str, usize)]| {
            let lane = |name: &str| Lane::from_ledger(name.to_owned());
            let used = used.iter().map(|(name, used)| (lane(name), *used)).collect();
            let below = slots.lanes_below_share(["a", "b", "c"].map(lane).to_vec(), &used);
            below.iter().map(Lane::to_string).collect::<Vec<_>>()
        };
        assert_eq!(below(&[]), ["a", "b", "c"]);
        assert_eq!(below(&[("a", 56)]), ["b", "c"]);
        assert_eq!(below(&[("a", 56), ("b", 4)]), ["c"]);
        assert_eq!(below(&[("a", 56), ("b", 4), ("c", 2)]), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_reserved_when_there_is_only_one_lane_or_one_slot() {
        let free = |slots: Slots| (slots.open.available_permits(), slots.reserved.available_permits());
        assert_eq!(free(Slots::new(64, 1)), (64, 0));
        assert_eq!(free(Slots::new(64, 2)), (56, 8));
        assert_eq!(free(Slots::new(2, 2)), (1, 1));
        assert_eq!(free(Slots::new(1, 2)), (1, 0));
    }

    #[tokio::test]
    async fn reserved_slots_are_not_touched_while_others_are_free() {
        let slots = Slots::new(16, 2);
        assert!(slots.take_reserved(100).is_none());
        let open = slots.take_open(100);
        assert_eq!(open.as_ref().map(OwnedSemaphorePermit::num_permits), Some(14));
        assert_eq!(slots.take_reserved(100).map(|reserved| reserved.num_permits()), Some(2));
    }
}
