//! What the database says of the configured tables: where they are, the types of their columns, what is unique.
//!
//! The worker knows tables from `sexton.toml`, not from compiled entities, so everything that a wrong name or type
//! could break is found here, once, before anything starts; the result is a [`Table`] with the SQL fragments that
//! the statements on the application's rows are made of.

mod bind;
mod column;
pub mod key;
mod pages;
mod postgres;
mod problem;
mod rows;
mod sqlite;
mod table;

use std::{collections::BTreeMap, sync::Arc};

use sea_orm::DbErr;

pub use column::{Column, KeyType};
pub use pages::Cursor;
pub use problem::Problem;
pub(crate) use rows::Among;
pub(crate) use table::literal;
pub use table::{Rule, Table};

use crate::{
    config::{Config, Resource},
    db::{Db, Dialect},
    ids::ResourceName,
};

/// The configured tables, resolved.
#[derive(Debug, Clone)]
pub struct Catalog {
    tables: BTreeMap<ResourceName, Arc<Table>>,
}

/// Why the tables cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration does not fit the database.
    #[error("{}", problem::list(.0))]
    Problems(Vec<Problem>),
    /// The database did not answer.
    #[error("cannot read the database's catalogue: {0}")]
    Database(#[from] DbErr),
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
        for (name, resource) in resources {
            let found = match db.dialect {
                Dialect::Postgres => postgres::describe(db, &resource.table).await?,
                Dialect::Sqlite => sqlite::describe(db, &resource.table).await?,
            };
            match bind::bind(db, name, resource, found).await? {
                Ok(table) => drop(tables.insert(name.clone(), Arc::new(table))),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() { Ok(Self { tables }) } else { Err(Error::Problems(problems)) }
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

    /// All tables.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// The lanes that this process knows: each resource, and each of its targets as `resource.target`.
    #[must_use]
    pub fn lanes(&self) -> Vec<String> {
        self.tables.values().flat_map(|table| table.lanes()).collect()
    }
}
