//! `sexton_resource`: the definitions that producers and workers agree on.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use serde_json::Value;

use super::Ledger;
use crate::{
    config::Resource,
    db::{self, Db},
    ids::ResourceName,
};

/// A resource whose definition differs from the one that `migrate` wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Drift {
    /// It is configured here but was never migrated.
    #[error("resources.{0} is not in the database; run `sexton migrate` with this configuration")]
    Missing(ResourceName),
    /// It is defined otherwise.
    #[error(
        "resources.{0} differs from what `sexton migrate` wrote; run it with this configuration, or start with --allow-drift"
    )]
    Different(ResourceName),
}

impl Ledger {
    /// Writes the definitions of `resources`, each together with its entry in `statements`; those of others stay. A
    /// resource without an entry is left without statements, and the SQL functions refuse it.
    ///
    /// * `statements`: what [`statements`](crate::sql_functions::statements) made of the same resources.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn write_resources(
        &self,
        db: &Db,
        resources: &BTreeMap<ResourceName, Resource>,
        statements: &BTreeMap<ResourceName, Value>,
    ) -> Result<(), db::Error> {
        let d = self.dialect;
        let sql = format!(
            "insert into {} (name, definition, statements) values ($1, {}, {})
             on conflict (name) do update set definition = excluded.definition, statements = excluded.statements,
                migrated_at = {}",
            self.resource,
            d.param(2, "jsonb"),
            d.param(3, "jsonb"),
            d.now(),
        );
        let transaction = db.begin().await?;
        for (name, resource) in resources {
            let of_resource = statements.get(name).map(Value::to_string);
            let values = [name.as_str().into(), definition(resource)?.to_string().into(), of_resource.into()];
            transaction.execute_raw(d.statement(sql.clone(), values)).await?;
        }
        transaction.commit().await.map_err(Into::into)
    }

    /// The resources whose statements in the database are not those in `statements`: another release wrote them, or the
    /// tables are no longer what they were.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn stale_statements(
        &self,
        db: &Db,
        statements: &BTreeMap<ResourceName, Value>,
    ) -> Result<Vec<ResourceName>, db::Error> {
        let d = self.dialect;
        let sql = format!("select name, {} as statements from {}", d.cast("statements", "text"), self.resource);
        let mut known = BTreeMap::new();
        for row in db.conn.query_all_raw(d.statement(sql, [])).await? {
            let text: Option<String> = row.try_get("", "statements")?;
            let there: Value = serde_json::from_str(text.as_deref().unwrap_or("null"))
                .map_err(|e| db::Error::unreadable(e.to_string()))?;
            known.insert(row.try_get::<String>("", "name")?, there);
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
    /// Whatever the database says.
    pub async fn drift(&self, db: &Db, resources: &BTreeMap<ResourceName, Resource>) -> Result<Vec<Drift>, db::Error> {
        let d = self.dialect;
        let sql = format!("select name, {} as definition from {}", d.cast("definition", "text"), self.resource);
        let mut known = BTreeMap::new();
        for row in db.conn.query_all_raw(d.statement(sql, [])).await? {
            let definition: String = row.try_get("", "definition")?;
            let definition: Value =
                serde_json::from_str(&definition).map_err(|e| db::Error::unreadable(e.to_string()))?;
            known.insert(row.try_get::<String>("", "name")?, definition);
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
    serde_json::to_value(resource.definition()).map_err(|e| db::Error::unreadable(e.to_string()))
}
