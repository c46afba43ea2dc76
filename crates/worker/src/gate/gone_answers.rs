//! Answers "gone", and whether they can be believed.
//!
//! A target that has nothing to delete says "gone", and so does a gateway whose backends are away, for every row. One
//! such answer tells nothing. The answers around it do: as long as the target also deletes, it knows its objects.
//!
//! - Only the process to which it was said judges a "gone". If that one does not come to it, the target is asked once
//!   more.
//! - A few, or no more than the configured share, are believed once a window has passed.
//! - In a run none is believed. When the target deletes again, each is asked once more; before that, after growing
//!   pauses.
//! - A run without end opens the breaker, here or in [`super::recent_calls`].

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use sexton_core::ids::DeletionId;

use super::answers::{Answers, Count, FEW, LEAST_REMEMBERED, SURPRISE};

/// An answer is judged by those in this time before and after it. Targets that get few calls have longer windows.
pub(crate) const WINDOW: Duration = Duration::from_secs(3);
/// In a run the target is asked once more after this number of windows, then after twice as many, and so on.
const PAUSE: u32 = 5;
/// After asking for a deletion this often in a run, an operator has to look: after almost eight minutes.
const MOST_ASKED_IN_RUN: u32 = 4;
/// How often a deletion is asked again because its answer came to another process, or too long ago.
const MOST_ASKED_UNSEEN: u32 = 4;
/// A process that has not come to an answer after this number of windows has vanished.
const ABSENT: u32 = 4;
/// For this number of windows answers are remembered.
const MEMORY: u32 = 20;
/// An answer that came this much earlier is another one: a later one came to another process. The database's clock
/// tells.
const SAME: Duration = Duration::from_secs(2);

/// What one process remembers of the answers of one target.
#[derive(Debug)]
pub(super) struct GoneAnswers {
    /// The target deleted.
    deleted: Answers,
    /// It said "gone", which was unexpected.
    gone: Answers,
    /// It said "gone" after a call whose answer was lost.
    lost: Answers,
    /// It said "gone", and that is known to be so.
    known: Answers,
    /// When it said "gone" last for which deletion.
    gone_at: HashMap<DeletionId, Instant>,
    window: Duration,
    /// What was answered before means nothing any more.
    cleared: Option<Instant>,
}

/// What a target answered, as far as it tells whether its "gone" can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GoneEvidence {
    /// It deleted.
    Deleted,
    /// "Gone", which was unexpected.
    Gone,
    /// "Gone", after a call whose answer was lost: it may have acted, or not.
    GoneAfterLoss,
    /// "Gone", and that is known to be so.
    Known,
}

/// A doubted "gone" that is to be judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubted {
    pub(crate) id: DeletionId,
    /// How long ago it came, to this process or to another one.
    pub(crate) age: Duration,
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
    pub(super) fn note_held(&mut self, count: usize, newest: Option<Instant>, now: Instant) {
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
    /// Another process has to judge it, which it came to.
    Elsewhere,
    /// It cannot be said before this time has passed.
    Wait {
        time: Duration,
        in_run: bool,
    },
    /// The run does not end: an operator has to look.
    OpenBreaker,
}

/// What a judgement is made of.
#[derive(Clone, Copy)]
struct Doubt {
    answer: Doubted,
    /// The share of answers "gone" that is usual.
    limit: f64,
    held: HeldNow,
    now: Instant,
}

impl GoneAnswers {
    /// For a target that gets one call an `interval` at most.
    pub(super) fn new(interval: Duration) -> Self {
        // A window must have room for a run.
        let window = WINDOW.max(interval * 2 * FEW as u32);
        let [deleted, gone, lost, known] = std::array::from_fn(|_| Answers::default());
        Self { deleted, gone, lost, known, gone_at: HashMap::new(), window, cleared: None }
    }

    /// Takes note of what was answered for the deletion `id`. False if the same was answered before.
    pub(super) fn note_answer(&mut self, evidence: GoneEvidence, id: DeletionId, now: Instant) -> bool {
        let kinds = [&self.deleted, &self.gone, &self.lost, &self.known];
        let last = kinds.iter().filter_map(|answers| answers.0.back()).map(|(at, _)| *at).max();
        // Answers that came at once may get here in another order.
        let now = last.map_or(now, |last| now.max(last));
        let memory = self.window * MEMORY;
        for answers in [&mut self.gone, &mut self.lost, &mut self.known] {
            for (at, id) in answers.forget(memory, now) {
                if self.gone_at.get(&id) == Some(&at) {
                    self.gone_at.remove(&id);
                }
            }
        }
        self.deleted.forget(memory, now).for_each(drop);
        let answers = match evidence {
            GoneEvidence::Deleted => &mut self.deleted,
            GoneEvidence::Gone => &mut self.gone,
            GoneEvidence::GoneAfterLoss => &mut self.lost,
            GoneEvidence::Known => &mut self.known,
        };
        answers.0.push_back((now, id));
        evidence == GoneEvidence::Deleted || self.gone_at.insert(id, now).is_none()
    }

    /// Whether there is a run of "gone" just now; `limit` is the share up to which it is none.
    pub(super) fn is_run_now(&self, limit: f64, now: Instant) -> bool {
        let lately = self.between(self.before(now), now);
        self.is_run(lately, limit) || lately.is_silent_after_losses()
    }

    /// Whether the target deleted within the last window.
    pub(super) fn deletes(&self, now: Instant) -> bool {
        self.between(self.before(now), now).deleted > 0
    }

    /// Judges an answer.
    pub(super) fn judge(&self, answer: Doubted, limit: f64, held: HeldNow, now: Instant) -> Judgement {
        let doubt = Doubt { answer, limit, held, now };
        let came = self.gone_at.get(&answer.id).filter(|at| now.saturating_duration_since(**at) < answer.age + SAME);
        // Too long ago for a clock that starts with the machine: then it is not remembered.
        let Some(at) = came.copied().or_else(|| now.checked_sub(answer.age)) else {
            return Judgement::AskAgain { in_run: answer.in_run };
        };
        if self.cleared.is_some_and(|cleared| at <= cleared) {
            return Judgement::AskAgain { in_run: false };
        }
        if answer.in_run {
            return self.judge_in_run(at, doubt);
        }
        if came.is_none() {
            if answer.age < self.window * ABSENT {
                return Judgement::Elsewhere;
            }
            if answer.asked < MOST_ASKED_UNSEEN {
                return Judgement::AskAgain { in_run: false };
            }
            if self.is_run_now(limit, now) || self.is_in_streak(now, limit) {
                return self.judge_in_run(at, doubt);
            }
            return Judgement::Believe;
        }
        if let Some(time) = (at + self.window).checked_duration_since(now).filter(|time| !time.is_zero()) {
            return Judgement::Wait { time, in_run: false };
        }
        let (before, after) = (self.between(self.before(at), at), self.between(at, at + self.window));
        let around = self.between(self.before(at), at + self.window);
        let is_run = self.is_run(before, limit) || self.is_run(after, limit) || self.is_in_streak(at, limit);
        // Other processes had the rest of a run of which this one had a few.
        let is_part_of_run = held.most > FEW && around.exceeds(limit);
        if is_run || is_part_of_run || around.is_silent_after_losses() {
            return self.judge_in_run(at, doubt);
        }
        Judgement::Believe
    }

    /// Judges an answer in a run: without one that the target deletes it is never believed.
    fn judge_in_run(&self, at: Instant, doubt: Doubt) -> Judgement {
        let Doubt { answer, limit, held, now } = doubt;
        let goes_on_here = self.is_run_now(limit, now);
        if !goes_on_here && self.deleted.0.back().is_some_and(|(deleted, _)| *deleted >= at) {
            // Between each two of these answers the target deleted something.
            let is_certain = !answer.in_run && answer.asked >= MOST_ASKED_IN_RUN;
            return if is_certain { Judgement::Believe } else { Judgement::AskAgain { in_run: false } };
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

    /// Whether more deletions in sequence were answered "gone" around `at`, however slowly, than chance explains.
    fn is_in_streak(&self, at: Instant, limit: f64) -> bool {
        let deleted = &self.deleted.0;
        let next = deleted.partition_point(|(deleted, _)| *deleted <= at);
        let from = next.checked_sub(1).map(|last| deleted[last].0);
        let to = deleted.get(next).map(|(next, _)| *next);
        let gone = &self.gone.0;
        let first = from.map_or(0, |from| gone.partition_point(|(gone, _)| *gone <= from));
        let last = to.map_or(gone.len(), |to| gone.partition_point(|(gone, _)| *gone < to));
        let distinct: HashSet<_> = gone.range(first..last).map(|(_, id)| id).collect();
        let streak = Count { gone: distinct.len(), lost: 0, deleted: 0 };
        let others = self.all_but(last - first, 0);
        // There are as many places where it could have begun as there were answers.
        let chances = others.answers().max(10) as f64;
        streak.gone > FEW && streak.surprise(others.share(limit)) > (100.0 * chances).ln()
    }

    /// Whether these are more than a few, more than the share `limit`, and more than chance makes of the share that the
    /// target has otherwise.
    fn is_run(&self, window: Count, limit: f64) -> bool {
        let Count { gone, deleted, .. } = window;
        let others = self.all_but(gone, deleted);
        let is_unusual = || window.surprise(others.share(limit)) > SURPRISE;
        gone > FEW && window.exceeds(limit) && is_unusual()
    }

    /// The remembered answers without these numbers of them, from the time since which both kinds are remembered.
    fn all_but(&self, gone: usize, deleted: usize) -> Count {
        let begins = [&self.deleted, &self.gone].map(|answers| match answers.0.front() {
            Some((at, _)) if answers.0.len() >= LEAST_REMEMBERED => Some(*at),
            _ => None,
        });
        let since = begins.into_iter().flatten().max();
        let count = |answers: &Answers| since.map_or(answers.0.len(), |since| answers.since(since));
        let (all_gone, all_deleted) = (count(&self.gone), count(&self.deleted));
        Count { gone: all_gone.saturating_sub(gone), lost: 0, deleted: all_deleted.saturating_sub(deleted) }
    }

    /// Forgets everything: what was answered before means nothing any more.
    pub(super) fn clear(&mut self, now: Instant) {
        let [deleted, gone, lost, known] = std::array::from_fn(|_| Answers::default());
        (self.deleted, self.gone, self.lost, self.known) = (deleted, gone, lost, known);
        self.gone_at.clear();
        self.cleared = Some(now);
    }

    fn before(&self, at: Instant) -> Instant {
        at.checked_sub(self.window).unwrap_or(at)
    }

    /// What was answered between these times.
    fn between(&self, from: Instant, to: Instant) -> Count {
        let [gone, lost, deleted] = [&self.gone, &self.lost, &self.deleted].map(|answers| answers.between(from, to));
        Count { gone, lost, deleted }
    }
}

#[cfg(test)]
mod tests;
