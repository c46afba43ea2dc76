//! Taking deletions back, as long as no external call was made: the deletion is cancelled and its rows are live again.
//!
//! Everything here runs in the caller's transaction.

mod error;
mod statements;
pub(crate) mod take_back;
pub(crate) mod unmark;

pub use error::Error;
pub use take_back::{Restored, restore, restore_batch};
