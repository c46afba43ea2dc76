//! Why children could not be deleted.

use crate::db;

/// Why children could not be deleted. Nothing may be committed then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database kept a row without an error: a trigger said no.
    #[error("{table} kept a row without an error")]
    RowKept {
        /// The row's table.
        table: String,
    },
    /// The database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] db::Error),
}
