//! Where a pass stands, and what it has seen so far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sexton_core::{
    ids::Lane,
    ledger::{FinishedAt, Progress},
    sweep::verify::Completed,
};

/// What came back and is left, of which more is not remembered: it is logged.
const MOST_LEFT: usize = 500;

/// What a pass found and did; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Figures {
    /// Deletions that were passed on the way, whatever became of them.
    finished: u64,
    /// Those of them that are completed and in the share.
    sampled: u64,
    /// Twins that were looked at.
    pub(super) looked: u64,
    /// Those that are gone.
    pub(super) gone: u64,
    /// Those that are there again, and no row's by now as far as that is known; those of earlier passes included that are
    /// still there, or could not be seen this time.
    returned: u64,
    /// Those of them whose deletion was taken up again.
    pub(super) deleted_again: u64,
    /// Those that are there again and left alone because a row has them by now, or they have a deletion of their own.
    pub(super) owned: u64,
    /// Those of what returned that are left alone because that cannot be known.
    pub(super) unsure: u64,
    /// Twins that cannot be looked at: the target does not say, or it is not known any more where they were.
    pub(super) unverifiable: u64,
    /// Looks that had no answer, or one that says neither.
    unanswered: u64,
    /// Lanes that were left alone before their end.
    pub(super) held: u64,
}

/// Where a pass stands; kept as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    /// Up to where the deletions of each lane were looked at.
    pub(super) lanes: BTreeMap<Lane, FinishedAt>,
    /// Up to where they were counted.
    counted: Option<FinishedAt>,
    /// What came back and is left.
    left: Vec<Left>,
    /// What of an earlier pass is still to be looked at in this one, in order.
    pub(super) waiting: Vec<Left>,
    begun: bool,
    pub(super) figures: Figures,
    pub(super) progress: Progress,
    /// How many looks of a lane had no answer, and why the last had none.
    unanswered: BTreeMap<Lane, (u64, String)>,
}

/// A deletion of which something came back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Left {
    pub(super) finished: FinishedAt,
    pub(super) lanes: BTreeMap<Lane, Found>,
}

/// What a twin that is there is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Found {
    /// It came back.
    Returned,
    /// It is another's by now, until that one is gone.
    Owned,
}

impl Place {
    /// Begins a pass, unless this one is in the middle of one.
    pub(super) fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.waiting = std::mem::take(&mut self.left);
            self.waiting.sort_by(|a, b| a.finished.cmp(&b.finished));
        }
    }

    /// Where the next pass begins.
    pub(super) fn next_pass(self) -> Self {
        let Self { lanes, counted, left, .. } = self;
        Self { lanes, counted, left, ..Self::default() }
    }

    /// A lane is through with everything up to here.
    pub(super) fn reach(&mut self, lane: &Lane, here: &FinishedAt) {
        if self.lanes.get(lane).is_none_or(|before| before < here) {
            self.lanes.insert(lane.to_owned(), here.clone());
        }
    }

    /// Counts a page, but not what a lane comes by that was left behind.
    pub(super) fn count(&mut self, page: &[FinishedAt], sampled: &[Completed]) {
        let new = |finished: &FinishedAt| self.counted.as_ref().is_none_or(|counted| counted < finished);
        self.figures.finished += page.iter().filter(|one| new(one)).count() as u64;
        self.figures.sampled += sampled.iter().filter(|one| new(&one.finished)).count() as u64;
        self.counted = self.counted.take().max(page.last().cloned());
    }

    /// So many twins are there again.
    pub(super) fn found(&mut self, found: Found, twins: usize) {
        if found == Found::Owned {
            self.figures.owned += twins as u64;
        } else {
            self.figures.returned += twins as u64;
            self.progress.found += twins as u64;
        }
    }

    /// They are left as they are. What came back is remembered before what is another's.
    pub(super) fn leave(&mut self, completed: &Completed, lanes: Vec<Lane>, found: Found) {
        if found == Found::Returned {
            self.progress.note_backlog_since(Some(&completed.at));
        }
        let lanes = lanes.into_iter().map(|lane| (lane, found));
        if let Some(left) = self.left.iter_mut().find(|left| left.finished == completed.finished) {
            left.lanes.extend(lanes);
            return;
        }
        if self.left.len() >= MOST_LEFT {
            let owned = |left: &Left| left.lanes.values().all(|found| *found == Found::Owned);
            let other = self.left.iter().position(owned);
            let Some(other) = other.filter(|_| found == Found::Returned) else { return };
            self.left.swap_remove(other);
        }
        self.left.push(Left { finished: completed.finished.clone(), lanes: lanes.collect() });
    }

    /// A look had no answer.
    pub(super) fn unanswered(&mut self, lane: &Lane, reason: &str) {
        self.figures.unanswered += 1;
        let (count, last) = self.unanswered.entry(lane.to_owned()).or_default();
        *count += 1;
        reason.clone_into(last);
    }

    /// What could not be seen.
    pub(super) fn error(&self) -> Option<String> {
        let of_lane = |(lane, (count, reason)): (&Lane, &(u64, String))| {
            format!("{lane}: {count} looks had no answer, the last because of {reason}")
        };
        let lanes: Vec<String> = self.unanswered.iter().map(of_lane).collect();
        (!lanes.is_empty()).then(|| lanes.join("; "))
    }
}
