//! What becomes of a deletion whose attempt failed in a way that may pass.

use std::time::Duration;

use super::jitter::full_jitter;
use crate::{config::Retry, outcome::DeadKind};

/// What to do after a failure that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this delay.
    RetryIn(Duration),
    /// Stop: attempts or time are used up.
    GiveUp(DeadKind),
}

/// Decides after a failed or throttled attempt.
///
/// * `attempts`: claims that count against the budget, this one included; 0 when this one is given back.
/// * `age`: time since the first attempt, by the database's clock.
/// * `at_least`: the delay an answer asked for (`Retry-After`), capped at `max_interval`.
#[must_use]
pub fn decide(retry: &Retry, attempts: u32, age: Duration, at_least: Option<Duration>) -> Decision {
    if attempts >= retry.max_attempts {
        return Decision::GiveUp(DeadKind::Exhausted);
    }
    if age >= retry.give_up_after {
        return Decision::GiveUp(DeadKind::Expired);
    }
    let wanted = at_least.unwrap_or_default().min(retry.max_interval);
    // The last try is made when the time is up, not after it.
    let remaining = retry.give_up_after - age;
    Decision::RetryIn(full_jitter(retry, attempts.max(1)).max(wanted).min(remaining))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Retry = Retry {
        max_attempts: 3,
        initial_interval: Duration::from_secs(1),
        multiplier: 2.0,
        max_interval: Duration::from_secs(60),
        give_up_after: Duration::from_secs(100),
    };

    #[test]
    fn attempts_and_time_are_both_limits() {
        let secs = Duration::from_secs;
        assert_eq!(decide(&POLICY, 3, secs(1), None), Decision::GiveUp(DeadKind::Exhausted));
        assert_eq!(decide(&POLICY, 1, secs(100), None), Decision::GiveUp(DeadKind::Expired));
        assert!(matches!(decide(&POLICY, 2, secs(1), None), Decision::RetryIn(delay) if delay <= secs(2)));
    }

    #[test]
    fn a_server_may_ask_for_a_longer_delay_but_not_for_any_delay() {
        let day = Some(Duration::from_secs(86_400));
        assert_eq!(decide(&POLICY, 0, Duration::ZERO, day), Decision::RetryIn(Duration::from_secs(60)));
        assert_eq!(
            decide(&POLICY, 0, Duration::from_secs(95), day),
            Decision::RetryIn(Duration::from_secs(5)),
            "the last try comes when the time is up"
        );
    }
}
