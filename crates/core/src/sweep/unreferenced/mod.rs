//! Rows that are only there because others reference them: deprecated when nothing does any more, hidden from choice a
//! while later, and deleted in the end.
//!
//! A row is deleted in two statements of one READ COMMITTED transaction: the first locks it, passing over rows that somebody
//! else has locked, the second deletes it if nothing references it. One statement would not do, since all of it runs on one
//! snapshot (PostgreSQL §13.2.1): a second check in it sees nothing newer than the first. The lock is `for update`, since
//! only that conflicts with the `for key share` of whoever inserts a reference (§13.3.2).

mod act;
mod look;

pub use look::{Page, Seen, Step};

use crate::{
    catalog::{Table, Unreferenced},
    store::Store,
};

/// A way through the rows of a table.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'p> {
    /// The database, and the ledger for rows that were removed and restored.
    pub store: &'p Store,
    /// The table, and what references it.
    pub unreferenced: &'p Unreferenced,
    /// The same table, if its rows can be removed as well: those that are marked are left alone.
    pub table: Option<&'p Table>,
    /// Since when every row has been looked at often enough, as the database writes times.
    pub covered_from: &'p str,
    /// When the pass began that looked at every row last, or this one if there was none; nothing is deleted once that is
    /// too long ago.
    pub looked_at: &'p str,
}
