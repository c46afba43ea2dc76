//! Taking deletions back, as long as no external call was made: the deletion is cancelled and its rows are live again.
//!
//! Everything here runs in the caller's transaction, in statements for all deletions at once; only [`postpone_batch`]
//! has a short one of its own.

mod error;
pub(crate) mod lock;
mod postpone;
mod statements;
mod take_back;
pub(crate) mod unmark;

pub use error::Error;
pub use postpone::{Postponement, postpone_batch};
pub use take_back::{MarkedRows, Restored, restore, restore_batch};
