//! Resolving the resources of a configuration.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Catalog, ChildRule, ConfigProblem, Error, Link, Reading, Table, UnreferencedTable,
    advice::scans,
    bind::{self, BindChildRule},
    cascades::{cascades_to_itself, cascades_to_twins},
    describe::{Description, describe},
};
use crate::{
    config::{AdoptMode, Config, Resource},
    db::Db,
    ids::ResourceName,
};

impl Catalog {
    /// Resolves every resource of `config`.
    ///
    /// # Errors
    /// [`Error::Problems`] with all that is wrong, [`Error::Database`] when the catalogue cannot be read.
    pub async fn load(db: &Db, config: &Config) -> Result<Self, Error> {
        Self::resolve(db, &config.resources).await
    }

    /// Resolves those resources of `config` that fit the database, with all that is wrong with the others. A resource
    /// whose children are of one that does not fit does not fit either: how they are marked is not known.
    ///
    /// # Errors
    /// [`Error::Database`] when the catalogue cannot be read.
    pub async fn load_fitting(db: &Db, config: &Config) -> Result<(Self, Vec<ConfigProblem>), Error> {
        let (mut resources, mut all) = (config.resources.clone(), Vec::new());
        loop {
            let problems = match Self::resolve(db, &resources).await {
                Ok(catalog) => return Ok((catalog, all)),
                Err(Error::Problems(problems)) => problems,
                Err(error) => return Err(error),
            };
            let is_about = |problem: &ConfigProblem, name: &ResourceName| {
                problem
                    .path
                    .strip_prefix("resources.")
                    .and_then(|rest| rest.strip_prefix(name.as_str()))
                    .is_some_and(|rest| rest.starts_with('.'))
            };
            let unfit: Vec<ResourceName> =
                resources.keys().filter(|name| problems.iter().any(|one| is_about(one, name))).cloned().collect();
            all.extend(problems);
            if unfit.is_empty() {
                return Ok((Self::default(), all));
            }
            remove_with_parents(&mut resources, unfit, &mut all);
        }
    }

    /// Resolves `resources`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn resolve(db: &Db, resources: &BTreeMap<ResourceName, Resource>) -> Result<Self, Error> {
        let mut catalog = Self::default();
        let mut problems = Vec::new();
        let (mut tables, mut described) = (BTreeMap::new(), BTreeMap::new());
        for (name, resource) in resources {
            match UnreferencedTable::load(db, name, resource).await.map_err(Error::resolving(name))? {
                None => {}
                Some(Ok(found)) => {
                    catalog.unreferenced_problems.extend(found.problems.iter().cloned());
                    catalog.unreferenced.insert(name.clone(), Arc::new(found));
                }
                Some(Err(found)) => catalog.unreferenced_problems.extend(found),
            }
            if resource.marker.is_none() {
                // Its rows are for the sweep alone: no deletion of one is ever recorded.
                continue;
            }
            let found = describe(db, &resource.table).await.map_err(Error::resolving(name))?;
            match bind::resource(db, name, resource, found.as_ref()).await.map_err(Error::resolving(name))? {
                Ok(table) => drop(tables.insert(name.clone(), table)),
                Err(found) => problems.extend(found),
            }
            described.extend(found.map(|found| (name.clone(), found)));
        }
        let rules = child_rules(db, &tables, &described, &mut problems).await?;
        if problems.is_empty() {
            for (name, children) in rules {
                if let Some(table) = tables.get_mut(&name) {
                    table.children = children;
                }
            }
            let all: Vec<&Table> = tables.values().collect();
            for table in &all {
                let resolving = Error::resolving(&table.name);
                problems.extend(cascades_to_twins(db, table, &all).await.map_err(resolving)?);
            }
            problems.extend(adopted_twice(&tables));
            for (name, table) in &mut tables {
                table.cascades_to_itself =
                    cascades_to_itself(db, &table.rows.sql).await.map_err(Error::resolving(name))?;
            }
        }
        if !problems.is_empty() {
            return Err(Error::Problems(problems));
        }
        catalog.tables = tables.into_iter().map(|(name, table)| (name, Arc::new(table))).collect();
        Ok(catalog)
    }
}

/// Removes the resources `unfit`, and those that have rows of theirs as children, at any depth.
fn remove_with_parents(
    resources: &mut BTreeMap<ResourceName, Resource>,
    mut unfit: Vec<ResourceName>,
    problems: &mut Vec<ConfigProblem>,
) {
    // The same table may be written with its schema or without it.
    let bare = |table: &str| table.rsplit('.').next().unwrap_or(table).to_owned();
    while let Some(name) = unfit.pop() {
        let Some(removed) = resources.remove(&name) else { continue };
        let table = bare(&removed.table);
        let is_parent = |resource: &Resource| resource.children.iter().any(|child| bare(&child.table) == table);
        for (parent, _) in resources.iter().filter(|(_, resource)| is_parent(resource)) {
            problems.push(ConfigProblem {
                path: format!("resources.{parent}.children"),
                message: format!("its children are of resource `{name}`, which does not fit"),
            });
            unfit.push(parent.clone());
        }
    }
}

/// The child rules of every resource that could be resolved itself.
async fn child_rules(
    db: &Db,
    tables: &BTreeMap<ResourceName, Table>,
    described: &BTreeMap<ResourceName, Description>,
    problems: &mut Vec<ConfigProblem>,
) -> Result<BTreeMap<ResourceName, Vec<ChildRule>>, Error> {
    let all: Vec<&Table> = tables.values().collect();
    let mut rules: BTreeMap<ResourceName, Vec<ChildRule>> = BTreeMap::new();
    for (name, table) in tables {
        let Some(description) = described.get(name) else { continue };
        for (number, rule) in table.resource.children.iter().enumerate() {
            let path = format!("resources.{name}.children[{number}]");
            let found = describe(db, &rule.table).await.map_err(Error::resolving(name))?;
            match (BindChildRule { path, rule, parent: (table, description), found, tables: &all }).bind(db) {
                Ok(mut rule) => {
                    if let Link::Json(column, _, reading) = &mut rule.link
                        && column.base_type == "json"
                        && db.dialect.has_strict_types()
                    {
                        *reading = Reading::Repaired;
                        let plain = rule.with_plain_link();
                        if !scans(db, &plain).await.map_err(Error::resolving(name))? {
                            rule = plain;
                        }
                    }
                    rules.entry(name.clone()).or_default().push(rule);
                }
                Err(found) => problems.extend(found),
            }
        }
    }
    Ok(rules)
}

/// Resources that would adopt the rows of others: the deletions of a row are looked for under one resource.
fn adopted_twice(tables: &BTreeMap<ResourceName, Table>) -> impl Iterator<Item = ConfigProblem> {
    tables.values().filter(|table| table.resource.adopt == AdoptMode::On).filter_map(|table| {
        let same = |other: &&Table| other.name != table.name && other.rows.sql == table.rows.sql;
        let other = tables.values().find(same)?;
        Some(ConfigProblem {
            path: format!("resources.{}.adopt", table.name),
            message: format!(
                "resource `{}` has the same table: rows that were removed through it would be taken for orphans; \
                 \"on\" needs a table of its own",
                other.name
            ),
        })
    })
}
