//! What an answer means for the target as a whole.

use std::time::{Duration, Instant};

use sexton_core::{
    ids::{DeletionId, Lane},
    ledger::Cause,
    outcome::{Answer, Outcome},
    store::Store,
};

use super::{Closure, Gate, Gates, window::FIRST_CALLS};
use crate::metrics;

/// How long a target is left alone that throttles without saying for how long.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is to become of a target.
enum Judgement {
    Close,
    Open(Cause, String, Option<Duration>),
    Throttle(String, Duration),
}

/// A call as it ended.
pub(crate) struct Called<'c> {
    pub(crate) lane: &'c Lane,
    pub(crate) id: DeletionId,
    pub(crate) outcome: &'c Outcome,
    /// Whether no call was made for this deletion before.
    pub(crate) first: bool,
    /// Whether it was made to see whether the target is well again.
    pub(crate) probe: bool,
}

impl Gates {
    /// Takes note of a call. Returns whether the breaker is open by now: what failed meanwhile is then not the deletion's
    /// fault.
    pub(crate) async fn called(&self, store: &Store, call: &Called<'_>) -> bool {
        let lane = call.lane;
        let Some(gate) = self.lanes.get(lane) else { return false };
        let Some(judgement) = gate.judge(call) else { return self.breaker_is_open(lane) };
        let change = self.change();
        let changed = match judgement {
            Judgement::Close => {
                tracing::info!(%lane, "the breaker of {lane} is closed: its target answers again");
                self.shut().remove(lane);
                gate.window().clear();
                store.ledger.close_breaker(&store.db, lane).await
            }
            Judgement::Open(cause, reason, probe_after) => {
                let new = self.shut_here(lane, cause, probe_after);
                if new {
                    tracing::warn!(%lane, reason, cause = cause.as_str(), "the breaker of {lane} is open: {reason}");
                    metrics::breaker_opened(lane, cause);
                }
                store.ledger.open_breaker(&store.db, lane, cause, &reason, probe_after).await
            }
            Judgement::Throttle(reason, time) => {
                if self.shut_here(lane, Cause::Throttled, Some(time)) {
                    let time_ms = time.as_millis();
                    tracing::info!(%lane, time_ms, reason, "{lane} is left alone for {time:?}: {reason}");
                }
                store.ledger.throttle(&store.db, lane, &reason, time).await
            }
        };
        if let Err(error) = changed {
            tracing::warn!(%lane, %error, "cannot tell other processes what {lane} answered");
        }
        drop(change);
        self.breaker_is_open(lane)
    }

    fn breaker_is_open(&self, lane: &Lane) -> bool {
        self.shut().get(lane).is_some_and(Closure::is_open_breaker)
    }

    /// Shuts the lane in this process, before the others know. False if it was shut already.
    fn shut_here(&self, lane: &Lane, cause: Cause, left: Option<Duration>) -> bool {
        let mut shut = self.shut();
        let now = Instant::now();
        let known = shut.get(lane).filter(|closure| closure.lasts());
        let stronger = match (known, cause) {
            (None, _) => true,
            (Some(Closure::Breaker { cause: Cause::Throttled, .. }), cause) => cause != Cause::Throttled,
            (Some(Closure::Breaker { cause, .. }), Cause::Gone) => *cause != Cause::Gone,
            _ => false,
        };
        if stronger {
            shut.insert(lane.to_owned(), Closure::Breaker { cause, until: left.map(|left| now + left) });
        }
        stronger
    }
}

impl Gate {
    fn judge(&self, call: &Called<'_>) -> Option<Judgement> {
        let target = self.target.as_ref()?;
        let breaker = &target.breaker;
        let now = Instant::now();
        match call.outcome {
            // There was no call.
            Outcome::BadTemplate(_) => None,
            Outcome::Throttled { retry_after, failure } => {
                let time = retry_after.unwrap_or(PATIENCE).min(self.longest);
                (time > Duration::ZERO).then(|| Judgement::Throttle(failure.reason.clone(), time))
            }
            // A breaker that never opens is one that somebody switched off.
            Outcome::Unauthorized(_) | Outcome::Retry(_) | Outcome::Lost(_) if breaker.failure_ratio > 1.0 => None,
            // The next probe was put off when this one was allowed.
            Outcome::Unauthorized(_) | Outcome::Retry(_) | Outcome::Lost(_) if call.probe => None,
            Outcome::Unauthorized(failure) => {
                let reason = format!("it refuses our credentials ({})", failure.reason);
                Some(Judgement::Open(Cause::Unauthorized, reason, Some(breaker.probe_interval)))
            }
            Outcome::Retry(failure) | Outcome::Lost(failure) => {
                let (failures, calls) = self.window().called(breaker, call.id, true, now)?;
                let reason = format!("{failures} of {calls} deletions failed, the last with {}", failure.reason);
                Some(Judgement::Open(Cause::Failures, reason, Some(breaker.probe_interval)))
            }
            Outcome::Confirmed { answer } => {
                let gone = matches!(answer, Answer::Gone { .. });
                if call.first
                    && let Some(gone) = self.window().first_called(target.gone_limit, gone)
                {
                    let reason = format!("{gone} of the last {FIRST_CALLS} first calls found nothing to delete");
                    return Some(Judgement::Open(Cause::Gone, reason, None));
                }
                self.window().called(breaker, call.id, false, now);
                call.probe.then_some(Judgement::Close)
            }
            // It answers, whatever it says.
            Outcome::Rejected(_) | Outcome::NotVerified(_) => {
                self.window().called(breaker, call.id, false, now);
                call.probe.then_some(Judgement::Close)
            }
        }
    }
}
