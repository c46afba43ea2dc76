//! What the catalogue says of a relation.

use std::collections::BTreeSet;

use crate::catalog::Column;

/// What kind of relation a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::catalog) enum Relation {
    Table,
    View,
    Foreign,
}

/// What the catalogue says of a relation.
#[derive(Debug, Clone)]
pub(in crate::catalog) struct Description {
    /// The qualified, quoted name.
    pub(in crate::catalog) sql: String,
    pub(in crate::catalog) relation: Relation,
    pub(in crate::catalog) columns: Vec<Column>,
    /// The columns of the primary key; none if there is no such key.
    pub(in crate::catalog) primary_key: Vec<String>,
    /// The column sets that are unique.
    pub(in crate::catalog) unique: Vec<BTreeSet<String>>,
    /// The table of which it is a partition, at any depth.
    pub(in crate::catalog) part_of: Option<String>,
    /// A table whose rows are also rows of this one (PostgreSQL, "Inheritance").
    pub(in crate::catalog) inherited_by: Option<String>,
    /// A table whose rows these are as well.
    pub(in crate::catalog) inherits: Option<String>,
    /// Whether row-level security applies to our role.
    pub(in crate::catalog) row_security: bool,
    /// Whether a rewrite rule replaces updates or deletes.
    pub(in crate::catalog) rewrite_rule: bool,
}

impl Description {
    /// Why rows cannot be found and deleted by this table, which the configuration calls `table`; none if they can.
    /// Rows that are deleted through another table fire no guard here, and no index is unique over several tables.
    pub(in crate::catalog) fn shares_rows(&self, table: &str) -> Option<String> {
        if let Some(root) = &self.part_of {
            return Some(format!("`{table}` is a partition of `{root}`; name `{root}`, through which its rows go too"));
        }
        if let Some(heir) = &self.inherited_by {
            return Some(format!(
                "rows of `{heir}`, which inherits from `{table}`, would be taken for rows of it, and their keys may \
                 repeat; name a table without inheritance"
            ));
        }
        let parent = self.inherits.as_ref()?;
        Some(format!(
            "`{table}` inherits from `{parent}`, through which its rows can go without a trace; name a table without \
             inheritance"
        ))
    }

    /// The column `name`.
    pub(in crate::catalog) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The names of all columns, for messages.
    pub(in crate::catalog) fn column_names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}
