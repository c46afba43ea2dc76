//! Over which time the rows of a table were looked at often enough: an age counts over no other.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Marks that could not be taken away, of which each is remembered; of more, none, and all ages begin anew.
const MOST_UNCLEARED: usize = 1000;

/// What outlives a pass. Times are as the database writes them, in UTC, so that they compare as texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Covered {
    /// Since when every row has been looked at often enough.
    pub(super) from: String,
    /// When the last pass began, or the one that is under way.
    began: String,
    /// When the one before that began.
    before: Option<String>,
    /// Rows that were seen to be referenced and whose marks could not be taken away: their ages are not to be trusted.
    uncleared: BTreeSet<String>,
}

impl Covered {
    /// A pass begins, after the last one if there was one.
    pub(super) fn begin(now: String, last: Option<Self>) -> Self {
        // A clock that was ahead says nothing of what was covered.
        match last.filter(|last| last.from <= now && last.began <= now) {
            None => Self { from: now.clone(), began: now, ..Self::default() },
            Some(last) => Self { began: now, before: Some(last.began), ..last },
        }
    }

    /// A pass was given up: it is as if it had not begun. None if it was the first.
    pub(super) fn give_up(mut self) -> Option<Self> {
        self.began = self.before.take()?;
        Some(self)
    }

    /// The time after which every row was looked at, once at least.
    pub(super) fn looked_at(&self) -> &str {
        self.before.as_ref().unwrap_or(&self.began)
    }

    /// Whether every row that this pass has seen was seen by the pass before, and not before `oldest`. If not, what is
    /// covered begins with this pass.
    pub(super) fn holds(&mut self, oldest: &str) -> bool {
        if self.looked_at() >= oldest {
            return true;
        }
        self.begin_anew();
        false
    }

    fn begin_anew(&mut self) {
        (self.from, self.before) = (self.began.clone(), None);
        self.uncleared.clear();
    }

    /// The mark of a row that is referenced was not taken away.
    pub(super) fn not_cleared(&mut self, key: String) {
        self.uncleared.insert(key);
        if self.uncleared.len() > MOST_UNCLEARED {
            self.begin_anew();
        }
    }

    /// Whether the age of a row is not to be trusted although it is covered.
    pub(super) fn doubts(&self, key: &str) -> bool {
        self.uncleared.contains(key)
    }

    /// The mark of a row was taken away, or set anew.
    pub(super) fn cleared(&mut self, key: &str) {
        if !self.uncleared.is_empty() {
            self.uncleared.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u32) -> String {
        format!("2026-01-{day:02} 00:00:00+00")
    }

    /// Passes on these days; what is covered then, and whether it held.
    fn passes(days: &[u32], gap: u32) -> (Covered, bool) {
        let mut covered = None;
        let mut held = true;
        for day in days {
            let mut next = Covered::begin(at(*day), covered.take());
            held = next.holds(&at(day.saturating_sub(gap)));
            covered = Some(next);
        }
        (covered.unwrap(), held)
    }

    #[test]
    fn what_is_covered_grows_with_passes_that_follow_each_other() {
        let (covered, held) = passes(&[1, 3, 5, 8], 3);
        assert_eq!((covered.from.as_str(), covered.looked_at(), held), (&*at(1), &*at(5), true));
    }

    #[test]
    fn what_is_covered_begins_anew_after_a_gap() {
        let (covered, held) = passes(&[1, 3, 7], 3);
        assert_eq!((covered.from.as_str(), covered.looked_at(), held), (&*at(7), &*at(7), false));
    }

    #[test]
    fn pass_that_takes_too_long_covers_nothing() {
        let (mut covered, _) = passes(&[1, 3], 3);
        assert!(covered.holds(&at(1)));
        assert!(!covered.holds(&at(2)));
        assert_eq!(covered.from, at(3));
        assert!(covered.holds(&at(3)));
        assert!(!covered.holds(&at(4)));
    }

    #[test]
    fn pass_that_was_given_up_is_as_if_it_had_not_begun() {
        let (covered, _) = passes(&[1, 3], 3);
        let before = covered.clone();
        let mut later = Covered::begin(at(5), covered.give_up());
        assert!(!later.holds(&at(2)), "the third day was not looked at to the end");
        let later = Covered::begin(at(4), before.give_up());
        assert_eq!((later.from.as_str(), later.looked_at()), (&*at(1), &*at(1)));
        assert_eq!(Covered::begin(at(1), None).give_up(), None);
    }

    #[test]
    fn clock_that_was_ahead_covered_nothing() {
        let ahead = Covered::begin(at(20), None);
        assert_eq!(Covered::begin(at(2), Some(ahead)).from, at(2));
    }

    #[test]
    fn rows_that_were_not_cleared_are_doubted_until_they_are() {
        let mut covered = Covered::begin(at(1), None);
        covered.not_cleared("7".to_owned());
        let mut next = Covered::begin(at(2), Some(covered));
        assert!(next.doubts("7") && !next.doubts("8"));
        next.cleared("7");
        assert!(!next.doubts("7"));
        for key in 0..=MOST_UNCLEARED {
            next.not_cleared(key.to_string());
        }
        assert_eq!((next.from.as_str(), next.doubts("7")), (&*at(2), false));
    }
}
