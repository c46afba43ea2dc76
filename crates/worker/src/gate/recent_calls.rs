//! How the last calls to a target went: what opens a breaker.

use std::{collections::VecDeque, time::Instant};

use sexton_core::{config::Breaker, ids::DeletionId};

use super::gone_answers::GoneEvidence;

/// Deletions that are remembered, however many calls come within the breaker's window.
const MOST: usize = 1000;
/// This number of deletions must be refused before it can be said that all are.
const FEW_REFUSALS: usize = 3;
/// Answers by which the share of those that say "gone" is judged.
pub(super) const JUDGED: usize = 50;

/// The last calls of one process to one target.
#[derive(Debug, Default)]
pub(super) struct RecentCalls {
    /// The last call of each deletion: one that fails several times counts once.
    calls: VecDeque<RecentCall>,
    /// The last refusal of each deletion that was refused.
    refused: VecDeque<RefusedCall>,
    /// When a call was last answered otherwise than by a refusal or a failure.
    answered_at: Option<Instant>,
    /// Whether each of the last answers said "gone" unexpectedly; the others said that the target deleted.
    was_gone: VecDeque<bool>,
}

#[derive(Debug)]
struct RecentCall {
    at: Instant,
    id: DeletionId,
    failed: bool,
}

#[derive(Debug)]
struct RefusedCall {
    at: Instant,
    id: DeletionId,
    /// Whether others were answered between two refusals.
    is_alone: bool,
}

/// What a call that was refused means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalMeaning {
    /// It was refused before, and others were answered since with the same credentials: it is about this deletion.
    OfOne,
    /// Too little is known.
    Unclear,
    /// This number of different deletions were refused, and none was answered meanwhile.
    OfAll(usize),
}

/// Too many recent calls failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyFailures {
    pub(super) failures: usize,
    /// All recent calls.
    pub(super) calls: usize,
}

impl RecentCalls {
    /// Takes note of a call that worked.
    pub(super) fn note_success(&mut self, breaker: &Breaker, id: DeletionId, now: Instant) {
        self.note_answered(now);
        self.note_call(breaker, RecentCall { at: now, id, failed: false });
    }

    /// Takes note of a call that failed, and says whether there are too many of them for `breaker`.
    pub(super) fn note_failure(&mut self, breaker: &Breaker, id: DeletionId, now: Instant) -> Option<TooManyFailures> {
        self.note_call(breaker, RecentCall { at: now, id, failed: true });
        let (failures, calls) = (self.calls.iter().filter(|call| call.failed).count(), self.calls.len());
        let enough = calls >= breaker.min_calls as usize;
        (enough && failures as f64 >= breaker.failure_ratio * calls as f64)
            .then_some(TooManyFailures { failures, calls })
    }

    /// Takes note that a call was answered, by this process or another.
    pub(super) fn note_answered(&mut self, now: Instant) {
        self.answered_at = Some(now);
    }

    /// Takes note of a call that was refused for its credentials.
    pub(super) fn note_refusal(&mut self, breaker: &Breaker, id: DeletionId, now: Instant) -> RefusalMeaning {
        let before = self.refused.iter().position(|call| call.id == id).and_then(|n| self.refused.remove(n));
        let answered_since = |at: Instant| self.answered_at.is_some_and(|answered| answered > at);
        let is_alone = before.is_some_and(|before| before.is_alone || answered_since(before.at));
        if self.refused.len() >= MOST {
            self.refused.pop_front();
        }
        self.refused.push_back(RefusedCall { at: now, id, is_alone });
        if is_alone {
            return RefusalMeaning::OfOne;
        }
        let is_answering = self.answered_at.is_some_and(|at| now.saturating_duration_since(at) < breaker.window);
        let many = if is_answering { (breaker.min_calls as usize).max(FEW_REFUSALS) } else { FEW_REFUSALS };
        let refused = self.refused.iter().filter(|call| !call.is_alone && !answered_since(call.at)).count();
        if refused >= many { RefusalMeaning::OfAll(refused) } else { RefusalMeaning::Unclear }
    }

    fn note_call(&mut self, breaker: &Breaker, call: RecentCall) {
        let is_recent = |at: Instant| call.at.saturating_duration_since(at) < breaker.window;
        self.calls.retain(|known| known.id != call.id && is_recent(known.at));
        if self.calls.len() >= MOST {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Takes note of an answer that confirms, unless it is a "gone" that was expected. Returns how many of [`JUDGED`]
    /// said "gone" if that is more than the share `limit`.
    pub(super) fn note_confirmation(&mut self, limit: f64, evidence: GoneEvidence) -> Option<usize> {
        let was_gone = evidence == GoneEvidence::Gone;
        if self.was_gone.len() >= JUDGED {
            self.was_gone.pop_front();
        }
        self.was_gone.push_back(was_gone);
        let count = self.was_gone.iter().filter(|gone| **gone).count();
        (was_gone && self.was_gone.len() >= JUDGED && count as f64 > limit * JUDGED as f64).then_some(count)
    }

    /// Forgets all calls: the breaker was closed. Only whose call was refused is remembered.
    pub(super) fn clear(&mut self) {
        self.calls.clear();
        self.answered_at = None;
        self.was_gone.clear();
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
        let (mut recent, now) = (RecentCalls::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(recent.note_failure(&BREAKER, DeletionId::new(), now), None);
        }
        recent.note_success(&BREAKER, DeletionId::new(), now);
        let fourth = recent.note_failure(&BREAKER, DeletionId::new(), now);
        assert_eq!(fourth, Some(TooManyFailures { failures: 4, calls: 5 }));
    }

    #[test]
    fn a_deletion_that_fails_many_times_counts_once() {
        let (mut recent, now, id) = (RecentCalls::default(), Instant::now(), DeletionId::new());
        for _ in 0..100 {
            assert_eq!(recent.note_failure(&BREAKER, id, now), None);
        }
        assert_eq!(recent.calls.len(), 1);
    }

    #[test]
    fn refusals_are_about_all_only_if_nothing_else_is_answered() {
        let (mut recent, mut now) = (RecentCalls::default(), Instant::now());
        let one = DeletionId::new();
        let mut tick = || {
            now += Duration::from_millis(1);
            now
        };
        assert_eq!(recent.note_refusal(&BREAKER, one, tick()), RefusalMeaning::Unclear);
        assert_eq!(recent.note_refusal(&BREAKER, one, tick()), RefusalMeaning::Unclear, "the same once more");
        assert_eq!(recent.note_refusal(&BREAKER, DeletionId::new(), tick()), RefusalMeaning::Unclear);
        assert_eq!(recent.note_refusal(&BREAKER, DeletionId::new(), tick()), RefusalMeaning::OfAll(3));
        recent.note_success(&BREAKER, DeletionId::new(), tick());
        assert_eq!(
            recent.note_refusal(&BREAKER, one, tick()),
            RefusalMeaning::OfOne,
            "answered since it was refused before"
        );
        for _ in 0..3 {
            assert_eq!(recent.note_refusal(&BREAKER, DeletionId::new(), tick()), RefusalMeaning::Unclear);
        }
        assert_eq!(recent.note_refusal(&BREAKER, one, tick()), RefusalMeaning::OfOne);
        assert_eq!(
            recent.note_refusal(&BREAKER, DeletionId::new(), tick()),
            RefusalMeaning::OfAll(4),
            "as many as min_calls"
        );
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let (mut recent, now) = (RecentCalls::default(), Instant::now());
        for _ in 0..3 {
            recent.note_failure(&BREAKER, DeletionId::new(), now);
        }
        assert_eq!(recent.note_failure(&BREAKER, DeletionId::new(), now + BREAKER.window), None);
        assert_eq!(recent.calls.len(), 1);
    }

    #[test]
    fn too_many_answers_that_find_nothing_are_noticed() {
        let mut recent = RecentCalls::default();
        for _ in 0..JUDGED / 2 {
            assert_eq!(recent.note_confirmation(0.5, GoneEvidence::Gone), None);
        }
        for _ in 0..JUDGED / 2 {
            assert_eq!(recent.note_confirmation(0.5, GoneEvidence::Deleted), None, "half is not more than half");
        }
        recent.clear();
        let noticed = (0..JUDGED).filter_map(|_| recent.note_confirmation(0.5, GoneEvidence::Gone)).collect::<Vec<_>>();
        assert_eq!(noticed, [JUDGED]);
        recent.clear();
        assert!((0..200).all(|_| recent.note_confirmation(1.0, GoneEvidence::Gone).is_none()), "1 never opens");
    }
}
