//! The deletions that targets confirmed to this process lately.
//!
//! A database that failed over may have lost what was written last. Deletions that were done are due once more then,
//! and each target says "gone", which is no surprise to the process that remembers.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use sexton_core::ids::{DeletionId, Lane};

/// Most that are remembered: a few megabytes.
const MOST: usize = 50_000;

/// The last deletions that targets confirmed.
#[derive(Debug, Default)]
pub(super) struct ConfirmedHere {
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    set: HashSet<u64>,
    order: VecDeque<u64>,
}

impl ConfirmedHere {
    /// `twin` is the name of the twin that the target deleted.
    pub(super) fn note_confirmed(&self, lane: &Lane, id: DeletionId, twin: &str) {
        let name = self.name(lane, id, twin);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.set.insert(name) {
            return;
        }
        known.order.push_back(name);
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.set.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, lane: &Lane, id: DeletionId, twin: &str) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).set.contains(&self.name(lane, id, twin))
    }

    fn name(&self, lane: &Lane, id: DeletionId, twin: &str) -> u64 {
        self.hasher.hash_one((lane.as_str(), id.as_uuid(), twin))
    }
}
