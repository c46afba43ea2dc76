//! Phase 1 and its undoing as the command line and the HTTP API do them: in a transaction of their own, with hints
//! after the commit.

mod hints;
mod request;
mod restore;

pub(crate) use hints::Hints;
pub(crate) use request::{RequestError, missing, request};
pub(crate) use restore::{TakeBack, take_back};
