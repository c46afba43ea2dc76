//! The two halves of a deletion's life.

use serde::Serialize;

/// Which half of its life a deletion is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Targets are called.
    Confirm,
    /// All targets confirmed; the row is hard-deleted later (`delete_after`).
    Remove,
}

impl Phase {
    /// As in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Remove => "remove",
        }
    }
}

impl std::str::FromStr for Phase {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "confirm" => Ok(Self::Confirm),
            "remove" => Ok(Self::Remove),
            other => Err(format!("`{other}` is not a phase of a deletion")),
        }
    }
}
