//! All rows that go with some rows, to any depth, and in which order.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use super::unfinished::{Unfinished, any_goes_before};
use crate::{
    catalog::{ChildRule, Rows},
    db,
    ids::{DeletionId, ResourceName},
    ledger::Ledger,
    template::Values,
};

/// A row that is to be deleted with its descendants.
#[derive(Debug, Clone)]
pub struct RowToDelete {
    /// Its resource.
    pub resource: ResourceName,
    /// Its key.
    pub key: String,
    /// Its captured columns.
    pub values: Values,
}

/// A row that is deleted with its parent.
#[derive(Debug)]
pub(super) struct Descendant {
    /// The rule by which it was found.
    pub(super) rule: ChildRule,
    pub(super) key: String,
    pub(super) values: Values,
    /// The longest way to a row without children of its own.
    pub(super) height: usize,
    /// Its own children, as places in [`Descendants::rows`].
    pub(super) children: Vec<usize>,
}

/// A row that is not deleted and is to reference its parent no longer.
#[derive(Debug)]
pub(super) struct RowToClear {
    pub(super) parent: Node,
    pub(super) rule: ChildRule,
    pub(super) key: String,
}

/// A row by its number: one of those that are to be deleted, or a descendant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Node {
    ToDelete(usize),
    Descendant(usize),
}

/// The descendants of some rows that are to be deleted. The rows are numbered as they were given.
#[derive(Debug, Default)]
pub struct Descendants {
    /// The tables and keys of the rows that are to be deleted.
    pub(super) to_delete: Vec<(Rows, String)>,
    /// Rows that are deleted with their parents.
    pub(super) rows: Vec<Descendant>,
    pub(super) to_clear: Vec<RowToClear>,
    /// For each row to delete: its descendants, as places in `rows`.
    pub(super) of_row: Vec<BTreeSet<usize>>,
    /// For each row to delete: children whose own deletions come first.
    pub(super) unfinished: Vec<Vec<Unfinished>>,
    /// For each row to delete: whether another transaction has locked a descendant.
    pub(super) locked: Vec<bool>,
    /// Whether there are more descendants than the limit.
    pub(super) truncated: bool,
    /// Whether rows reference each other in a circle: none can be deleted before the others.
    pub(super) circle: bool,
}

impl Descendants {
    /// How many descendants the row has.
    #[must_use]
    pub fn count(&self, row: usize) -> usize {
        self.of_row.get(row).map_or(0, BTreeSet::len)
    }

    /// Whether another transaction has locked a descendant of the row.
    #[must_use]
    pub fn is_locked(&self, row: usize) -> bool {
        self.locked.get(row).copied().unwrap_or_default()
    }

    /// The children of the row, or of its descendants, that have deletions of their own to finish.
    #[must_use]
    pub fn unfinished(&self, row: usize) -> &[Unfinished] {
        self.unfinished.get(row).map_or(&[], Vec::as_slice)
    }

    /// Whether the row's deletion `id` has to wait for one of its children. It waits neither for itself nor for
    /// deletions that wait for it: in a circle the one requested first goes last.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn has_unfinished(
        &self,
        conn: &impl ConnectionTrait,
        ledger: &Ledger,
        row: usize,
        id: DeletionId,
    ) -> Result<bool, db::Error> {
        any_goes_before(conn, ledger, id, self.unfinished(row)).await
    }

    /// Whether there are more descendants than the limit: what was found is not all.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The descendants of those rows that `chosen` says, each once, children before their parents.
    pub(super) fn of_chosen(&self, chosen: &[bool]) -> Vec<&Descendant> {
        let mut rows: Vec<_> = self.numbers_of_chosen(chosen).into_iter().map(|row| &self.rows[row]).collect();
        rows.sort_by_key(|row| row.height);
        rows
    }

    /// The rows that are not deleted with those rows and are to reference their parents no longer.
    pub(super) fn to_clear<'d>(&'d self, chosen: &'d [bool]) -> impl Iterator<Item = &'d RowToClear> {
        let deleted = self.numbers_of_chosen(chosen);
        self.to_clear.iter().filter(move |row| match row.parent {
            Node::ToDelete(row) => chosen[row],
            Node::Descendant(row) => deleted.contains(&row),
        })
    }

    fn numbers_of_chosen(&self, chosen: &[bool]) -> BTreeSet<usize> {
        let of_chosen = self.of_row.iter().zip(chosen).filter(|(_, chosen)| **chosen);
        of_chosen.flat_map(|(rows, _)| rows.iter().copied()).collect()
    }
}

impl Descendant {
    pub(super) const fn rows(&self) -> &Rows {
        &self.rule.rows
    }
}
