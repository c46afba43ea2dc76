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
mod record;
mod request;
mod restore;
mod soft_remove;
mod sqlite;
mod sqlite_mark;
mod sqlite_record;
mod statements;
mod unmark;

pub use children::request_children;
pub use request::{Request, Requested};
pub use restore::{RestoreError, Restored, restore, restore_batch};
pub use soft_remove::soft_remove;
pub use statements::statements;
