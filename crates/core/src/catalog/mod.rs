//! What the database says of the configured tables: where they are, the types of their columns, what is unique.
//!
//! The worker knows tables from `sexton.toml`, not from compiled entities, so everything that a wrong name or type
//! could break is found here, once, before anything starts; the result is a [`Table`] with the SQL fragments that
//! the statements on the application's rows are made of.

mod advice;
mod bind;
mod child;
mod children;
mod column;
mod foreign_keys;
pub mod key;
mod live;
mod pages;
mod postgres;
mod problem;
mod rows;
mod sqlite;
mod table;
mod unreferenced;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use child::{ChildRule, Link};
pub use column::{Column, KeyType};
pub(crate) use live::{Among, Lock};
pub use pages::Cursor;
pub(crate) use pages::Paging;
pub use problem::Problem;
pub use rows::Rows;
pub use table::{Rule, Table};
pub use unreferenced::{Pair, Reference, Unreferenced};

use self::{children::Binding, table::Description};
use crate::{
    config::{Adopt, ChildThen, Config, Resource},
    db::{self, Db, Dialect},
    ids::{Lane, ResourceName},
};

/// The configured tables, resolved.
#[derive(Debug, Clone)]
pub struct Catalog {
    tables: BTreeMap<ResourceName, Arc<Table>>,
    unreferenced: BTreeMap<ResourceName, Arc<Unreferenced>>,
    left_alone: Vec<Problem>,
}

/// Why the tables cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration does not fit the database.
    #[error("{}", problem::list(.0))]
    Problems(Vec<Problem>),
    /// The database did not answer.
    #[error("cannot read the database's catalogue: {0}")]
    Database(#[from] db::Error),
}

impl Catalog {
    /// Resolves every resource of `config`.
    ///
    /// # Errors
    /// [`Error::Problems`] with all that is wrong, each with its key path and remedy.
    pub async fn load(db: &Db, config: &Config) -> Result<Self, Error> {
        Self::of(db, &config.resources).await
    }

    /// Resolves `resources`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn of(db: &Db, resources: &BTreeMap<ResourceName, Resource>) -> Result<Self, Error> {
        let mut tables = BTreeMap::new();
        let mut problems = Vec::new();
        let (mut described, mut unreferenced, mut left_alone) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (name, resource) in resources {
            match Unreferenced::load(db, name, resource).await? {
                None => {}
                Some(Ok(found)) => {
                    left_alone.extend(found.problems.iter().cloned());
                    unreferenced.insert(name.clone(), Arc::new(found));
                }
                Some(Err(found)) => left_alone.extend(found),
            }
            if resource.marker.is_none() {
                // Its rows are for the sweep alone: no deletion of one is ever recorded.
                continue;
            }
            let found = describe(db, &resource.table).await?;
            match bind::bind(db, name, resource, found.as_ref()).await? {
                Ok(table) => drop(tables.insert(name.clone(), table)),
                Err(found) => problems.extend(found),
            }
            described.extend(found.map(|found| (name.clone(), found)));
        }
        let bound = bind_children(db, &tables, &described, &mut problems).await?;
        if problems.is_empty() {
            for (name, children) in bound {
                if let Some(table) = tables.get_mut(&name) {
                    table.children = children;
                }
            }
            problems = foreign_keys::cascades(db, &tables.values().collect::<Vec<_>>()).await?;
            problems.extend(adopted_twice(&tables));
            for table in tables.values_mut() {
                table.goes_with_itself = foreign_keys::goes_with_itself(db, &table.rows.sql).await?;
            }
        }
        let tables = tables.into_iter().map(|(name, table)| (name, Arc::new(table))).collect();
        if problems.is_empty() { Ok(Self { tables, unreferenced, left_alone }) } else { Err(Error::Problems(problems)) }
    }

    /// Whether deletions of `resource` may have to wait for those of children.
    #[must_use]
    pub fn waits_for_children(&self, resource: &ResourceName) -> bool {
        let mut seen = BTreeSet::from([resource]);
        let mut open = vec![resource];
        while let Some(table) = open.pop().and_then(|name| self.tables.get(name)) {
            for rule in &table.children {
                match (rule.then, &rule.resource) {
                    (ChildThen::Request, _) => return true,
                    (ChildThen::Delete, Some(child)) if seen.insert(child) => open.push(child),
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

    /// The tables with twins from which rows may go together with one of `table` and without a deletion of their own: those
    /// of children, and its own if it has another resource as well.
    #[must_use]
    pub fn gone_along(&self, table: &Table) -> Vec<String> {
        let with_twins = |sql: &str| self.tables.values().any(|t| t.rows.sql == sql && !t.resource.targets.is_empty());
        let mut seen = BTreeSet::new();
        let mut tables = BTreeSet::new();
        let mut open = vec![&table.name];
        while let Some(parent) = open.pop().and_then(|name| self.tables.get(name)) {
            for rule in parent.children.iter().filter(|rule| rule.then == ChildThen::Delete) {
                tables.insert(rule.rows.sql.clone());
                open.extend(rule.resource.as_ref().filter(|child| seen.insert(*child)));
            }
        }
        let shares = |other: &Arc<Table>| other.name != table.name && other.rows.sql == table.rows.sql;
        if self.tables.values().any(shares) {
            tables.insert(table.rows.sql.clone());
        }
        tables.into_iter().filter(|sql| with_twins(sql)).collect()
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

    /// Why unreferenced rows of some tables are left alone. It keeps nobody from starting: somebody may have added a foreign
    /// key a moment ago, and deletions go on.
    #[must_use]
    pub fn left_alone(&self) -> &[Problem] {
        &self.left_alone
    }

    /// The tables of which unreferenced rows go.
    pub fn unreferenced(&self) -> impl Iterator<Item = &Arc<Unreferenced>> {
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

/// Resources that would adopt the rows of others: the deletions of a row are looked for under one resource.
fn adopted_twice(tables: &BTreeMap<ResourceName, Table>) -> impl Iterator<Item = Problem> {
    tables.values().filter(|table| table.resource.adopt == Adopt::On).filter_map(|table| {
        let same = |other: &&Table| other.name != table.name && other.rows.sql == table.rows.sql;
        let other = tables.values().find(same)?;
        Some(Problem {
            path: format!("resources.{}.adopt", table.name),
            message: format!(
                "resource `{}` has the same table: rows that were removed through it would be taken for rows that nobody \
                 removed; \"on\" needs a table of its own",
                other.name
            ),
        })
    })
}

async fn describe(db: &Db, table: &str) -> Result<Option<Description>, db::Error> {
    match db.dialect {
        Dialect::Postgres => postgres::describe(db, table).await,
        Dialect::Sqlite => sqlite::describe(db, table).await,
    }
}

/// The child rules of every resource that could be resolved itself.
async fn bind_children(
    db: &Db,
    tables: &BTreeMap<ResourceName, Table>,
    described: &BTreeMap<ResourceName, Description>,
    problems: &mut Vec<Problem>,
) -> Result<BTreeMap<ResourceName, Vec<ChildRule>>, db::Error> {
    let all: Vec<&Table> = tables.values().collect();
    let mut bound: BTreeMap<ResourceName, Vec<ChildRule>> = BTreeMap::new();
    for (name, table) in tables {
        let Some(description) = described.get(name) else { continue };
        for (number, rule) in table.resource.children.iter().enumerate() {
            let path = format!("resources.{name}.children[{number}]");
            let found = describe(db, &rule.table).await?;
            match (Binding { path, rule, parent: (table, description), found, tables: &all }).bind(db) {
                Ok(rule) => bound.entry(name.clone()).or_default().push(rule),
                Err(found) => problems.extend(found),
            }
        }
    }
    Ok(bound)
}
