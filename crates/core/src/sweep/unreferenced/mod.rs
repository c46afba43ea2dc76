//! `unreferenced`: rows that are only there because others reference them. They are deprecated when nothing references
//! them any more, hidden from choice a while later, and deleted in the end.
//!
//! A row is deleted in two statements of one READ COMMITTED transaction:
//! 1. The first locks the row, passing over rows that are locked already. The lock is `for update`, since only that
//!    conflicts with the `for key share` of a transaction that inserts a reference (PostgreSQL §13.3.2).
//! 2. The second deletes it if nothing references it.
//!
//! One statement would not do: all of it runs on one snapshot (§13.2.1), so a second check in it sees nothing newer
//! than the first.

mod act;
mod look;

pub use look::{Page, RowObservation, Step};

use crate::{
    catalog::{Table, UnreferencedTable},
    store::Store,
};

/// A pass of the sweep over one table.
#[derive(Debug, Clone, Copy)]
pub struct TablePass<'p> {
    /// The database, and the ledger for rows that were removed and restored.
    pub store: &'p Store,
    /// The table, and what references it.
    pub unreferenced: &'p UnreferencedTable,
    /// The same table, if its rows can be removed as well: the sweep does nothing about those that are marked.
    pub table: Option<&'p Table>,
    /// Since when every row has been looked at often enough, as the database writes times.
    pub covered_from: &'p str,
    /// When the last complete pass began, or this one if there was none. Nothing is deleted once that is too long ago.
    pub looked_at: &'p str,
}
