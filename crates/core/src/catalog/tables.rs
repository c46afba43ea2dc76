//! All configured tables together, and which of them are children of which.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{ConfigProblem, Table, UnreferencedTable};
use crate::{
    config::ChildThen,
    ids::{Lane, ResourceName},
};

/// The configured tables, resolved.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub(super) tables: BTreeMap<ResourceName, Arc<Table>>,
    pub(super) unreferenced: BTreeMap<ResourceName, Arc<UnreferencedTable>>,
    pub(super) unreferenced_problems: Vec<ConfigProblem>,
}

impl Catalog {
    /// Whether deletions of `resource` may have to wait for those of children.
    #[must_use]
    pub fn waits_for_children(&self, resource: &ResourceName) -> bool {
        let mut visited = BTreeSet::from([resource]);
        let mut open = vec![resource];
        while let Some(table) = open.pop().and_then(|name| self.tables.get(name)) {
            for rule in &table.children {
                match (rule.then, &rule.resource) {
                    (ChildThen::Request, _) => return true,
                    (ChildThen::Delete, Some(child)) if visited.insert(child) => open.push(child),
                    _ => {}
                }
            }
        }
        false
    }

    /// Whether deletions of other resources may have to wait for those of `resource`.
    #[must_use]
    pub fn is_waited_for(&self, resource: &ResourceName) -> bool {
        let mut rules = self.tables.values().flat_map(|table| &table.children);
        rules.any(|rule| rule.then == ChildThen::Request && rule.resource.as_ref() == Some(resource))
    }

    /// Whether rows of `resource` may be removed together with rows that they name as their parents.
    #[must_use]
    pub fn is_child(&self, resource: &ResourceName) -> bool {
        let mut rules = self.tables.values().flat_map(|table| &table.children);
        rules.any(|rule| rule.then == ChildThen::Delete && rule.resource.as_ref() == Some(resource))
    }

    /// The tables with twins whose rows may be deleted together with a row of `table`, without a deletion of their own:
    /// those of its children, and `table` itself if another resource has it as well.
    #[must_use]
    pub fn tables_deleted_with(&self, table: &Table) -> Vec<String> {
        let has_twins = |sql: &str| self.tables.values().any(|t| t.rows.sql == sql && !t.resource.targets.is_empty());
        let mut visited = BTreeSet::new();
        let mut tables = BTreeSet::new();
        let mut open = vec![&table.name];
        while let Some(parent) = open.pop().and_then(|name| self.tables.get(name)) {
            for rule in parent.children.iter().filter(|rule| rule.then == ChildThen::Delete) {
                tables.insert(rule.rows.sql.clone());
                open.extend(rule.resource.as_ref().filter(|child| visited.insert(*child)));
            }
        }
        let shares = |other: &Arc<Table>| other.name != table.name && other.rows.sql == table.rows.sql;
        if self.tables.values().any(shares) {
            tables.insert(table.rows.sql.clone());
        }
        tables.into_iter().filter(|sql| has_twins(sql)).collect()
    }

    /// The table of a resource.
    #[must_use]
    pub fn table(&self, resource: &ResourceName) -> Option<&Arc<Table>> {
        self.tables.get(resource)
    }

    /// The table of the resource called `name`.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.iter().find(|(known, _)| known.as_str() == name).map(|(_, table)| table)
    }

    /// Why the sweep `unreferenced` does nothing about the rows of some tables. It keeps no worker from starting: an
    /// application may have added a foreign key a moment ago, and deletions do not depend on it.
    #[must_use]
    pub fn unreferenced_problems(&self) -> &[ConfigProblem] {
        &self.unreferenced_problems
    }

    /// The tables whose unreferenced rows are deleted.
    pub fn unreferenced(&self) -> impl Iterator<Item = &Arc<UnreferencedTable>> {
        self.unreferenced.values()
    }

    /// All tables of which rows can be removed.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// The lanes that this process knows: each resource, and each of its targets as `resource.target`.
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        self.tables.values().flat_map(|table| table.lanes()).collect()
    }
}
