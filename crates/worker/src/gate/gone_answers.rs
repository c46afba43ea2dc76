//! Answers "gone" that nobody expected, and whether they can be believed.
//!
//! A target that has nothing to delete says "gone", and so does a gateway whose backends are away, for every row. One such
//! answer tells nothing. The answers around it do: as long as the target also deletes, it knows its objects.
//!
//! - A few, with none before or after, are believed once a window has passed.
//! - In a run of them, or next to one, none is believed. When the target deletes again, each is asked once more.
//! - A run that ends in silence is asked once more after some windows, and is believed then.
//! - A run that goes on opens the breaker ([`super::recent_calls`]).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// An answer is judged by those in this time before and after it. Targets that get few calls have longer windows.
pub(crate) const WINDOW: Duration = Duration::from_secs(3);
/// After so many windows of silence the target is asked once more: a gateway restarts in less.
const PAUSE: u32 = 5;
/// For so many windows answers are remembered.
const MEMORY: u32 = 20;
/// So many are no run.
const FEW: usize = 3;
/// Answers within this time are counted together.
const SLICE: Duration = Duration::from_millis(50);

/// What one process remembers of the answers of one target.
#[derive(Debug)]
pub(super) struct GoneAnswers {
    slices: VecDeque<Slice>,
    window: Duration,
    /// Of what was answered before, it knows nothing.
    since: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Slice {
    at: Instant,
    count: Count,
}

/// Answers of some time.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// "Gone" that nobody expected.
    gone: usize,
    /// The target deleted.
    deleted: usize,
}

/// What all processes hold in a lane, as the ledger had it lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeldNow {
    pub(super) count: usize,
    /// When the last answer of them came.
    pub(super) newest: Option<Instant>,
}

/// What becomes of an answer "gone" that is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Believe,
    /// The target is asked once more; whether it is believed then, if it still says so.
    AskAgain {
        believe: bool,
    },
    /// It cannot be said before this time has passed.
    Wait(Duration),
}

impl GoneAnswers {
    /// For a target that gets one call an `interval` at most.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        // A window must have room for a run.
        let window = WINDOW.max(interval * 2 * FEW as u32);
        Self { slices: VecDeque::new(), window, since: now }
    }

    /// Takes note of an answer: the target deleted, or said "gone" unexpectedly.
    pub(super) fn note(&mut self, was_gone: bool, now: Instant) {
        while self.slices.front().is_some_and(|slice| now.saturating_duration_since(slice.at) > self.window * MEMORY) {
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|slice| now.saturating_duration_since(slice.at) >= SLICE) {
            self.slices.push_back(Slice { at: now, count: Count::default() });
        }
        if let Some(Slice { count, .. }) = self.slices.back_mut() {
            *(if was_gone { &mut count.gone } else { &mut count.deleted }) += 1;
        }
    }

    /// Whether there is a run of "gone" just now; `limit` is the share up to which it is none.
    pub(super) fn is_run(&self, limit: f64, now: Instant) -> bool {
        self.between(self.before(now), now).is_run(limit, HeldNow::default())
    }

    /// Judges an answer that came at `at`.
    pub(super) fn judge(&self, at: Instant, limit: f64, held: HeldNow, now: Instant) -> Judgement {
        // This process did not see what came before and after it.
        if at < self.since || now.saturating_duration_since(at) > self.window * (MEMORY - 1) {
            return Judgement::AskAgain { believe: false };
        }
        if let Some(wait) = (at + self.window).checked_duration_since(now).filter(|wait| !wait.is_zero()) {
            return Judgement::Wait(wait);
        }
        let around = [self.between(self.before(at), at), self.between(at, at + self.window)];
        if !around.iter().any(|count| count.is_run(limit, held)) {
            return Judgement::Believe;
        }
        let lately = self.between(self.before(now), now);
        let goes_on_here = lately.is_run(limit, HeldNow::default());
        if lately.deleted > 0 && !goes_on_here {
            return Judgement::AskAgain { believe: false };
        }
        let goes_on_elsewhere = held.newest.is_some_and(|newest| newest > self.before(now)) && held.count > FEW;
        if goes_on_here || goes_on_elsewhere || now < at + self.window * PAUSE {
            return Judgement::Wait(self.window);
        }
        Judgement::AskAgain { believe: true }
    }

    /// Forgets everything: what was answered before means nothing any more.
    pub(super) fn clear(&mut self, now: Instant) {
        self.slices.clear();
        self.since = now;
    }

    fn before(&self, at: Instant) -> Instant {
        at.checked_sub(self.window).unwrap_or(at)
    }

    fn between(&self, from: Instant, to: Instant) -> Count {
        let within = self.slices.iter().filter(|slice| slice.at >= from && slice.at <= to);
        within.fold(Count::default(), |all, slice| Count {
            gone: all.gone + slice.count.gone,
            deleted: all.deleted + slice.count.deleted,
        })
    }
}

impl Count {
    /// Whether these are more than a few, and more than the share `limit`. Other processes may have had the rest of them.
    fn is_run(self, limit: f64, held: HeldNow) -> bool {
        let Self { gone, deleted } = self;
        let share_is_exceeded = deleted == 0 || gone as f64 > limit * (gone + deleted) as f64;
        gone.max(held.count) > FEW && share_is_exceeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Answers every 100 ms from a start: `g` for gone, `d` for deleted, a dot for none.
    fn answers(pattern: &str) -> (GoneAnswers, Instant) {
        let start = Instant::now();
        let mut answers = GoneAnswers::new(Duration::ZERO, start);
        for (n, answer) in pattern.chars().enumerate().filter(|(_, answer)| *answer != '.') {
            answers.note(answer == 'g', tick(start, n));
        }
        (answers, start)
    }

    fn tick(start: Instant, n: usize) -> Instant {
        start + 100 * MS * u32::try_from(n).unwrap()
    }

    /// The judgement about the answer number `at`, made when `now` ticks have passed.
    fn judge(pattern: &str, at: usize, now: usize) -> Judgement {
        let (answers, start) = answers(pattern);
        answers.judge(tick(start, at), 0.5, HeldNow::default(), tick(start, now))
    }

    const AGAIN: Judgement = Judgement::AskAgain { believe: false };

    #[test]
    fn single_answer_is_believed_after_a_while() {
        assert_eq!(judge("g", 0, 10), Judgement::Wait(2000 * MS));
        assert_eq!(judge("g", 0, 30), Judgement::Believe);
        assert_eq!(judge("dddddgddddd", 5, 35), Judgement::Believe);
    }

    #[test]
    fn share_below_the_limit_is_believed() {
        let mixed = "dgddg".repeat(20);
        for at in [1, 31, 64] {
            assert_eq!(judge(&mixed, at, at + 30), Judgement::Believe, "{at}");
        }
    }

    #[test]
    fn run_is_never_believed_at_either_end() {
        let (good, gone) = ("d".repeat(50), "g".repeat(60));
        let outage = format!("{good}{gone}{good}");
        for at in [50, 51, 80, 108, 109] {
            let judged: Vec<_> = (at + 30..at + 200).step_by(10).map(|now| judge(&outage, at, now)).collect();
            assert!(!judged.contains(&Judgement::Believe), "{at}: {judged:?}");
            assert!(judged.contains(&AGAIN), "{at}: {judged:?}");
        }
        assert_eq!(judge(&outage, 50, 85), Judgement::Wait(WINDOW), "while it goes on");
    }

    #[test]
    fn run_that_ends_in_silence_is_asked_once_more_and_believed_then() {
        let run = "g".repeat(10);
        assert_eq!(judge(&run, 5, 100), Judgement::Wait(WINDOW));
        assert_eq!(judge(&run, 5, 160), Judgement::AskAgain { believe: true });
    }

    #[test]
    fn run_that_other_processes_had_is_one() {
        let (answers, start) = answers("g");
        let held = HeldNow { count: 12, newest: Some(start) };
        assert_eq!(answers.judge(start, 0.5, held, tick(start, 40)), Judgement::Wait(WINDOW));
    }

    #[test]
    fn what_came_before_this_process_began_is_asked_once_more() {
        let (mut answers, start) = answers("g");
        assert_eq!(judge("g", 0, 10_000), AGAIN, "too long ago");
        answers.clear(start + MS);
        assert_eq!(answers.judge(start, 0.5, HeldNow::default(), tick(start, 40)), AGAIN);
    }
}
