//! What an external answer means: a total classification whose default is not retryable.

mod classify;
mod http;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::classify::{HttpAnswer, classify, is_code, reason_in, retry_after};
pub use self::http::{Received, called, looked};
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
    /// The target said that the twin is gone, and does not agree when it is asked again.
    NotVerified(Failure),
    /// The target asks for patience; costs no attempt.
    Throttled {
        /// What it asked for, if it did.
        retry_after: Option<Duration>,
        /// The answer.
        failure: Failure,
    },
    /// The target's credentials are refused: every other deletion would be refused as well.
    Unauthorized(Failure),
    /// It will never work like this. Whatever is unknown is this: visible, never silently retried for ever.
    Rejected(Failure),
    /// The row gives no URL that may be called.
    BadTemplate(Failure),
}

/// How a target confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Answer {
    /// It deleted.
    Deleted {
        /// The HTTP status.
        status: u16,
    },
    /// It had already been deleted, with an answer that the configuration accepts as such.
    Gone {
        /// The HTTP status.
        status: u16,
    },
    /// The row was never synced to the target (`skip_when_null`), so nothing was called.
    Skipped,
}

/// What a look at a twin came to that is said to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It is gone.
    Gone,
    /// It is still there, or nothing says that it is not.
    Differs(Failure),
    /// It could not be seen; never [`Outcome::Confirmed`].
    Failed(Outcome),
}

impl Look {
    /// It could not be seen because of this; to look twice does no harm.
    #[must_use]
    pub fn failed(outcome: Outcome) -> Self {
        Self::Failed(outcome.of_a_look())
    }
}

/// A call that did not confirm. Status and reason code are kept; bodies and URLs with values never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// A short code: `http_503`, `timeout`, `rateLimitExceeded`.
    pub reason: String,
}

impl Outcome {
    /// What it is if the request only looked, or asked for something that does no harm: it may be sent again whether or
    /// not it arrived.
    #[must_use]
    pub fn of_a_look(self) -> Self {
        match self {
            Self::Lost(failure) => Self::Retry(failure),
            other => other,
        }
    }

    /// The outcome without a reason that repeats a value of the row: a system that answers with the id that it was asked
    /// for must not have us keep it.
    #[must_use]
    pub fn without_values(mut self, row: &Values) -> Self {
        /// Shorter ones are in many words by chance.
        const TELLING: usize = 4;
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
            *value == failure.reason || (value.len() >= TELLING && failure.reason.contains(value.as_str()))
        };
        if let (Some(status), true) = (failure.status, row.values().flatten().any(repeats)) {
            failure.reason = format!("http_{status}");
        }
        self
    }
}

/// Why a deletion is dead. Each has a page in docs/runbook.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadKind {
    /// A target refused for good.
    Rejected,
    /// The row gives no URL that may be called.
    BadTemplate,
    /// `max_attempts` failures.
    Exhausted,
    /// `give_up_after` passed.
    Expired,
    /// Its workers kept dying.
    Poison,
    /// The answer to a call that must not be repeated was lost, or its worker vanished in mid-call.
    UnknownOutcome,
    /// The database kept the row without an error (a trigger, a rule).
    NotDeleted,
    /// The row no longer carries the marker: somebody un-removed it.
    RowLiveAgain,
    /// Another table still references the row.
    Referenced,
    /// A child's deletion is dead.
    ChildDead,
    /// The target does not agree that the twin is gone.
    NotVerified,
}

impl DeadKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Rejected,
        Self::BadTemplate,
        Self::Exhausted,
        Self::Expired,
        Self::Poison,
        Self::UnknownOutcome,
        Self::NotDeleted,
        Self::RowLiveAgain,
        Self::Referenced,
        Self::ChildDead,
        Self::NotVerified,
    ];

    /// The kind's name, as in the ledger and in `dlq --kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::BadTemplate => "bad_template",
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::Poison => "poison",
            Self::UnknownOutcome => "unknown_outcome",
            Self::NotDeleted => "not_deleted",
            Self::RowLiveAgain => "row_live_again",
            Self::Referenced => "referenced",
            Self::ChildDead => "child_dead",
            Self::NotVerified => "not_verified",
        }
    }
}

impl fmt::Display for DeadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for DeadKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("`{name}` is not a kind of dead letter; expected one of {}", known.join(", "))
        })
    }
}
