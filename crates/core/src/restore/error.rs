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
    #[error("deletion {id} cannot be restored: {why}")]
    TooLate {
        /// The deletion.
        id: DeletionId,
        /// What happened to it.
        why: String,
    },
    /// Its resource is not configured here, so the row cannot be found.
    #[error("deletion {id} is of resource `{resource}`, which is not configured here")]
    UnknownResource {
        /// The deletion.
        id: DeletionId,
        /// Its resource.
        resource: String,
    },
    /// The database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] db::Error),
}
