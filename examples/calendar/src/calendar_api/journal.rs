//! What the calendar did, recorded by itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{EventId, answers::Answer};

/// Calls and answers so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    calls: HashMap<EventId, u32>,
    confirmed: HashSet<EventId>,
    statuses: BTreeMap<u16, u32>,
    strays: Vec<String>,
}

impl Journal {
    /// Counts a call; the first is number 1.
    pub(super) fn count_call(&mut self, id: &EventId) -> u32 {
        let calls = self.calls.entry(id.clone()).or_default();
        *calls += 1;
        *calls
    }

    pub(super) fn record(&mut self, id: &EventId, answer: Answer) {
        *self.statuses.entry(answer.status()).or_default() += 1;
        if answer.confirms() {
            self.confirmed.insert(id.clone());
        }
    }

    pub(super) fn record_stray(&mut self, call: String) {
        self.strays.push(call);
    }

    /// Calls in all.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.values().sum()
    }

    /// Events that were called more than once.
    pub(crate) fn called_repeatedly(&self) -> usize {
        self.calls.values().filter(|calls| **calls > 1).count()
    }

    /// Whether it ever said that this event is gone.
    pub(crate) fn has_confirmed(&self, id: &EventId) -> bool {
        self.confirmed.contains(id)
    }

    /// How often each status was sent.
    pub(crate) const fn statuses(&self) -> &BTreeMap<u16, u32> {
        &self.statuses
    }

    /// Calls of something that is no event.
    pub(crate) fn strays(&self) -> &[String] {
        &self.strays
    }
}
