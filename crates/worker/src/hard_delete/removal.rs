//! A removal of a row, and what it can come to.

use sexton_core::{
    db,
    ids::{DeletionId, Fence},
    key::Key,
    ledger::Confirmations,
    template::Values,
};

/// Below `deadlock_timeout`, so that we give way and the application wins (otherwise: 40P01, measured). And what is deleted
/// here is none of the guards' business: see [`sexton_core::guard`].
pub(super) const LIMITS: &str =
    "set local lock_timeout = '100ms'; set local statement_timeout = '5s'; set local sexton.deleting = '0'";

/// A deletion all of whose targets confirmed, and the row that is to go (or to stay, marked).
#[derive(Debug, Clone)]
pub(crate) struct Removal {
    pub(crate) id: DeletionId,
    pub(crate) fence: Fence,
    pub(crate) key: Key,
    /// None if it was gone when its deletion was recorded.
    pub(crate) rule: Option<usize>,
    /// The captured columns with which the targets were called.
    pub(crate) payload: Values,
    pub(crate) confirmations: Confirmations,
    /// False for `then = "keep"`.
    pub(crate) delete: bool,
}

/// What it came to. Only the first three end the deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Completion {
    /// The row is gone, by us.
    Deleted,
    /// The row was gone already.
    AlreadyGone,
    /// The row stays, marked.
    Kept,
    /// Somebody holds a lock on the row.
    Locked,
    /// A captured column changed since the targets were called.
    Changed(Values),
    /// The row no longer carries the marker that we wrote.
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
    /// The lease was lost: nothing was changed.
    Lost,
}

/// Why a batch was rolled back.
#[derive(Debug)]
pub(super) enum Undone {
    /// Whatever the database says.
    Database(db::Error),
    /// More children than one transaction should delete.
    Many,
    /// The database kept a child of this table without an error.
    Kept(String),
    /// The database kept a row without an error, after its children went.
    RowKept,
}

impl From<db::Error> for Undone {
    fn from(error: db::Error) -> Self {
        Self::Database(error)
    }
}
