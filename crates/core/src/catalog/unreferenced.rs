//! A table whose unreferenced rows are deleted, and the foreign keys that reference it.

use super::{Column, ConfigProblem, Rows, Table, pages::Paging};
use crate::{
    config::{AfterConfirmation, Unreferenced as Settings},
    db::quote,
    ids::ResourceName,
};

/// A table whose unreferenced rows are deleted.
#[derive(Debug, Clone)]
pub struct UnreferencedTable {
    /// The resource.
    pub name: ResourceName,
    /// The table, as configured.
    pub table: String,
    /// Its settings.
    pub settings: Settings,
    /// Where its rows are.
    pub rows: Rows,
    /// The column that says since when a row has been unreferenced.
    pub since: Column,
    /// The foreign keys that reference it.
    pub references: Vec<ResolvedReference>,
    /// Why the sweep does nothing about its rows: foreign keys that are not as configured, or not as they have to be.
    pub problems: Vec<ConfigProblem>,
    pub(super) paging: Vec<usize>,
}

/// A foreign key, resolved.
#[derive(Debug, Clone)]
pub struct ResolvedReference {
    /// The referencing table's qualified, quoted name.
    pub sql: String,
    /// What is compared.
    pub columns: Vec<Pair>,
}

/// A referencing column and the one that it references.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The referencing column.
    pub from: String,
    /// The referenced one.
    pub to: String,
    /// The operator by which the foreign key compares them, with the referenced one on the left: another would take its
    /// types or its collation for something else.
    pub equals: String,
}

impl ResolvedReference {
    /// Whether the row `row` of the referencing table names the row `referenced`.
    #[must_use]
    pub fn names(&self, row: &str, referenced: &str) -> String {
        let pair =
            |pair: &Pair| format!("{referenced}.{} {} {row}.{}", quote(&pair.to), pair.equals, quote(&pair.from));
        self.columns.iter().map(pair).collect::<Vec<_>>().join(" and ")
    }
}

impl UnreferencedTable {
    /// How pages of the table follow each other.
    pub(crate) fn paging(&self) -> Paging<'_> {
        Paging { rows: &self.rows, by: &self.paging }
    }

    /// Whether any row references the row `t`. Not `exists`, which may be answered by reading the referencing table as
    /// a whole first.
    #[must_use]
    pub fn referenced(&self) -> String {
        let by = |reference: &ResolvedReference| {
            format!("(select true from {} r where {} limit 1) is not null", reference.sql, reference.names("r", "t"))
        };
        format!("({})", self.references.iter().map(by).collect::<Vec<_>>().join(" or "))
    }

    /// Whether a row of `table` is deleted at once, without a record. It is if there is no target to call, no child, no
    /// grace, and no marker rule that keeps the row.
    #[must_use]
    pub fn is_deleted_at_once(table: Option<&Table>) -> bool {
        let at_once = |table: &Table| {
            let resource = &table.resource;
            let deleted = table.rules.iter().all(|rule| rule.then == AfterConfirmation::Delete);
            resource.targets.is_empty() && table.children.is_empty() && resource.grace.is_zero() && deleted
        };
        table.is_none_or(at_once)
    }
}
