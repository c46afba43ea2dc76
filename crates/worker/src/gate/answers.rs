//! Answers of a target in the order of time: how many there were when, and what chance makes of them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use sexton_core::ids::DeletionId;

/// Up to this number of answers are no run.
pub(super) const FEW: usize = 3;
/// A window is a run if chance makes one like it in a thousand at most: the logarithm of that.
pub(super) const SURPRISE: f64 = 6.9;
/// A share of "gone" below this is taken for this.
const LEAST_SHARE: f64 = 0.02;
/// The most answers of a kind that are remembered: a minute of a thousand a second.
const MOST_REMEMBERED: usize = 65_536;
/// This number is remembered, however old they are.
pub(super) const LEAST_REMEMBERED: usize = 64;

/// Answers of one kind, in the order of time.
#[derive(Debug, Default)]
pub(super) struct Answers(pub(super) VecDeque<(Instant, DeletionId)>);

/// How many answers there were in some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) gone: usize,
    pub(super) lost: usize,
    pub(super) deleted: usize,
}

impl Answers {
    /// Forgets those that are older than `memory`, but not of a target that is called seldom.
    pub(super) fn forget(&mut self, memory: Duration, now: Instant) -> impl Iterator<Item = (Instant, DeletionId)> {
        let is_old = |at| now.saturating_duration_since(at) > memory;
        let old = self.0.iter().take_while(|(at, _)| is_old(*at)).count();
        let left = self.0.len().min(LEAST_REMEMBERED).max(self.0.len() - old).min(MOST_REMEMBERED);
        self.0.drain(..self.0.len() - left)
    }

    /// How many are not before `from`.
    pub(super) fn since(&self, from: Instant) -> usize {
        self.0.len() - self.0.partition_point(|(at, _)| *at < from)
    }

    /// How many are not before `from` and not after `to`.
    pub(super) fn between(&self, from: Instant, to: Instant) -> usize {
        self.0.partition_point(|(at, _)| *at <= to) - self.0.partition_point(|(at, _)| *at < from)
    }
}

impl Count {
    /// Whether more than the share `limit` was gone.
    pub(super) fn exceeds(self, limit: f64) -> bool {
        let Self { gone, deleted, .. } = self;
        gone as f64 > limit * (gone + deleted) as f64
    }

    /// Whether nothing shows that the target deletes at all. After lost answers any share is no surprise while it does.
    pub(super) const fn is_silent_after_losses(self) -> bool {
        self.lost > 0 && self.gone + self.lost > FEW && self.deleted == 0
    }

    pub(super) const fn answers(self) -> usize {
        self.gone + self.deleted
    }

    /// The share that was gone, as far as it can be relied on, and at most `limit`.
    pub(super) fn share(self, limit: f64) -> f64 {
        let share = self.gone as f64 / self.answers().max(1) as f64;
        share.min(limit).clamp(LEAST_SHARE, 1.0 - LEAST_SHARE)
    }

    /// How improbable it is that as many are gone if the share is `expected`: minus the logarithm of an upper limit of
    /// the probability (Chernoff's bound).
    pub(super) fn surprise(self, expected: f64) -> f64 {
        let share = self.gone as f64 / self.answers().max(1) as f64;
        if share <= expected {
            return 0.0;
        }
        let deleted = if self.deleted == 0 { 0.0 } else { (1.0 - share) * ((1.0 - share) / (1.0 - expected)).ln() };
        self.answers() as f64 * (share * (share / expected).ln() + deleted)
    }
}
