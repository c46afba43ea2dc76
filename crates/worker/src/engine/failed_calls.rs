//! What becomes of a deletion when calls to its targets failed: a pure function.

use std::time::Duration;

use sexton_core::{
    config::Retry,
    ledger::{FailedAttempt, LastError},
    outcome::{DeadKind, Failure, Outcome},
    retry::{self, Decision},
    state::Event,
};

/// The longest wait between two calls to a target that throttles without saying for how long, or refuses our
/// credentials.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest wait for what this process lacks.
const SOON: Duration = Duration::from_secs(5);

/// A call that did not confirm.
#[derive(Debug, Clone)]
pub(super) struct FailedCall {
    pub(super) target: String,
    pub(super) outcome: Outcome,
    /// Whether it was refused while others are answered with the same credentials: it is about this row.
    pub(super) refused_alone: bool,
    pub(super) duration: Duration,
    pub(super) retry: Retry,
}

/// What is written back for them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) event: Event,
    pub(super) dead: Option<DeadKind>,
    pub(super) delay: Duration,
    /// Whether the attempt is given back.
    pub(super) give_back: bool,
    pub(super) error: LastError,
    pub(super) attempt: Option<FailedAttempt>,
}

/// Decides by the worst call: what will never work outweighs what may, and what costs an attempt outweighs what does
/// not. None if no call failed.
///
/// * `attempts`: claims that count, this one included.
/// * `claims`: all claims, for the backoff of those that do not count.
/// * `age`: time since the first attempt.
pub(super) fn decide_by_worst(calls: &[FailedCall], attempts: u32, claims: u32, age: Duration) -> Option<Verdict> {
    // Of equally bad ones the first: `max_by_key` takes the last.
    let worst = calls.iter().rev().max_by_key(|call| severity(call))?;
    let FailedCall { target, outcome, refused_alone, duration, retry } = worst;
    let (failure, retry_after) = match outcome {
        Outcome::Confirmed { .. } => return None,
        Outcome::Throttled { retry_after, failure } => (failure, *retry_after),
        Outcome::Retry(failure)
        | Outcome::Lost(failure)
        | Outcome::NotVerified(failure)
        | Outcome::Starved(failure)
        | Outcome::Unauthorized(failure)
        | Outcome::Rejected(failure)
        | Outcome::BadTemplate(failure) => (failure, None),
    };
    let class = outcome.class();
    let error = LastError { class: class.to_owned(), text: describe(target, failure) };
    let attempt = FailedAttempt {
        target: target.clone(),
        outcome: class.to_owned(),
        status: failure.status,
        reason: failure.reason.clone(),
        duration: *duration,
    };
    let died = |kind| Verdict {
        event: Event::Died,
        dead: Some(kind),
        delay: Duration::ZERO,
        give_back: false,
        error: error.clone(),
        attempt: Some(attempt.clone()),
    };
    Some(match outcome {
        Outcome::Rejected(_) => died(DeadKind::Rejected),
        Outcome::BadTemplate(_) => died(DeadKind::BadTemplate),
        Outcome::Lost(_) => died(DeadKind::UnknownOutcome),
        Outcome::Unauthorized(_) if *refused_alone => match retry::decide(retry, attempts, age, None) {
            Decision::GiveUp(_) => died(DeadKind::Rejected),
            Decision::RetryIn(delay) => {
                Verdict { event: Event::Failed, dead: None, delay, give_back: false, error, attempt: Some(attempt) }
            }
        },
        Outcome::Retry(_) | Outcome::NotVerified(_) => match retry::decide(retry, attempts, age, None) {
            Decision::GiveUp(_) if matches!(outcome, Outcome::NotVerified(_)) => died(DeadKind::NotVerified),
            Decision::GiveUp(kind) => died(kind),
            Decision::RetryIn(delay) => {
                Verdict { event: Event::Failed, dead: None, delay, give_back: false, error, attempt: Some(attempt) }
            }
        },
        _ => {
            // No attempt is counted, so the backoff grows with the claims, and only up to a point.
            let most = if matches!(outcome, Outcome::Starved(_)) { SOON } else { PATIENCE };
            let max_interval = retry.max_interval.min(most).max(retry.initial_interval);
            let patient = Retry { max_attempts: u32::MAX, max_interval, ..*retry };
            let asked = retry_after.map(|asked| asked.min(retry.max_interval));
            match retry::decide(&patient, claims.min(64), age, None) {
                Decision::GiveUp(kind) => died(kind),
                Decision::RetryIn(delay) => {
                    let left = retry.give_up_after.saturating_sub(age);
                    let delay = delay.max(asked.unwrap_or_default()).min(left);
                    Verdict { event: Event::Snoozed, dead: None, delay, give_back: true, error, attempt: None }
                }
            }
        }
    })
}

const fn severity(call: &FailedCall) -> u8 {
    match call.outcome {
        Outcome::Confirmed { .. } => 0,
        Outcome::Throttled { .. } | Outcome::Starved(_) => 1,
        Outcome::Unauthorized(_) if !call.refused_alone => 2,
        Outcome::Unauthorized(_) | Outcome::Retry(_) | Outcome::NotVerified(_) => 3,
        Outcome::Rejected(_) => 4,
        Outcome::BadTemplate(_) => 5,
        // On-call must hear of it before anything more is called.
        Outcome::Lost(_) => 6,
    }
}

/// What on-call is told of a failure.
pub(super) fn describe(target: &str, failure: &Failure) -> String {
    match failure.status {
        Some(status) => format!("{target} answered {status} ({})", failure.reason),
        None => format!("{target}: {}", failure.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        max_attempts: 3,
        initial_interval: Duration::from_secs(1),
        multiplier: 2.0,
        max_interval: Duration::from_secs(3600),
        give_up_after: Duration::from_secs(7200),
    };

    fn call(outcome: Outcome) -> FailedCall {
        FailedCall {
            target: "calendar".into(),
            outcome,
            refused_alone: false,
            duration: Duration::from_millis(5),
            retry: RETRY,
        }
    }

    fn failure(status: u16) -> Failure {
        Failure { status: Some(status), reason: format!("http_{status}") }
    }

    fn error(class: &str, text: &str) -> LastError {
        LastError { class: class.to_owned(), text: text.to_owned() }
    }

    fn verdict(outcome: Outcome, attempts: u32, age: Duration) -> Verdict {
        decide_by_worst(&[call(outcome)], attempts, attempts, age).unwrap()
    }

    #[test]
    fn a_failure_that_may_pass_costs_an_attempt_until_they_are_used_up() {
        let first = verdict(Outcome::Retry(failure(503)), 1, Duration::ZERO);
        assert_eq!((first.event, first.give_back, first.dead), (Event::Failed, false, None));
        assert_eq!(first.error, error("retry", "calendar answered 503 (http_503)"));
        let last = verdict(Outcome::Retry(failure(503)), 3, Duration::ZERO);
        assert_eq!((last.event, last.dead), (Event::Died, Some(DeadKind::Exhausted)));
    }

    #[test]
    fn throttling_costs_no_attempt_and_waits_as_asked_but_not_for_ever() {
        let throttled =
            |after| Outcome::Throttled { retry_after: Some(Duration::from_secs(after)), failure: failure(429) };
        let asked = verdict(throttled(120), 3, Duration::ZERO);
        assert_eq!((asked.event, asked.give_back), (Event::Snoozed, true));
        assert!(asked.delay >= Duration::from_secs(120));
        assert_eq!(verdict(throttled(999_999), 1, Duration::ZERO).delay, RETRY.max_interval);
        let late = verdict(throttled(1), 1, RETRY.give_up_after);
        assert_eq!((late.event, late.dead), (Event::Died, Some(DeadKind::Expired)));
    }

    #[test]
    fn refused_credentials_do_not_kill_deletions_one_by_one() {
        let refused = verdict(Outcome::Unauthorized(failure(401)), 3, Duration::from_secs(60));
        assert_eq!((refused.event, refused.give_back, refused.dead), (Event::Snoozed, true, None));
        assert!(refused.delay <= PATIENCE);
    }

    #[test]
    fn what_this_process_lacks_costs_no_attempt_and_is_tried_again_soon() {
        let failure = Failure { status: None, reason: "no_descriptors".into() };
        for claims in [1, 30, 60] {
            let call = call(Outcome::Starved(failure.clone()));
            let starved = decide_by_worst(&[call], 3, claims, Duration::from_secs(60)).unwrap();
            assert_eq!((starved.event, starved.give_back, starved.dead), (Event::Snoozed, true, None));
            assert!(starved.delay <= SOON);
            assert_eq!(starved.error, error("starved", "calendar: no_descriptors"));
        }
    }

    #[test]
    fn row_that_is_refused_alone_costs_attempts_and_is_rejected_in_the_end() {
        let refused = |attempts, age| {
            let call = FailedCall { refused_alone: true, ..call(Outcome::Unauthorized(failure(403))) };
            decide_by_worst(&[call], attempts, attempts, age).unwrap()
        };
        let first = refused(1, Duration::ZERO);
        assert_eq!((first.event, first.give_back, first.dead), (Event::Failed, false, None));
        assert_eq!(refused(3, Duration::ZERO).dead, Some(DeadKind::Rejected));
        assert_eq!(refused(1, RETRY.give_up_after).dead, Some(DeadKind::Rejected));
    }

    #[test]
    fn lost_answer_that_must_not_be_asked_for_again_outweighs_everything() {
        let calls = [call(Outcome::BadTemplate(failure(0))), call(Outcome::Lost(failure(504)))];
        let verdict = decide_by_worst(&calls, 1, 1, Duration::ZERO).unwrap();
        assert_eq!((verdict.event, verdict.dead), (Event::Died, Some(DeadKind::UnknownOutcome)));
    }

    #[test]
    fn what_is_not_verified_is_asked_again_and_dies_of_that() {
        let first = verdict(Outcome::NotVerified(failure(200)), 1, Duration::ZERO);
        assert_eq!((first.event, first.give_back, first.dead), (Event::Failed, false, None));
        for (attempts, age) in [(3, Duration::ZERO), (1, RETRY.give_up_after)] {
            let last = verdict(Outcome::NotVerified(failure(200)), attempts, age);
            assert_eq!((last.event, last.dead), (Event::Died, Some(DeadKind::NotVerified)));
        }
    }

    #[test]
    fn the_worst_call_decides() {
        let calls = [call(Outcome::Retry(failure(500))), call(Outcome::Rejected(failure(400)))];
        assert_eq!(decide_by_worst(&calls, 1, 1, Duration::ZERO).unwrap().dead, Some(DeadKind::Rejected));
        assert_eq!(decide_by_worst(&[], 1, 1, Duration::ZERO), None);
    }
}
