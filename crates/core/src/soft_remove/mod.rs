//! Phase 1: marking rows and recording their deletions in one transaction.
//!
//! Everything here runs in the caller's transaction, so that nothing external is ever deleted without a durable record
//! that was committed together with the mark.

pub mod bulk;
mod child_deletions;
mod confirmations;
pub(crate) mod delete_at_once;
pub(crate) mod mark_children;
mod mark_row;
pub(crate) mod record;
mod remove;
mod remove_children;
mod request;

pub use remove::soft_remove;
pub use remove_children::request_children;
pub use request::{DeletionRequest, Requested};
