//! Phase 1: marking rows and recording their deletions in one transaction, and taking that back.
//!
//! Everything here runs in the caller's transaction, so that nothing external is ever deleted without a durable record
//! that was committed together with the mark.

pub mod adopt;
pub mod again;
mod at_once;
pub mod bulk;
mod children;
mod kept;
mod mark_children;
mod postgres;
mod request;
mod restore;
mod sqlite;
mod sqlite_record;
mod statements;
mod unmark;
mod wake;

pub use children::request_children;
pub use request::{Request, Requested, soft_remove};
pub use restore::{RestoreError, Restored, restore, restore_batch};
pub use statements::statements;
pub use wake::DUE_CHANNEL;
pub(crate) use wake::notify;
