//! What is to be done with a row, before it is done.

use super::{compare::Now, deletion::HardDelete, outcome::HardDeleteOutcome};

/// What is to be done with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowPlan {
    /// Its children are deleted, and then the row.
    Delete,
    /// The row is gone. Children that are still there are deleted.
    FinishGone,
    /// The row was deleted together with its children.
    FinishDeleted,
    /// The row stays, marked.
    FinishKept,
    /// Nothing, for this reason.
    Leave(HardDeleteOutcome),
}

impl RowPlan {
    /// The plan for a deletion whose row was locked and read.
    pub(super) fn new(deletion: &HardDelete, now: &Now) -> Self {
        match now {
            Now::Same if deletion.delete => Self::Delete,
            Now::Same => Self::FinishKept,
            Now::Changed(now) => Self::Leave(HardDeleteOutcome::Changed(now.clone())),
            Now::LiveAgain => Self::Leave(HardDeleteOutcome::LiveAgain),
            Now::Gone => Self::FinishGone,
        }
    }

    /// What became of the row, given whether the database deleted it.
    pub(super) fn outcome(self, is_deleted: bool) -> HardDeleteOutcome {
        match self {
            Self::Delete if is_deleted => HardDeleteOutcome::Deleted,
            Self::Delete => HardDeleteOutcome::Refused,
            Self::FinishGone => HardDeleteOutcome::AlreadyGone,
            Self::FinishDeleted => HardDeleteOutcome::Deleted,
            Self::FinishKept => HardDeleteOutcome::Kept,
            Self::Leave(outcome) => outcome,
        }
    }
}
