//! Answers "gone", and whether they can be believed.
//!
//! A target that has nothing to delete says "gone", and so does a gateway whose backends are away, for every row. One such
//! answer tells nothing. The answers around it do: as long as the target also deletes, it knows its objects.
//!
//! - A process judges what was answered to itself; else it asks once more, a few times at most.
//! - A few, with none before or after, are believed once a window has passed.
//! - More, but no run: each is asked once more before it is believed.
//! - In a run none is believed. When the target deletes again, each is asked once more; before that, after growing pauses.
//! - A run without end opens the breaker, here or in [`super::recent_calls`].

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use sexton_core::ids::DeletionId;

/// An answer is judged by those in this time before and after it. Targets that get few calls have longer windows.
pub(crate) const WINDOW: Duration = Duration::from_secs(3);
/// In a run the target is asked once more after so many windows, then after twice as many, and so on.
const PAUSE: u32 = 5;
/// A run in which a deletion was asked so often again is one for an operator: after almost eight minutes.
const MOST_ASKED_IN_RUN: u32 = 4;
/// So often a deletion is asked again because its answer came to another process, or too long ago.
const MOST_ASKED_UNSEEN: u32 = 4;
/// For so many windows answers are remembered.
const MEMORY: u32 = 20;
/// So many are no run.
const FEW: usize = 3;
/// Before more repeated answers are remembered, old ones are forgotten.
const MOST_REPEATED: usize = 10_000;
/// Answers within this time are counted together.
const SLICE: Duration = Duration::from_millis(50);

/// What one process remembers of the answers of one target.
#[derive(Debug)]
pub(super) struct GoneAnswers {
    slices: VecDeque<Slice>,
    /// The deletions for which the target said "gone" unexpectedly since it deleted last, at most [`FEW`] and one more.
    since_deleted: VecDeque<DeletionId>,
    last_deleted: Option<Instant>,
    /// The last time between two deletions of the target, if it said "gone" for more than [`FEW`] within it.
    slow_run: Option<(Instant, Instant)>,
    /// When "gone" was said once more.
    repeated: HashMap<DeletionId, Instant>,
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
    /// "Gone" after a call whose answer was lost.
    lost: usize,
    /// The target deleted.
    deleted: usize,
}

/// What a target answered, as far as it tells whether its "gone" can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It deleted.
    Deleted,
    /// "Gone", and nobody expected that.
    Gone,
    /// "Gone", after a call whose answer was lost: it may have acted, or not.
    GoneAfterLoss,
    /// "Gone", and that is known to be so.
    Known,
    /// "Gone" once more, for a deletion whose first answer was counted and was in no run.
    Repeated,
}

/// A doubted "gone" that is to be judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubted {
    pub(crate) id: DeletionId,
    /// How long ago it came.
    pub(crate) age: Duration,
    /// Whether it came to this process.
    pub(crate) is_ours: bool,
    /// How often the target was asked again before.
    pub(crate) asked: u32,
    /// Whether it was found to be part of a run.
    pub(crate) in_run: bool,
}

/// What all processes hold in a lane, as the ledger had it lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeldNow {
    /// The most within the last windows: what is let go is still part of a run.
    pub(super) most: usize,
    /// When it was the most.
    pub(super) most_at: Option<Instant>,
    /// When the last answer of them came.
    pub(super) newest: Option<Instant>,
}

impl HeldNow {
    /// Takes over what was read at `now`.
    pub(super) fn note(&mut self, count: usize, newest: Option<Instant>, now: Instant) {
        let is_old = self.most_at.is_none_or(|at| now.saturating_duration_since(at) > WINDOW * PAUSE);
        if is_old || count >= self.most {
            (self.most, self.most_at) = (count, Some(now));
        }
        self.newest = newest;
    }
}

/// What becomes of an answer "gone" that is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Believe,
    /// The target is asked once more.
    AskAgain {
        /// Whether the next answer is still part of the run.
        in_run: bool,
    },
    /// It cannot be said before this time has passed.
    Wait {
        time: Duration,
        in_run: bool,
    },
    /// The run does not end: an operator has to look.
    OpenBreaker,
}

impl GoneAnswers {
    /// For a target that gets one call an `interval` at most.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        // A window must have room for a run.
        let window = WINDOW.max(interval * 2 * FEW as u32);
        let (slices, since_deleted) = (VecDeque::new(), VecDeque::new());
        Self { slices, since_deleted, last_deleted: None, slow_run: None, repeated: HashMap::new(), window, since: now }
    }

    /// Takes note of what was answered for the deletion `id`.
    pub(super) fn note(&mut self, told: Told, id: DeletionId, now: Instant) {
        while self.slices.front().is_some_and(|slice| now.saturating_duration_since(slice.at) > self.window * MEMORY) {
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|slice| now.saturating_duration_since(slice.at) >= SLICE) {
            self.slices.push_back(Slice { at: now, count: Count::default() });
        }
        let Some(Slice { count, .. }) = self.slices.back_mut() else { return };
        match told {
            Told::Deleted => {
                count.deleted += 1;
                if self.since_deleted.len() > FEW {
                    self.slow_run = Some((self.last_deleted.unwrap_or(self.since), now));
                }
                self.last_deleted = Some(now);
                self.since_deleted.clear();
            }
            Told::Gone => {
                count.gone += 1;
                if self.since_deleted.len() <= FEW && !self.since_deleted.contains(&id) {
                    self.since_deleted.push_back(id);
                }
            }
            Told::GoneAfterLoss => count.lost += 1,
            Told::Known => {}
            Told::Repeated => {
                if self.repeated.len() >= MOST_REPEATED {
                    let memory = self.window * MEMORY;
                    self.repeated.retain(|_, at| now.saturating_duration_since(*at) < memory);
                }
                self.repeated.insert(id, now);
            }
        }
    }

    /// Whether there is a run of "gone" just now; `limit` is the share up to which it is none.
    pub(super) fn is_run(&self, limit: f64, now: Instant) -> bool {
        self.between(self.before(now), now).is_run(limit, 0)
    }

    /// Whether the target deleted within the last window.
    pub(super) fn deletes(&self, now: Instant) -> bool {
        self.between(self.before(now), now).deleted > 0
    }

    /// Whether it knows what was answered around an answer that came at `at`, if that came to this process.
    pub(super) fn remembers(&self, at: Instant, now: Instant) -> bool {
        at >= self.since && now.saturating_duration_since(at) <= self.window * (MEMORY - 1)
    }

    /// Judges an answer that came at `at`.
    pub(super) fn judge(&self, at: Instant, answer: Doubted, limit: f64, held: HeldNow, now: Instant) -> Judgement {
        if answer.in_run {
            return self.judge_in_run(at, answer, limit, held, now);
        }
        // This process did not see what came before and after it.
        if !answer.is_ours || !self.remembers(at, now) {
            if answer.asked < MOST_ASKED_UNSEEN {
                return Judgement::AskAgain { in_run: false };
            }
            let lately = self.between(self.before(now), now);
            if lately.is_run(limit, held.most) || (self.since_deleted.len() > FEW && lately.deleted == 0) {
                return self.judge_in_run(at, answer, limit, held, now);
            }
            return Judgement::Believe;
        }
        if let Some(time) = (at + self.window).checked_duration_since(now).filter(|time| !time.is_zero()) {
            return Judgement::Wait { time, in_run: false };
        }
        let around = [self.between(self.before(at), at), self.between(at, at + self.window)];
        // What was held and said before this one was judged with its first answer.
        let is_run = match self.repeated.contains_key(&answer.id) {
            true => around[1].is_run(limit, 0),
            false => around.iter().any(|count| count.is_run(limit, held.most)),
        };
        if is_run || (around[0].deleted == 0 && self.is_in_slow_run(at)) {
            return self.judge_in_run(at, answer, limit, held, now);
        }
        // A part of the backends may be away.
        if answer.asked == 0 && around.iter().any(|count| count.gone > FEW) {
            return Judgement::AskAgain { in_run: false };
        }
        Judgement::Believe
    }

    /// Judges an answer in a run: without one that the target deletes it is never believed.
    fn judge_in_run(&self, at: Instant, answer: Doubted, limit: f64, held: HeldNow, now: Instant) -> Judgement {
        let goes_on_here = self.is_run(limit, now);
        if !goes_on_here && self.last_deleted.is_some_and(|deleted| deleted >= at) {
            return Judgement::AskAgain { in_run: false };
        }
        let doublings = answer.asked.min(MOST_ASKED_IN_RUN);
        let pause = self.window * PAUSE * 2_u32.pow(doublings);
        let goes_on_elsewhere = held.newest.is_some_and(|newest| newest > self.before(now) && newest > at);
        if now < at + pause || (goes_on_here || goes_on_elsewhere && held.most > FEW) && answer.asked == 0 {
            return Judgement::Wait { time: self.window, in_run: true };
        }
        if answer.asked >= MOST_ASKED_IN_RUN {
            return Judgement::OpenBreaker;
        }
        Judgement::AskAgain { in_run: true }
    }

    /// Whether the target deleted nothing for a while around `at`, however long, and said "gone" for more than a few.
    fn is_in_slow_run(&self, at: Instant) -> bool {
        let goes_on = self.since_deleted.len() > FEW && self.last_deleted.is_none_or(|deleted| deleted <= at);
        goes_on || self.slow_run.is_some_and(|(from, to)| (from..=to).contains(&at))
    }

    /// Forgets everything: what was answered before means nothing any more.
    pub(super) fn clear(&mut self, now: Instant) {
        self.slices.clear();
        self.since_deleted.clear();
        self.repeated.clear();
        (self.last_deleted, self.slow_run) = (None, None);
        self.since = now;
    }

    fn before(&self, at: Instant) -> Instant {
        at.checked_sub(self.window).unwrap_or(at)
    }

    fn between(&self, from: Instant, to: Instant) -> Count {
        let within = self.slices.iter().filter(|slice| slice.at >= from && slice.at <= to);
        within.fold(Count::default(), |all, slice| Count {
            gone: all.gone + slice.count.gone,
            lost: all.lost + slice.count.lost,
            deleted: all.deleted + slice.count.deleted,
        })
    }
}

impl Count {
    /// Whether these are more than a few, and more than the share `limit`. Other processes may have had the rest of the
    /// `held`. After lost answers any share is none as long as the target deletes.
    fn is_run(self, limit: f64, held: usize) -> bool {
        let Self { gone, lost, deleted } = self;
        let share_is_exceeded = deleted == 0 || gone as f64 > limit * (gone + deleted) as f64;
        (gone.max(held) > FEW && share_is_exceeded) || (gone + lost > FEW && deleted == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Answers every 100 ms from a start: `g` for gone, `l` for gone after a loss, `d` for deleted, a dot for none.
    fn answers(pattern: &str) -> (GoneAnswers, Instant) {
        let start = Instant::now();
        let mut answers = GoneAnswers::new(Duration::ZERO, start);
        for (n, answer) in pattern.chars().enumerate().filter(|(_, answer)| *answer != '.') {
            let told = match answer {
                'g' => Told::Gone,
                'l' => Told::GoneAfterLoss,
                _ => Told::Deleted,
            };
            answers.note(told, DeletionId::new(), tick(start, n));
        }
        (answers, start)
    }

    fn tick(start: Instant, n: usize) -> Instant {
        start + 100 * MS * u32::try_from(n).unwrap()
    }

    fn first() -> Doubted {
        Doubted { id: DeletionId::new(), age: Duration::ZERO, is_ours: true, asked: 0, in_run: false }
    }

    fn judge_as(doubted: Doubted, pattern: &str, at: usize, now: usize) -> Judgement {
        let (answers, start) = answers(pattern);
        answers.judge(tick(start, at), doubted, 0.5, HeldNow::default(), tick(start, now))
    }

    /// The judgement about the answer number `at`, made when `now` ticks have passed.
    fn judge(pattern: &str, at: usize, now: usize) -> Judgement {
        judge_as(first(), pattern, at, now)
    }

    const AGAIN: Judgement = Judgement::AskAgain { in_run: false };
    const IN_RUN: Judgement = Judgement::Wait { time: WINDOW, in_run: true };

    #[test]
    fn single_answer_is_believed_after_a_while() {
        assert_eq!(judge("g", 0, 10), Judgement::Wait { time: 2000 * MS, in_run: false });
        assert_eq!(judge("g", 0, 30), Judgement::Believe);
        assert_eq!(judge("l", 0, 30), Judgement::Believe);
        assert_eq!(judge("dddddgddddd", 5, 35), Judgement::Believe);
    }

    #[test]
    fn many_below_the_limit_are_asked_once_more_and_believed_then() {
        let mixed = "dgddg".repeat(20);
        for at in [1, 31, 64] {
            assert_eq!(judge(&mixed, at, at + 30), AGAIN, "{at}");
            assert_eq!(judge_as(Doubted { asked: 1, ..first() }, &mixed, at, at + 30), Judgement::Believe, "{at}");
        }
    }

    #[test]
    fn second_answers_alone_are_no_run() {
        let (mut answers, start) = answers(&"dgddg".repeat(4));
        let ids: Vec<_> = (0..8).map(|_| DeletionId::new()).collect();
        ids.iter().for_each(|id| answers.note(Told::Repeated, *id, tick(start, 49)));
        let mut held = HeldNow::default();
        held.note(8, Some(start), start);
        let doubted = Doubted { id: ids[3], asked: 1, ..first() };
        let judged = answers.judge(tick(start, 49), doubted, 0.5, held, tick(start, 80));
        assert_eq!(judged, Judgement::Believe);
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
        assert_eq!(judge(&outage, 50, 85), IN_RUN, "while it goes on");
    }

    #[test]
    fn run_that_ends_in_silence_is_asked_with_growing_pauses_until_an_operator_must_look() {
        let run = "g".repeat(10);
        assert_eq!(judge(&run, 5, 100), IN_RUN);
        for (asked, pause) in [(0, 150), (1, 300), (2, 600), (3, 1200), (4, 2400)] {
            let doubted = Doubted { asked, in_run: true, ..first() };
            assert_eq!(judge_as(doubted, &run, 5, 5 + pause - 1), IN_RUN, "{asked}");
            let after = judge_as(doubted, &run, 5, 5 + pause);
            let expected = if asked < 4 { Judgement::AskAgain { in_run: true } } else { Judgement::OpenBreaker };
            assert_eq!(after, expected, "{asked}");
        }
    }

    #[test]
    fn answers_after_a_loss_are_a_run_if_the_target_deletes_nothing() {
        assert_eq!(judge("llllllll", 4, 40), IN_RUN);
        assert_eq!(judge("lllldlll", 4, 40), Judgement::Believe);
    }

    #[test]
    fn slow_answers_are_a_run_if_the_target_deletes_nothing_between() {
        let slow = format!("d{}", "..............................g".repeat(5));
        assert_eq!(judge(&slow, 155, 190), IN_RUN);
        let slow = format!("{slow}..............................d");
        assert_eq!(judge(&slow, 155, 190), AGAIN);
    }

    #[test]
    fn one_deletion_that_is_asked_often_is_no_run() {
        let (mut answers, id) = (GoneAnswers::new(Duration::ZERO, Instant::now()), DeletionId::new());
        let start = Instant::now();
        (0..6).for_each(|n| answers.note(Told::Gone, id, tick(start, n * 40)));
        let judged = answers.judge(tick(start, 200), first(), 0.5, HeldNow::default(), tick(start, 231));
        assert_eq!(judged, Judgement::Believe);
    }

    #[test]
    fn run_that_other_processes_had_is_one_also_when_its_tail_is_left() {
        let (answers, start) = answers("g");
        let mut held = HeldNow::default();
        held.note(12, Some(start), start);
        held.note(1, Some(start), tick(start, 39));
        assert_eq!(answers.judge(start, first(), 0.5, held, tick(start, 40)), IN_RUN);
        held.note(1, None, tick(start, 200));
        assert_eq!(held.most, 1);
    }

    #[test]
    fn what_this_process_did_not_see_is_asked_a_few_times() {
        let (mut answers, start) = answers("g");
        assert_eq!(judge("g", 0, 10_000), AGAIN, "too long ago");
        let good = "d".repeat(60);
        let foreign = Doubted { is_ours: false, ..first() };
        assert_eq!(judge_as(foreign, &good, 20, 60), AGAIN, "its own good answers say nothing about another process");
        assert_eq!(judge_as(Doubted { asked: 4, ..foreign }, &good, 20, 60), Judgement::Believe);
        let run = "g".repeat(60);
        assert_eq!(judge_as(Doubted { asked: 4, ..foreign }, &run, 20, 60), IN_RUN);
        answers.clear(start + MS);
        assert_eq!(answers.judge(start, first(), 0.5, HeldNow::default(), tick(start, 40)), AGAIN);
    }
}
