//! How a sweep gets on, in one word: a sweep that says nothing need not be well.

use std::time::Duration;

use serde::Serialize;

use crate::{config::Sync, ledger::SweepState};

/// Runs in a row that used up their budget, after which a sweep is behind.
pub const BEHIND_AFTER_RUNS: i64 = 10;

/// Passes in a row that changed nothing, after which a sweep is stuck.
pub const STUCK_AFTER_PASSES: i64 = 3;

/// Turns that a sweep may miss before it is overdue: other sweeps go first, and leases of dead processes have to end.
const TURNS: u32 = 5;

/// How a sweep gets on; the words are part of the contract of `status --json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepHealth {
    /// As it should.
    #[default]
    Ok,
    /// No run of it has ended so far.
    Never,
    /// Run after run uses up its budget: the pass is not over.
    Behind,
    /// It deals with nothing of what it finds and is to deal with.
    Stuck,
    /// No process has run it although it is time.
    Overdue,
    /// The last run failed, or could not do all of its work.
    Failing,
}

impl SweepHealth {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Never => "never",
            Self::Behind => "behind",
            Self::Stuck => "stuck",
            Self::Overdue => "overdue",
            Self::Failing => "failing",
        }
    }
}

impl SweepState {
    /// A sweep that never ran.
    #[must_use]
    pub fn never(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            health: SweepHealth::Never,
            leader: None,
            lease_until: None,
            ran_at: None,
            idle_ms: None,
            took_ms: None,
            passed_at: None,
            found: 0,
            done: 0,
            backlog: 0,
            oldest_ms: None,
            cut_short: 0,
            stalled: 0,
            error: None,
            figures: serde_json::Value::Object(serde_json::Map::new()),
        }
    }

    /// How it gets on, if a pass begins `every` this long.
    #[must_use]
    pub fn judged(&self, sync: &Sync, every: Duration) -> SweepHealth {
        let Some(idle) = self.idle() else { return SweepHealth::Never };
        match self {
            Self { error: Some(_), .. } => SweepHealth::Failing,
            Self { stalled: STUCK_AFTER_PASSES.., .. } => SweepHealth::Stuck,
            _ if self.is_overdue(sync, every, idle) => SweepHealth::Overdue,
            Self { cut_short: BEHIND_AFTER_RUNS.., .. } => SweepHealth::Behind,
            _ => SweepHealth::Ok,
        }
    }

    /// The time since its last run.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        self.idle_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
    }

    /// Whether `idle` is longer than it should be, if a pass begins `every` this long.
    #[must_use]
    pub fn is_overdue(&self, sync: &Sync, every: Duration, idle: Duration) -> bool {
        let in_the_middle = self.cut_short > 0 || self.passed_at.is_none();
        let due = if in_the_middle { sync.interval } else { every.max(sync.interval) };
        idle > due + TURNS * (sync.interval + sync.budget.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const HOUR: Duration = Duration::from_secs(3600);

    fn sync() -> Sync {
        parse("sexton.toml", "[database]\nurl = 'sqlite://x'", |_| None).unwrap().sync
    }

    fn ran(idle: Duration) -> SweepState {
        let passed_at = Some("2026-01-01T00:00:00.000Z".to_owned());
        SweepState { idle_ms: Some(idle.as_millis() as i64), passed_at, ..SweepState::never("prune") }
    }

    #[test]
    fn each_way_of_not_getting_on_has_its_word() {
        let is = |state: &SweepState| state.judged(&sync(), HOUR);
        let now = ran(Duration::ZERO);
        assert_eq!(is(&SweepState::never("prune")), SweepHealth::Never);
        assert_eq!(is(&now), SweepHealth::Ok);
        assert_eq!(is(&SweepState { cut_short: 9, stalled: 2, ..now.clone() }), SweepHealth::Ok);
        assert_eq!(is(&SweepState { cut_short: 10, ..now.clone() }), SweepHealth::Behind);
        assert_eq!(is(&SweepState { stalled: 3, cut_short: 10, ..now.clone() }), SweepHealth::Stuck);
        assert_eq!(is(&SweepState { error: Some("no".into()), stalled: 3, ..now }), SweepHealth::Failing);
        assert_eq!(is(&ran(HOUR * 2)), SweepHealth::Overdue);
    }

    #[test]
    fn a_pass_that_goes_on_is_awaited_sooner_than_a_new_one() {
        // Five turns of 30 s and 20 s, after an hour or after 30 s.
        let state = ran(Duration::from_secs(3600 + 250));
        assert_eq!(state.judged(&sync(), HOUR), SweepHealth::Ok);
        assert_eq!(SweepState { cut_short: 1, ..state }.judged(&sync(), HOUR), SweepHealth::Overdue);
        assert_eq!(SweepState { cut_short: 1, ..ran(Duration::from_secs(280)) }.judged(&sync(), HOUR), SweepHealth::Ok);
    }
}
