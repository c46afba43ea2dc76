//! What the answer to a call means for its target as a whole: a breaker opens or closes, or calls are throttled.

use std::time::{Duration, Instant};

use sexton_core::{
    ids::{DeletionId, Lane},
    ledger::{BreakerOpening, Cause},
    outcome::{Answer, Outcome},
    store::Store,
};

use super::{
    gates::{Gate, Gates},
    gone_answers::GoneEvidence,
    recent_calls::{JUDGED, RefusalMeaning, TooManyFailures},
    shut_lane::ShutLane,
};
use crate::metrics;

/// How long a target is spared that does not say for how long: at first, and twice as long with each call in vain.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What is to become of a gate.
enum GateChange {
    CloseBreaker {
        /// Whether an answer closed it, and not a failure that asks for no more patience.
        is_answered: bool,
    },
    /// Without `probe_after` an operator must close it.
    OpenBreaker {
        cause: Cause,
        reason: String,
        probe_after: Option<Duration>,
    },
    Throttle {
        reason: String,
        time: Duration,
    },
}

/// A call as it ended.
pub(crate) struct CallReport<'c> {
    pub(crate) lane: &'c Lane,
    pub(crate) id: DeletionId,
    pub(crate) outcome: &'c Outcome,
    /// What "gone" would mean.
    pub(crate) gone_evidence: GoneEvidence,
    /// Whether it was made to see whether the target works.
    pub(crate) probe: bool,
}

/// Whose fault it is if a call failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The breaker is open: it is the target's.
    pub(crate) breaker_is_open: bool,
    /// It was refused, and others are answered: it is the deletion's own.
    pub(crate) refused_alone: bool,
}

impl Gates {
    /// Takes note of a call. Returns whose fault it is if it failed.
    pub(crate) async fn note_call(&self, store: &Store, call: &CallReport<'_>) -> Fault {
        let lane = call.lane;
        let Some(gate) = self.lanes.get(lane) else { return Fault::default() };
        let refusal = gate.note_refusal(call);
        let refused_alone = refusal == Some(RefusalMeaning::OfOne);
        let fault = || Fault { breaker_is_open: self.breaker_is_open(lane), refused_alone };
        let Some(change) = self.change_after(gate, call, refusal) else { return fault() };
        self.make_change(store, lane, gate, change).await;
        fault()
    }

    /// Opens the breaker of `lane`, because a run of "gone" does not end.
    pub(crate) async fn open_gone_breaker(&self, store: &Store, lane: &Lane) {
        let Some(gate) = self.lanes.get(lane) else { return };
        let reason = "it still answers \"gone\" and has deleted nothing since".to_owned();
        let change = GateChange::OpenBreaker { cause: Cause::Gone, reason, probe_after: None };
        self.make_change(store, lane, gate, change).await;
    }

    async fn make_change(&self, store: &Store, lane: &Lane, gate: &Gate, change: GateChange) {
        let pending = self.begin_change();
        let written = match change {
            GateChange::CloseBreaker { is_answered } => {
                tracing::info!(%lane, "the breaker of {lane} is closed: its target answers again");
                self.shut().remove(lane);
                // What it said of twins is as true as before.
                gate.recent_calls().clear();
                if is_answered {
                    gate.recent_calls().note_answered(Instant::now());
                }
                store.ledger.close_breaker(&store.db, lane).await
            }
            GateChange::OpenBreaker { cause, reason, probe_after } => {
                if self.shut_in_this_process(lane, cause, probe_after) {
                    tracing::warn!(%lane, reason, cause = cause.as_str(), "the breaker of {lane} is open: {reason}");
                    metrics::count_breaker_opening(lane, cause);
                }
                let opening = BreakerOpening { cause, reason: &reason, first_probe: probe_after };
                store.ledger.open_breaker(&store.db, lane, opening).await
            }
            GateChange::Throttle { reason, time } => {
                if self.shut_in_this_process(lane, Cause::Throttled, Some(time)) {
                    let time_ms = time.as_millis();
                    tracing::info!(%lane, time_ms, reason, "{lane} is not called for {time:?}: {reason}");
                }
                store.ledger.throttle(&store.db, lane, &reason, time).await
            }
        };
        if let Err(error) = written {
            tracing::warn!(%lane, %error, "cannot tell other processes what {lane} answered");
        }
        drop(pending);
    }

    fn change_after(&self, gate: &Gate, call: &CallReport<'_>, refusal: Option<RefusalMeaning>) -> Option<GateChange> {
        let change = gate.change_after(call, refusal);
        // Calls that were in flight when the breaker opened may show that not all are refused.
        let deleted = matches!(call.outcome, Outcome::Confirmed { answer: Answer::Deleted { .. } });
        match (change, call.outcome) {
            // It does not ask for patience any more: its failures count as ever.
            (None, Outcome::Unauthorized(_) | Outcome::Retry(_) | Outcome::Lost(_))
                if call.probe && self.is_throttled(call.lane) =>
            {
                Some(GateChange::CloseBreaker { is_answered: false })
            }
            (None, _) if deleted && self.refuses_all(call.lane) => Some(GateChange::CloseBreaker { is_answered: true }),
            (change, _) => change,
        }
    }

    fn is_throttled(&self, lane: &Lane) -> bool {
        self.shut().get(lane).is_some_and(ShutLane::is_throttled)
    }

    fn refuses_all(&self, lane: &Lane) -> bool {
        matches!(self.shut().get(lane), Some(ShutLane::Breaker { cause: Cause::Unauthorized, .. }))
    }

    fn breaker_is_open(&self, lane: &Lane) -> bool {
        self.shut().get(lane).is_some_and(ShutLane::is_open_breaker)
    }

    /// Shuts the lane in this process, before the others know. False if it was shut for as good a reason already.
    fn shut_in_this_process(&self, lane: &Lane, cause: Cause, time: Option<Duration>) -> bool {
        let mut shut = self.shut();
        let now = Instant::now();
        let known = shut.get(lane).filter(|shut| shut.lasts());
        let is_stronger = match (known, cause) {
            (None, _) => true,
            (Some(ShutLane::Breaker { cause: Cause::Throttled, .. }), cause) => cause != Cause::Throttled,
            (Some(ShutLane::Breaker { cause, .. }), Cause::Gone) => *cause != Cause::Gone,
            _ => false,
        };
        if is_stronger {
            shut.insert(lane.to_owned(), ShutLane::Breaker { cause, until: time.map(|time| now + time) });
        }
        is_stronger
    }
}

impl Gate {
    fn note_refusal(&self, call: &CallReport<'_>) -> Option<RefusalMeaning> {
        let target = self.target.as_ref().filter(|_| matches!(call.outcome, Outcome::Unauthorized(_)))?;
        Some(self.recent_calls().note_refusal(&target.breaker, call.id, Instant::now()))
    }

    /// Takes note of a call, and says what it changes.
    fn change_after(&self, call: &CallReport<'_>, refusal: Option<RefusalMeaning>) -> Option<GateChange> {
        let target = self.target.as_ref()?;
        let breaker = &target.breaker;
        let now = Instant::now();
        match call.outcome {
            // There was no call.
            Outcome::BadTemplate(_) | Outcome::Starved(_) => None,
            // It did a part of what it has to do.
            Outcome::Throttled { retry_after: Some(Duration::ZERO), .. } => {
                call.probe.then_some(GateChange::CloseBreaker { is_answered: true })
            }
            // The next probe was put off when this one was allowed.
            Outcome::Throttled { retry_after: None, .. } if call.probe => None,
            Outcome::Throttled { retry_after, failure } => {
                let time = retry_after.unwrap_or(PATIENCE).min(self.longest_throttle);
                Some(GateChange::Throttle { reason: failure.reason.clone(), time })
            }
            // The breaker is switched off.
            Outcome::Unauthorized(_) | Outcome::Retry(_) | Outcome::Lost(_) if breaker.failure_ratio > 1.0 => None,
            // The next probe was put off when this one was allowed.
            Outcome::Unauthorized(_) | Outcome::Retry(_) | Outcome::Lost(_) if call.probe => None,
            Outcome::Unauthorized(failure) => {
                let Some(RefusalMeaning::OfAll(refused)) = refusal else { return None };
                let reason =
                    format!("it refused our credentials {refused} times and answers none ({})", failure.reason);
                let (cause, probe_after) = (Cause::Unauthorized, Some(breaker.probe_interval));
                Some(GateChange::OpenBreaker { cause, reason, probe_after })
            }
            Outcome::Retry(failure) | Outcome::Lost(failure) => {
                let TooManyFailures { failures, calls } = self.recent_calls().note_failure(breaker, call.id, now)?;
                let reason = format!("{failures} of {calls} deletions failed, the last with {}", failure.reason);
                let (cause, probe_after) = (Cause::Failures, Some(breaker.probe_interval));
                Some(GateChange::OpenBreaker { cause, reason, probe_after })
            }
            Outcome::Confirmed { answer } => {
                let is_gone = matches!(answer, Answer::Gone { .. });
                let evidence = if is_gone { call.gone_evidence } else { GoneEvidence::Deleted };
                let is_news = self.gone_answers().note_answer(evidence, call.id, now);
                if is_news && matches!(evidence, GoneEvidence::Deleted | GoneEvidence::Gone) {
                    let noted = self.recent_calls().note_confirmation(target.gone_limit, evidence);
                    if let Some(gone) = noted {
                        let reason = format!("{gone} of the last {JUDGED} calls found nothing to delete");
                        return Some(GateChange::OpenBreaker { cause: Cause::Gone, reason, probe_after: None });
                    }
                }
                self.recent_calls().note_success(breaker, call.id, now);
                call.probe.then_some(GateChange::CloseBreaker { is_answered: true })
            }
            // Whatever it says, it answers.
            Outcome::Rejected(_) | Outcome::NotVerified(_) => {
                self.recent_calls().note_success(breaker, call.id, now);
                call.probe.then_some(GateChange::CloseBreaker { is_answered: true })
            }
        }
    }
}
