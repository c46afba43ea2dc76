//! What became of a row that was to be deleted.

use std::time::Duration;

use sexton_core::{db, ledger::RowOutcome, template::Values};

/// What became of the row. Only the first three end the deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HardDeleteOutcome {
    /// The row was deleted.
    Deleted,
    /// The row was gone already.
    AlreadyGone,
    /// The row stays, marked.
    Kept,
    /// Another transaction has locked the row.
    Locked,
    /// A captured column changed since the targets were called.
    Changed(Values),
    /// The row no longer carries the marker that was written.
    LiveAgain,
    /// The database kept the row without an error.
    Refused,
    /// Another row references it; the constraint and its table, as far as the database names them.
    Referenced(String),
    /// The database kept a child of this table without an error.
    ChildRefused(String),
    /// Children with deletions of their own are not finished.
    ChildrenFirst,
    /// There are more children than one transaction should delete.
    ManyChildren,
    /// A statement took longer than this limit.
    TooSlow(Duration),
    /// The lease was lost: nothing was changed.
    Lost,
}

impl HardDeleteOutcome {
    /// As the ledger has it; none if the deletion continues.
    pub(super) const fn finished(&self) -> Option<RowOutcome> {
        match self {
            Self::Deleted => Some(RowOutcome::Deleted),
            Self::AlreadyGone => Some(RowOutcome::AlreadyGone),
            Self::Kept => Some(RowOutcome::Kept),
            _ => None,
        }
    }
}

/// Why the transaction of a batch is rolled back.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The database did not answer, or refused.
    Database(db::Error),
    /// There are more children than one transaction should delete.
    ManyChildren,
    /// The database kept a child of this table without an error.
    ChildRefused(String),
    /// The database kept a row without an error, after its children were deleted.
    RowRefused,
}

impl From<db::Error> for Stopped {
    fn from(error: db::Error) -> Self {
        Self::Database(error)
    }
}
