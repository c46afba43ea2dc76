//! The outcome of a call, and what it may keep of the answer.

use std::time::Duration;

use super::{Answer, Failure, NO_ANSWER_MEMORY};
use crate::template::Values;

/// What a call to a target came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The twin is gone.
    Confirmed {
        /// How the target said so.
        answer: Answer,
    },
    /// It may work next time: 408, 5xx, no connection, no answer in time.
    Retry(Failure),
    /// The request was sent and there is no answer: whether the target acted is unknown. Where calls may be repeated,
    /// this is [`Self::Retry`].
    Lost(Failure),
    /// The target said that the twin is gone, but a look does not agree.
    NotVerified(Failure),
    /// The target asks for patience; this costs no attempt.
    Throttled {
        /// What it asked for, if it did.
        retry_after: Option<Duration>,
        /// The answer.
        failure: Failure,
    },
    /// This process lacked descriptors, ports or memory for the call. It may be made again, and costs no attempt.
    Starved(Failure),
    /// The target's credentials are refused: every other deletion would be refused as well.
    Unauthorized(Failure),
    /// It will never work. Every unknown answer is this: visible, and never retried for ever.
    Rejected(Failure),
    /// The row gives no URL that may be called.
    BadTemplate(Failure),
}

impl Outcome {
    /// Its class, as in the ledger and in metrics.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "confirmed",
            Self::Retry(_) => "retry",
            Self::Lost(_) => "unknown",
            Self::NotVerified(_) => "not_verified",
            Self::Throttled { .. } => "throttled",
            Self::Starved(_) => "starved",
            Self::Unauthorized(_) => "unauthorized",
            Self::Rejected(_) => "rejected",
            Self::BadTemplate(_) => "bad_template",
        }
    }

    /// The outcome if the request changes nothing: it may be repeated even if it arrived.
    #[must_use]
    pub fn of_harmless_request(self) -> Self {
        match self {
            Self::Lost(failure) => Self::Retry(failure),
            other => other,
        }
    }

    /// The outcome if the target must not be called twice unless nothing was done. `not_done` are the statuses by which
    /// this target says so; by themselves only "no connection" and 4xx without 408 do. A 503 may come from a gateway
    /// whose backend acted.
    #[must_use]
    pub fn of_unrepeatable_request(self, not_done: &[u16]) -> Self {
        let is_clear = |status: u16| matches!(status, 400..=499 if status != 408) || not_done.contains(&status);
        match self {
            Self::Retry(failure) | Self::Throttled { failure, .. } if failure.status.is_some_and(|s| !is_clear(s)) => {
                Self::Lost(failure)
            }
            // See Other means that it was done, and of what is no status of HTTP nothing is known.
            Self::Rejected(failure) if failure.status.is_some_and(|s| matches!(s, 303 | 600..)) => Self::Lost(failure),
            other => other,
        }
    }

    /// The outcome where the target says by one of these statuses that it did nothing.
    #[must_use]
    pub fn knowing_not_done(self, not_done: &[u16]) -> Self {
        match self {
            Self::Lost(failure) if failure.status.is_some_and(|status| not_done.contains(&status)) => {
                Self::Retry(failure)
            }
            other => other,
        }
    }

    /// The outcome of a call that may be repeated and whose answer there was no memory for.
    #[must_use]
    pub fn knowing_own_lack(self) -> Self {
        match self {
            Self::Retry(failure) if failure.reason.ends_with(NO_ANSWER_MEMORY) => Self::Starved(failure),
            other => other,
        }
    }

    /// The outcome without a reason that repeats a value of the row. Some systems answer with the id they were called
    /// with, and it must not be stored.
    #[must_use]
    pub fn without_values(mut self, row: &Values) -> Self {
        /// Shorter values are in many words by chance.
        const LEAST_LENGTH: usize = 4;
        let (Self::Retry(failure)
        | Self::Lost(failure)
        | Self::NotVerified(failure)
        | Self::Unauthorized(failure)
        | Self::Starved(failure)
        | Self::Rejected(failure)
        | Self::Throttled { failure, .. }) = &mut self
        else {
            return self;
        };
        let repeats = |value: &String| {
            *value == failure.reason || (value.len() >= LEAST_LENGTH && failure.reason.contains(value.as_str()))
        };
        if let (Some(status), true) = (failure.status, row.values().flatten().any(repeats)) {
            failure.reason = format!("http_{status}");
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: Option<u16>) -> Failure {
        Failure { status, reason: "why".to_owned() }
    }

    #[test]
    fn only_what_proves_that_nothing_was_done_may_be_called_again() {
        for status in 400..=999 {
            let told = Outcome::Retry(failure(Some(status))).of_unrepeatable_request(&[503]);
            let is_proof = matches!(status, 400..=407 | 409..=499 | 503);
            assert_eq!(matches!(told, Outcome::Retry(_)), is_proof, "{status}");
        }
        let throttled = |status| Outcome::Throttled { retry_after: None, failure: failure(Some(status)) };
        assert_eq!(throttled(429).of_unrepeatable_request(&[]), throttled(429));
        assert_eq!(throttled(503).of_unrepeatable_request(&[]), Outcome::Lost(failure(Some(503))));
        let no_memory = Failure { status: Some(200), reason: NO_ANSWER_MEMORY.to_owned() };
        assert_eq!(Outcome::Retry(no_memory.clone()).knowing_own_lack(), Outcome::Starved(no_memory.clone()));
        assert_eq!(Outcome::Lost(no_memory.clone()).knowing_own_lack(), Outcome::Lost(no_memory), "it was sent");
        let no_connection = Outcome::Retry(failure(None));
        assert_eq!(no_connection.clone().of_unrepeatable_request(&[]), no_connection);
        assert_eq!(Outcome::Lost(failure(Some(502))).knowing_not_done(&[502]), Outcome::Retry(failure(Some(502))));
        assert_eq!(Outcome::Lost(failure(None)).knowing_not_done(&[502]), Outcome::Lost(failure(None)));
    }
}
