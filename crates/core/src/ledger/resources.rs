//! `sexton_resource`: the definitions that producers and workers agree on.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Ledger;
use crate::{
    config::Resource,
    db::{self, Db, Sql, Words},
    ids::ResourceName,
};

/// A resource whose definition differs from the one that `migrate` wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Drift {
    /// It is configured here but was never migrated.
    #[error("resources.{0} is not in the database; run `sexton migrate` with this configuration")]
    Missing(ResourceName),
    /// It is defined differently.
    #[error(
        "resources.{0} differs from what `sexton migrate` wrote; run it with this configuration, or start with \
         --allow-drift"
    )]
    Different(ResourceName),
}

#[derive(Debug)]
pub(super) struct Statements {
    write: Sql,
    list_statements: Sql,
    list_definitions: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        let list_statements = "-- read what is stored for the SQL functions
            select name, {text:statements} as statements from {resource}";
        let list_definitions = "-- read the definitions of resources
            select name, {text:definition} as definition from {resource}";
        Self {
            write: words.render(include_str!("resources.write.sql")),
            list_statements: words.render(list_statements),
            list_definitions: words.render(list_definitions),
        }
    }
}

impl Ledger {
    /// Writes the definitions of `resources`, each together with its entry in `statements`; those of others stay. A
    /// resource without an entry has no statements then, and the SQL functions refuse it.
    ///
    /// * `statements`: what [`statements`](crate::sql_functions::statements) made of the same resources.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing is written then.
    pub async fn write_resources(
        &self,
        db: &Db,
        resources: &BTreeMap<ResourceName, Resource>,
        statements: &BTreeMap<ResourceName, Value>,
    ) -> Result<(), db::Error> {
        let transaction = db.begin().await?;
        for (name, resource) in resources {
            let write = self.sql.resources.write.bind([
                ("name", name.as_str().into()),
                ("definition", definition(resource)?.to_string().into()),
                ("statements", statements.get(name).map(Value::to_string).into()),
            ]);
            write.execute(&transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The resources whose statements in the database are not those in `statements`: another release wrote them, or the
    /// tables are no longer what they were.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn stale_statements(
        &self,
        db: &Db,
        statements: &BTreeMap<ResourceName, Value>,
    ) -> Result<Vec<ResourceName>, db::Error> {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        for row in self.sql.resources.list_statements.bind([]).all(&db.conn).await? {
            known.insert(row.get("name")?, row.json_opt("statements")?.unwrap_or_default());
        }
        // A release that writes the same statements does not make them stale.
        let same = |there: &Value, here: &Value| {
            let without = |value: &Value| {
                let mut value = value.clone();
                value.as_object_mut().map(|object| object.remove("release"));
                value
            };
            without(there) == without(here)
        };
        let stale =
            statements.iter().filter(|(name, here)| !known.get(name.as_str()).is_some_and(|there| same(there, here)));
        Ok(stale.map(|(name, _)| name.clone()).collect())
    }

    /// The resources whose definition here is not the one in the database.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn drift(&self, db: &Db, resources: &BTreeMap<ResourceName, Resource>) -> Result<Vec<Drift>, db::Error> {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        for row in self.sql.resources.list_definitions.bind([]).all(&db.conn).await? {
            known.insert(row.get("name")?, row.json("definition")?);
        }
        let mut drift = Vec::new();
        for (name, resource) in resources {
            match known.get(name.as_str()) {
                None => drift.push(Drift::Missing(name.clone())),
                Some(there) if *there != definition(resource)? => drift.push(Drift::Different(name.clone())),
                Some(_) => {}
            }
        }
        Ok(drift)
    }
}

fn definition(resource: &Resource) -> Result<Value, db::Error> {
    serde_json::to_value(resource.definition())
        .map_err(|error| db::Error::other("write a resource's definition", error))
}
