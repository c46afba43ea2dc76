//! How far a pass has come, and what it has seen so far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sexton_core::{
    ids::Lane,
    ledger::{FinishedAt, SweepProgress},
    sweep::verify::Completed,
};

use super::figures::VerifyFigures;

/// How many deletions whose twins returned are remembered. The others are only logged.
const MOST_RETURNED: usize = 500;

/// How far a pass has come; stored as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct VerifyCheckpoint {
    /// The last deletion that was looked at, lane by lane.
    pub(super) lanes: BTreeMap<Lane, FinishedAt>,
    /// The last deletion that was counted.
    counted: Option<FinishedAt>,
    /// Deletions whose twins returned and were not deleted again.
    left: Vec<ReturnedTwins>,
    /// Those of the pass before that this one has yet to look at, in order.
    pub(super) waiting: Vec<ReturnedTwins>,
    begun: bool,
    pub(super) figures: VerifyFigures,
    pub(super) progress: SweepProgress,
    /// Looks without an answer: how many, and why the last had none.
    unanswered: BTreeMap<Lane, (u64, String)>,
}

/// A deletion of which twins are there again, and in which lanes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ReturnedTwins {
    pub(super) finished: FinishedAt,
    pub(super) lanes: BTreeMap<Lane, TwinFinding>,
}

/// What a twin that is there is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TwinFinding {
    /// It came back.
    Returned,
    /// It belongs to another row by now, or to a deletion of its own.
    Owned,
}

impl VerifyCheckpoint {
    /// Begins a pass, unless the checkpoint is in the middle of one.
    pub(super) fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.waiting = std::mem::take(&mut self.left);
            self.waiting.sort_by(|a, b| a.finished.cmp(&b.finished));
        }
    }

    /// The checkpoint at which the next pass begins.
    pub(super) fn next_pass(self) -> Self {
        let Self { lanes, counted, left, .. } = self;
        Self { lanes, counted, left, ..Self::default() }
    }

    /// Notes that a lane is done with all deletions up to this one.
    pub(super) fn reach(&mut self, lane: &Lane, here: &FinishedAt) {
        if self.lanes.get(lane).is_none_or(|before| before < here) {
            self.lanes.insert(lane.to_owned(), here.clone());
        }
    }

    /// Counts the deletions of a page, except those that were counted when another lane came by.
    pub(super) fn count_page(&mut self, page: &[FinishedAt], sampled: &[Completed]) {
        let new = |finished: &FinishedAt| self.counted.as_ref().is_none_or(|counted| counted < finished);
        self.figures.finished += page.iter().filter(|one| new(one)).count() as u64;
        self.figures.sampled += sampled.iter().filter(|one| new(&one.finished)).count() as u64;
        self.counted = self.counted.take().max(page.last().cloned());
    }

    /// Counts twins that are there again.
    pub(super) fn count_returned(&mut self, found: TwinFinding, twins: usize) {
        if found == TwinFinding::Owned {
            self.figures.owned += twins as u64;
        } else {
            self.figures.returned += twins as u64;
            self.progress.found += twins as u64;
        }
    }

    /// Remembers twins that are there and not deleted. Those that returned take precedence over those of another row.
    pub(super) fn remember(&mut self, completed: &Completed, lanes: Vec<Lane>, found: TwinFinding) {
        if found == TwinFinding::Returned {
            self.progress.note_backlog_since(Some(&completed.at));
        }
        let lanes = lanes.into_iter().map(|lane| (lane, found));
        if let Some(left) = self.left.iter_mut().find(|left| left.finished == completed.finished) {
            left.lanes.extend(lanes);
            return;
        }
        if self.left.len() >= MOST_RETURNED {
            let owned = |left: &ReturnedTwins| left.lanes.values().all(|found| *found == TwinFinding::Owned);
            let other = self.left.iter().position(owned);
            let Some(other) = other.filter(|_| found == TwinFinding::Returned) else { return };
            self.left.swap_remove(other);
        }
        self.left.push(ReturnedTwins { finished: completed.finished.clone(), lanes: lanes.collect() });
    }

    /// Counts a look without an answer.
    pub(super) fn count_unanswered(&mut self, lane: &Lane, reason: &str) {
        self.figures.unanswered += 1;
        let (count, last) = self.unanswered.entry(lane.to_owned()).or_default();
        *count += 1;
        reason.clone_into(last);
    }

    /// What could not be seen, and why.
    pub(super) fn error(&self) -> Option<String> {
        let of_lane = |(lane, (count, reason)): (&Lane, &(u64, String))| {
            format!("{lane}: {count} looks had no answer, the last because of {reason}")
        };
        let lanes: Vec<String> = self.unanswered.iter().map(of_lane).collect();
        (!lanes.is_empty()).then(|| lanes.join("; "))
    }
}
