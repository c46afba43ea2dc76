//! Why a deletion cannot be taken back.

use crate::{
    db,
    ids::{BatchId, DeletionId},
};

/// Why a deletion cannot be taken back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("there is no deletion {0}")]
    NotFound(DeletionId),
    /// There is no request with open deletions.
    #[error("the request {0} has no deletion that could be restored")]
    NothingInBatch(BatchId),
    /// It is too late.
    #[error("deletion {id} of {row} cannot be restored: {why}")]
    TooLate {
        /// The deletion.
        id: DeletionId,
        /// Its resource and the row's key.
        row: String,
        /// What happened to it.
        why: String,
    },
    /// The row would stay marked.
    #[error(
        "deletion {id} of {row} cannot be restored: the row would stay removed. It carried a marker before, another \
         one was written since, or another row takes it along. Take the marker away, and restore once more"
    )]
    StillMarked {
        /// The deletion.
        id: DeletionId,
        /// Its resource and the row's key.
        row: String,
    },
    /// A resource is not configured here, so its rows cannot be found.
    #[error("a deletion is of resource `{resource}`, which is not configured here")]
    UnknownResource {
        /// The resource.
        resource: String,
    },
    /// The database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] db::Error),
}
