//! How the last calls to a target went: what a breaker is opened by.

use std::{collections::VecDeque, time::Instant};

use sexton_core::{config::Breaker, ids::DeletionId};

/// Deletions that are remembered, however many calls a window sees.
const MOST: usize = 1000;
/// First calls by which the share of those answered "gone" is judged.
pub(crate) const FIRST_CALLS: usize = 50;

/// The last calls of one process to one target.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The last call of each deletion, and whether it failed: one that fails again and again counts once.
    calls: VecDeque<(Instant, DeletionId, bool)>,
    /// Whether each of the last first calls was answered "gone".
    first: VecDeque<bool>,
}

impl Window {
    /// Takes note of a call. Returns how many of how many calls failed if that is too much for `breaker`.
    pub(super) fn called(
        &mut self,
        breaker: &Breaker,
        id: DeletionId,
        failed: bool,
        now: Instant,
    ) -> Option<(usize, usize)> {
        self.calls.retain(|(at, of, _)| *of != id && now.saturating_duration_since(*at) < breaker.window);
        if self.calls.len() >= MOST {
            self.calls.pop_front();
        }
        self.calls.push_back((now, id, failed));
        let (failures, calls) = (self.calls.iter().filter(|call| call.2).count(), self.calls.len());
        let enough = calls >= breaker.min_calls as usize;
        (failed && enough && failures as f64 >= breaker.failure_ratio * calls as f64).then_some((failures, calls))
    }

    /// Takes note of a deletion's first call, which confirmed. Returns how many of [`FIRST_CALLS`] were answered "gone" if
    /// that is more than the share `limit`.
    pub(super) fn first_called(&mut self, limit: f64, gone: bool) -> Option<usize> {
        if self.first.len() >= FIRST_CALLS {
            self.first.pop_front();
        }
        self.first.push_back(gone);
        let count = self.first.iter().filter(|gone| **gone).count();
        (self.first.len() >= FIRST_CALLS && count as f64 > limit * FIRST_CALLS as f64).then_some(count)
    }

    /// What was before does not count any more.
    pub(super) fn clear(&mut self) {
        self.calls.clear();
        self.first.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BREAKER: Breaker = Breaker {
        failure_ratio: 0.5,
        min_calls: 4,
        window: Duration::from_secs(30),
        probe_interval: Duration::from_secs(5),
        max_probe_interval: Duration::from_secs(60),
    };

    #[test]
    fn it_takes_enough_calls_and_enough_failures() {
        let (mut window, now) = (Window::default(), Instant::now());
        let mut call = |failed| window.called(&BREAKER, DeletionId::new(), failed, now);
        assert_eq!((call(true), call(true), call(true)), (None, None, None));
        assert_eq!(call(false), None, "a success opens nothing");
        assert_eq!(call(true), Some((4, 5)));
    }

    #[test]
    fn a_deletion_that_fails_again_and_again_counts_once() {
        let (mut window, now, id) = (Window::default(), Instant::now(), DeletionId::new());
        for _ in 0..100 {
            assert_eq!(window.called(&BREAKER, id, true, now), None);
        }
        assert_eq!(window.calls.len(), 1);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let (mut window, now) = (Window::default(), Instant::now());
        for _ in 0..3 {
            window.called(&BREAKER, DeletionId::new(), true, now);
        }
        assert_eq!(window.called(&BREAKER, DeletionId::new(), true, now + BREAKER.window), None);
        assert_eq!(window.calls.len(), 1);
    }

    #[test]
    fn too_many_first_calls_that_find_nothing_are_noticed() {
        let mut window = Window::default();
        for _ in 0..FIRST_CALLS / 2 {
            assert_eq!(window.first_called(0.5, true), None);
        }
        for _ in 0..FIRST_CALLS / 2 {
            assert_eq!(window.first_called(0.5, false), None, "half is not more than half");
        }
        window.clear();
        let noticed = (0..FIRST_CALLS).filter_map(|_| window.first_called(0.5, true)).collect::<Vec<_>>();
        assert_eq!(noticed, [FIRST_CALLS]);
        window.clear();
        assert!((0..200).all(|_| window.first_called(1.0, true).is_none()), "1 never opens");
    }
}
