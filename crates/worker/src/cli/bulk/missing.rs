//! Keys without a row, which end the command with an exit code of their own.

use sexton_core::catalog::Table;

use crate::cli::error::{Error, Result};

/// Fails with exit code 3 if keys had no row.
pub(super) fn fail_if_missing(table: &Table, missing: u64, others: &str) -> Result {
    match missing {
        0 => Ok(()),
        n => Err(Error::NotFound(format!("{n} keys have no row in {}; {others}", table.name))),
    }
}
