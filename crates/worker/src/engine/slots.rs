//! Places for deletions in flight.
//!
//! Hints come in one line for all lanes, so the calls of one slow target can come to fill every place that is open to
//! everybody. Therefore some places are reserved for lanes that have few, whose deletions are then taken from the ledger
//! directly.

use sexton_core::ids::Lane;
use std::{collections::HashMap, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one process.
pub(crate) struct Slots {
    open: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    total: usize,
}

impl Slots {
    /// `total` places, of which an eighth is reserved if the work of several lanes (`lanes`) may meet here.
    pub(super) fn new(total: usize, lanes: usize) -> Self {
        let reserved = if lanes > 1 { (total / 8).max(usize::from(total > 1)) } else { 0 };
        Self { open: Arc::new(Semaphore::new(total - reserved)), reserved: Arc::new(Semaphore::new(reserved)), total }
    }

    /// Waits in line for a place. None would mean that the semaphore was closed, which nobody does.
    pub(super) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.open).acquire_owned().await.ok()
    }

    /// All places that are free and open to everybody, at most `most`.
    pub(super) fn take_open(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        take(&self.open, most)
    }

    /// Reserved places that are free, at most `most`, while no other is.
    pub(super) fn take_reserved(&self, most: usize) -> Option<OwnedSemaphorePermit> {
        if self.open.available_permits() > 0 { None } else { take(&self.reserved, most) }
    }

    /// Of `lanes`, those that may have more places than they hold now: less than half of what the lanes before them, which
    /// hold more, leave. So however many lanes are slow, the next one finds a place.
    pub(super) fn below_share(&self, lanes: Vec<Lane>, held: &HashMap<Lane, usize>) -> Vec<Lane> {
        let below = |lane: &Lane| {
            let own = held.get(lane).copied().unwrap_or_default();
            let before: usize = held.values().filter(|&&held| held > own).sum();
            own < (self.total.saturating_sub(before) / 2).max(1)
        };
        lanes.into_iter().filter(below).collect()
    }
}

fn take(places: &Arc<Semaphore>, most: usize) -> Option<OwnedSemaphorePermit> {
    let free = u32::try_from(places.available_permits().min(most)).ok().filter(|free| *free > 0)?;
    // Whoever waits in line may have been faster.
    Arc::clone(places).try_acquire_many_owned(free).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_holds_most_places_leaves_the_rest_to_others() {
        let slots = Slots::new(64, 3);
        let below = |held: &[(&str, usize)]| {
            let lane = |name: &str| Lane::from_ledger(name.to_owned());
            let held = held.iter().map(|(name, held)| (lane(name), *held)).collect();
            let below = slots.below_share(["a", "b", "c"].map(lane).to_vec(), &held);
            below.iter().map(Lane::to_string).collect::<Vec<_>>()
        };
        assert_eq!(below(&[]), ["a", "b", "c"]);
        assert_eq!(below(&[("a", 56)]), ["b", "c"]);
        assert_eq!(below(&[("a", 56), ("b", 4)]), ["c"]);
        assert_eq!(below(&[("a", 56), ("b", 4), ("c", 2)]), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_reserved_when_there_is_only_one_lane_or_one_place() {
        let free = |slots: Slots| (slots.open.available_permits(), slots.reserved.available_permits());
        assert_eq!(free(Slots::new(64, 1)), (64, 0));
        assert_eq!(free(Slots::new(64, 2)), (56, 8));
        assert_eq!(free(Slots::new(2, 2)), (1, 1));
        assert_eq!(free(Slots::new(1, 2)), (1, 0));
    }

    #[tokio::test]
    async fn reserved_places_are_not_touched_while_others_are_free() {
        let slots = Slots::new(16, 2);
        assert!(slots.take_reserved(100).is_none());
        let open = slots.take_open(100);
        assert_eq!(open.as_ref().map(OwnedSemaphorePermit::num_permits), Some(14));
        assert_eq!(slots.take_reserved(100).map(|reserved| reserved.num_permits()), Some(2));
    }
}
