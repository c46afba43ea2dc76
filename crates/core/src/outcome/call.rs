//! The outcome of a call, and what it may keep of the answer.

use std::time::Duration;

use super::{Answer, Failure};
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
    /// The target's credentials are refused: every other deletion would be refused as well.
    Unauthorized(Failure),
    /// It will never work. Every unknown answer is this: visible, and never retried for ever.
    Rejected(Failure),
    /// The row gives no URL that may be called.
    BadTemplate(Failure),
}

impl Outcome {
    /// The outcome if the request changes nothing: it may be repeated even if it arrived.
    #[must_use]
    pub fn of_harmless_request(self) -> Self {
        match self {
            Self::Lost(failure) => Self::Retry(failure),
            other => other,
        }
    }

    /// The outcome without a reason that repeats a value of the row. Some systems answer with the id they were called with,
    /// and it must not be stored.
    #[must_use]
    pub fn without_values(mut self, row: &Values) -> Self {
        /// Shorter values are in many words by chance.
        const LEAST_LENGTH: usize = 4;
        let (Self::Retry(failure)
        | Self::Lost(failure)
        | Self::NotVerified(failure)
        | Self::Unauthorized(failure)
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
