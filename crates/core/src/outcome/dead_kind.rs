//! Why a deletion is dead.
//!
//! To add a kind of dead letter:
//! 1. Add it to [`DeadKind`], to [`DeadKind::ALL`] and to [`DeadKind::as_str`].
//! 2. Return it where the deletion dies; for what a call came to, that is the worker's `engine/failed_calls.rs`.
//! 3. Write its section in `docs/runbook.md`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a deletion is dead. Each has a page in docs/runbook.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadKind {
    /// A target refused for good.
    Rejected,
    /// The row gives no request that may be sent.
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
    /// The row no longer carries the marker: an application took it away.
    RowLiveAgain,
    /// Another table still references the row.
    Referenced,
    /// A child's deletion is dead.
    ChildDead,
    /// The target does not agree that the twin is gone.
    NotVerified,
    /// Its target or its resource is in no configuration any more.
    TargetNotConfigured,
    /// The database takes too long to delete the row.
    SlowDelete,
    /// The database cannot give a value of the row, or of the ledger's entry.
    Unreadable,
}

impl DeadKind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
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
        Self::TargetNotConfigured,
        Self::SlowDelete,
        Self::Unreadable,
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
            Self::TargetNotConfigured => "target_not_configured",
            Self::SlowDelete => "slow_delete",
            Self::Unreadable => "unreadable",
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
