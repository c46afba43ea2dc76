//! The application's rows: reading them as they are now, and deleting them together with the ledger's completion.

mod compare;
mod family;
mod postgres;
mod references;
mod removal;
mod remove;
mod sqlite;

pub(crate) use compare::{Now, compare};
pub(crate) use family::{Part, remove_part};
pub(crate) use removal::{Completion, Removal};
pub(crate) use remove::remove;
