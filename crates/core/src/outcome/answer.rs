//! How a target confirmed a deletion, and what a later look at the twin found.

use serde::{Deserialize, Serialize};

use super::{Failure, Outcome};

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

/// What a look at a twin found that the target said it deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It is gone.
    Gone,
    /// It is still there, or the answer does not say that it is gone.
    Differs(Failure),
    /// There was no usable answer; never [`Outcome::Confirmed`].
    Failed(Outcome),
}

impl Look {
    /// A look that failed. A second look does no harm, so a lost answer is retried.
    #[must_use]
    pub fn failed(outcome: Outcome) -> Self {
        Self::Failed(outcome.of_harmless_request())
    }
}
