//! The names of a queue's Redis keys.
//!
//! Those that apalis-redis 1.0.0 reads are named as its `Config` names them; a test in the worker, which links
//! apalis-redis, holds the two together. The others (`seen`, `alive`, `concurrency`, `dispatcher`, `wake`) are ours.

use super::Error;
use crate::{config::is_queue_name, hint::Hint};

/// The Redis keys of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    name: String,
    wake: String,
}

impl Keys {
    /// The keys of the queue `name`.
    ///
    /// # Errors
    /// [`Error::Name`] when the name is empty, longer than 100 bytes or has characters that do not belong in a key.
    pub fn new(name: &str) -> Result<Self, Error> {
        if !is_queue_name(name) {
            return Err(Error::Name { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), wake: format!("{name}:wake") })
    }

    /// The keys of this queue for one ledger: others may use the queue's name, and their hints are of no use here. The
    /// channel is common, and a wake that is not meant is one look too many.
    ///
    /// * `ledger`: what [`identity`](crate::ledger::Ledger::identity) returned.
    #[must_use]
    pub(super) fn of_ledger(&self, ledger: &str) -> Self {
        Self { name: format!("{}:{ledger}", self.name), wake: self.wake.clone() }
    }

    /// The keys of a queue beside this one, for a hint that only tries the way. They begin with this queue's name, and
    /// the channel is the same, so that the rights of this queue's user are enough.
    #[must_use]
    pub(super) fn probe(&self) -> Self {
        Self { name: format!("{}:probe-{}", self.name, ulid::Ulid::generate()), wake: self.wake.clone() }
    }

    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key(&self, suffix: &str) -> String {
        format!("{}:{suffix}", self.name)
    }

    /// List: ids of tasks that wait for a worker. Its length is the fill of the window.
    #[must_use]
    pub fn active(&self) -> String {
        self.key("active")
    }

    /// Hash: task id → payload.
    #[must_use]
    pub fn data(&self) -> String {
        self.key("data")
    }

    /// What the keys of all [`meta`](Self::meta) hashes begin with, without the `:` before the task id.
    #[must_use]
    pub fn meta_prefix(&self) -> String {
        self.key("meta")
    }

    /// Hash: a task's attempts, status and, of ours, the key that damps its doubles.
    #[must_use]
    pub fn meta(&self, task: &str) -> String {
        format!("{}:{task}", self.meta_prefix())
    }

    /// Set: ids of tasks that `worker` has fetched and not acked.
    #[must_use]
    pub fn inflight(&self, worker: &str) -> String {
        format!("{}:{worker}", self.key("inflight"))
    }

    /// Sorted set: registered apalis workers, scored by their own clocks in seconds.
    #[must_use]
    pub fn workers(&self) -> String {
        self.key("workers")
    }

    /// Hash: what `worker` said about itself when it registered.
    #[must_use]
    pub fn worker_metadata(&self, worker: &str) -> String {
        format!("{}:metadata:{worker}", self.workers())
    }

    /// Set: ids of acked tasks, for us to prune.
    #[must_use]
    pub fn done(&self) -> String {
        self.key("done")
    }

    /// Set: ids of tasks that apalis gave up on. Ours never fail there, so it is only ever pruned.
    #[must_use]
    pub fn dead(&self) -> String {
        self.key("dead")
    }

    /// Sorted set: ids of tasks that wait for a time. Ours never do, so it is only ever pruned.
    #[must_use]
    pub fn scheduled(&self) -> String {
        self.key("scheduled")
    }

    /// List with one element while tasks may be waiting.
    #[must_use]
    pub fn signal(&self) -> String {
        self.key("signal")
    }

    /// String with a time to live: this hint was pushed a moment ago.
    #[must_use]
    pub fn seen(&self, hint: &Hint) -> String {
        format!("{}:{}:{}", self.key("seen"), hint.id(), hint.fence())
    }

    /// Sorted set: processes, scored by Redis's clock in milliseconds at their last beat.
    #[must_use]
    pub fn alive(&self) -> String {
        self.key("alive")
    }

    /// Hash: process → how many hints it handles at once.
    #[must_use]
    pub fn concurrency(&self) -> String {
        self.key("concurrency")
    }

    /// String with a time to live: the process that dispatches.
    #[must_use]
    pub fn dispatcher(&self) -> String {
        self.key("dispatcher")
    }

    /// Channel: something was pushed.
    #[must_use]
    pub fn wake(&self) -> String {
        self.wake.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_names_that_cannot_be_part_of_a_key_are_refused() {
        for good in ["deletions", "app:deletions", "{app}.deletions-2_x"] {
            assert!(Keys::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\n", "é", "a*", &"a".repeat(101)] {
            assert!(matches!(Keys::new(bad), Err(Error::Name { .. })), "{bad}");
        }
    }
}
