//! A deletion whose row is to be deleted, or to stay, marked.

use std::time::Duration;

use sea_orm::DatabaseTransaction;
use sexton_core::{
    catalog::Table,
    children::RowToDelete,
    ids::{DeletionId, Fence},
    key::Key,
    ledger::Confirmations,
    store::Store,
    template::Values,
};

use super::compare::Captured;

/// A deletion all of whose targets confirmed, and its row.
#[derive(Debug, Clone)]
pub(crate) struct HardDelete {
    pub(crate) id: DeletionId,
    pub(crate) fence: Fence,
    pub(crate) key: Key,
    /// The number of the rule that marked the row; none if it was gone when its deletion was recorded.
    pub(crate) rule: Option<usize>,
    /// The captured columns with which the targets were called.
    pub(crate) payload: Values,
    pub(crate) confirmations: Confirmations,
    /// False for `then = "keep"`.
    pub(crate) delete: bool,
    /// Whether its children reference each other in a circle, so that none can go before the others.
    pub(crate) in_circle: bool,
}

impl HardDelete {
    pub(super) const fn captured(&self) -> Captured<'_> {
        (&self.key, self.rule, &self.payload)
    }

    pub(crate) fn row_to_delete(&self, table: &Table) -> RowToDelete {
        RowToDelete { resource: table.name.clone(), key: self.key.to_string(), values: self.payload.clone() }
    }
}

/// Deletions of rows of one table, and the transaction in which they are completed.
pub(super) struct Batch<'b> {
    pub(super) transaction: &'b DatabaseTransaction,
    pub(super) store: &'b Store,
    pub(super) table: &'b Table,
    pub(super) deletions: &'b [HardDelete],
    /// How long a statement may take.
    pub(super) limit: Duration,
}
