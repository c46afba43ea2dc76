//! Guards: triggers on the application's tables that keep what others do there from slipping past the ledger.
//!
//! [`deleted`] records the deletion of a row that somebody deleted with plain SQL. They are generated from the resolved
//! table, so what is installed is held against what would be generated now ([`state`]), and nothing of it changes before
//! an operator says so ([`install`]). A guard that fails fails the statement that fired it: record or do not delete.
//!
//! Deletes of our own say so for as long as they take ([`begin_own`]), in the transaction that is open: on PostgreSQL by
//! the setting `sexton.deleting`, which is the depth of triggers at which they run, so that what an application's trigger
//! deletes in consequence is recorded; on SQLite, which has no such settings, by rows in `sexton_deleting`.

mod advice;
mod deleted;
mod install;
mod own;
mod state;
mod trigger;

pub use advice::advice;
pub use install::{InstallError, install, remove};
pub use own::{begin_own, end_own};
pub use state::{Guard, State, guards, left_over};
pub use trigger::Trigger;

use crate::{catalog::Table, ledger::Ledger};

/// The guards of a resource; none if it needs none.
#[must_use]
pub fn triggers(ledger: &Ledger, table: &Table) -> Vec<Trigger> {
    deleted::trigger(ledger, table).into_iter().collect()
}
