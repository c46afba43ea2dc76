//! Over which time every row of a table was looked at often enough. The age of a row counts only within that time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How many rows are remembered whose time could not be cleared. If there are more, all ages begin anew.
const MOST_UNCLEARED: usize = 1000;

/// The covered time of a table; it outlives a pass. Times are as the database writes them, in UTC: they compare as
/// texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Coverage {
    /// Since when every row has been looked at often enough.
    pub(super) from: String,
    /// When the last pass began, or the one that is under way.
    began: String,
    /// When the one before that began.
    before: Option<String>,
    /// Referenced rows whose times could not be cleared: their ages are not trusted.
    uncleared: BTreeSet<String>,
}

impl Coverage {
    /// Begins a pass, after the last one if there was one.
    pub(super) fn begin(now: String, last: Option<Self>) -> Self {
        // If the clock was ahead then, nothing is known to be covered.
        match last.filter(|last| last.from <= now && last.began <= now) {
            None => Self { from: now.clone(), began: now, ..Self::default() },
            Some(last) => Self { began: now, before: Some(last.began), ..last },
        }
    }

    /// Gives a pass up, as if it had not begun. None if it was the first.
    pub(super) fn give_up(mut self) -> Option<Self> {
        self.began = self.before.take()?;
        Some(self)
    }

    /// The time since which every row was looked at, once at least.
    pub(super) fn looked_at(&self) -> &str {
        self.before.as_ref().unwrap_or(&self.began)
    }

    /// Whether the pass before saw every row that this pass has seen, and not before `oldest`. If not, the covered time
    /// begins with this pass.
    pub(super) fn extend_since(&mut self, oldest: &str) -> bool {
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

    /// Remembers a referenced row whose time was not cleared.
    pub(super) fn add_uncleared(&mut self, key: String) {
        self.uncleared.insert(key);
        if self.uncleared.len() > MOST_UNCLEARED {
            self.begin_anew();
        }
    }

    /// Whether the age of a row is not trusted although it is covered.
    pub(super) fn is_uncleared(&self, key: &str) -> bool {
        self.uncleared.contains(key)
    }

    /// Forgets a row whose time was cleared, or set anew.
    pub(super) fn remove_uncleared(&mut self, key: &str) {
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

    /// Passes on these days: what is covered after the last, and whether it was extended.
    fn passes(days: &[u32], gap: u32) -> (Coverage, bool) {
        let mut covered = None;
        let mut extended = true;
        for day in days {
            let mut next = Coverage::begin(at(*day), covered.take());
            extended = next.extend_since(&at(day.saturating_sub(gap)));
            covered = Some(next);
        }
        (covered.unwrap(), extended)
    }

    #[test]
    fn what_is_covered_grows_with_passes_that_follow_each_other() {
        let (covered, extended) = passes(&[1, 3, 5, 8], 3);
        assert_eq!((covered.from.as_str(), covered.looked_at(), extended), (&*at(1), &*at(5), true));
    }

    #[test]
    fn what_is_covered_begins_anew_after_a_gap() {
        let (covered, extended) = passes(&[1, 3, 7], 3);
        assert_eq!((covered.from.as_str(), covered.looked_at(), extended), (&*at(7), &*at(7), false));
    }

    #[test]
    fn pass_that_takes_too_long_covers_nothing() {
        let (mut covered, _) = passes(&[1, 3], 3);
        assert!(covered.extend_since(&at(1)));
        assert!(!covered.extend_since(&at(2)));
        assert_eq!(covered.from, at(3));
        assert!(covered.extend_since(&at(3)));
        assert!(!covered.extend_since(&at(4)));
    }

    #[test]
    fn pass_that_was_given_up_is_as_if_it_had_not_begun() {
        let (covered, _) = passes(&[1, 3], 3);
        let before = covered.clone();
        let mut later = Coverage::begin(at(5), covered.give_up());
        assert!(!later.extend_since(&at(2)), "the third day was not looked at to the end");
        let later = Coverage::begin(at(4), before.give_up());
        assert_eq!((later.from.as_str(), later.looked_at()), (&*at(1), &*at(1)));
        assert_eq!(Coverage::begin(at(1), None).give_up(), None);
    }

    #[test]
    fn clock_that_was_ahead_covered_nothing() {
        let ahead = Coverage::begin(at(20), None);
        assert_eq!(Coverage::begin(at(2), Some(ahead)).from, at(2));
    }

    #[test]
    fn rows_that_were_not_cleared_are_doubted_until_they_are() {
        let mut covered = Coverage::begin(at(1), None);
        covered.add_uncleared("7".to_owned());
        let mut next = Coverage::begin(at(2), Some(covered));
        assert!(next.is_uncleared("7") && !next.is_uncleared("8"));
        next.remove_uncleared("7");
        assert!(!next.is_uncleared("7"));
        for key in 0..=MOST_UNCLEARED {
            next.add_uncleared(key.to_string());
        }
        assert_eq!((next.from.as_str(), next.is_uncleared("7")), (&*at(2), false));
    }
}
