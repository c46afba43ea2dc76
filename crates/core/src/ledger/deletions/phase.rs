//! The two halves of a deletion's life.

use serde::Serialize;

/// Which half of its life a deletion is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum Phase {
    /// Targets are called.
    Confirm,
    /// All targets confirmed; the row is hard-deleted later (`delete_after`). The ledger calls it `remove`.
    HardDelete,
}

impl Phase {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Confirm, Self::HardDelete];

    /// As in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::HardDelete => "remove",
        }
    }
}

impl From<Phase> for &'static str {
    fn from(phase: Phase) -> Self {
        phase.as_str()
    }
}

impl std::str::FromStr for Phase {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let phase = Self::ALL.into_iter().find(|phase| phase.as_str() == name);
        phase.ok_or_else(|| format!("`{name}` is not a phase of a deletion"))
    }
}
