//! Phase 1: marking rows and recording their deletions in one transaction.
//!
//! Everything here runs in the caller's transaction, so that nothing external is ever deleted without a durable record
//! that was committed together with the mark.

pub(crate) mod at_once;
pub mod bulk;
mod children;
mod kept;
pub(crate) mod mark_children;
pub(crate) mod postgres;
mod record;
mod remove;
mod request;
mod sqlite;
mod sqlite_mark;
mod sqlite_record;

pub use children::request_children;
pub use remove::soft_remove;
pub use request::{Request, Requested};
