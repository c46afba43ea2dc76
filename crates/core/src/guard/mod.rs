//! Guards: triggers on the application's tables, so that what others do there does not slip past the ledger.
//!
//! * `deleted` records the deletion of a row that was deleted with plain SQL.
//! * `referenced` keeps a row that nothing references from being referenced too late.
//!
//! They are generated from the resolved table. What is installed is compared with what would be generated now
//! (`state`), and changes only when an operator says so ([`install`]). A guard that fails fails the statement that
//! fired it: record or do not delete.
//!
//! Deletes of our own say so for as long as they take ([`begin_own`]), in the transaction that is open:
//! * on PostgreSQL by the setting `sexton.deleting`. It is the depth of triggers at which they run, so that what an
//!   application's trigger deletes in consequence is recorded;
//! * on SQLite, which has no such settings, by rows in `sexton_deleting`.

mod advice;
mod deleted;
mod family;
mod install;
mod own;
mod referenced;
mod seen;
mod settings;
mod state;
mod trigger;

pub use advice::{advice, broken, unguarded};
pub use install::{InstallError, install, remove};
pub use own::{begin_own, end_own};
pub use seen::look_at_guards;
pub use state::{Guard, GuardState, Standing, guards, left_over};
pub use trigger::Trigger;

use crate::{ids::ResourceName, store::Store};

/// All guards that there can be, each with its resource, those of a resource one after the other.
fn triggers(store: &Store) -> Vec<(&ResourceName, Trigger)> {
    let deleted = store
        .catalog
        .tables()
        .filter_map(|table| Some((&table.name, deleted::trigger(&store.ledger, &store.catalog, table)?)));
    let referenced = store.catalog.unreferenced().flat_map(|unreferenced| {
        let table = store.catalog.table(&unreferenced.name).map(AsRef::as_ref);
        let triggers = referenced::triggers(&store.ledger, unreferenced, table);
        triggers.into_iter().map(|trigger| (&unreferenced.name, trigger))
    });
    let mut all: Vec<_> = deleted.chain(referenced).collect();
    all.sort_by_key(|(resource, _)| *resource);
    all
}
