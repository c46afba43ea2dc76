//! Requesting and restoring as the command line and the HTTP API do it: in a transaction of its own, with hints after
//! the commit.

mod hints;
mod request;
mod restore;

pub(crate) use hints::Hints;
pub(crate) use request::{RequestError, missing_keys, request_deletions};
pub(crate) use restore::{Restore, restore_deletions};
