//! `sexton_resource`: the definitions that producers and workers agree on.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::Value;

use super::Ledger;
use crate::{config::Resource, db::Db, ids::ResourceName};

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
    /// Writes the definitions of `resources`; those of others stay.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn write_resources(&self, db: &Db, resources: &BTreeMap<ResourceName, Resource>) -> Result<(), DbErr> {
        let d = self.dialect;
        let sql = format!(
            "insert into {} (name, definition) values ($1, {})
             on conflict (name) do update set definition = excluded.definition, migrated_at = {}",
            self.resource,
            d.param(2, "jsonb"),
            d.now(),
        );
        let transaction = db.begin().await?;
        for (name, resource) in resources {
            let values = [name.as_str().into(), definition(resource)?.to_string().into()];
            transaction.execute_raw(d.statement(sql.clone(), values)).await?;
        }
        transaction.commit().await
    }

    /// The resources whose definition here is not the one in the database.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn drift(&self, db: &Db, resources: &BTreeMap<ResourceName, Resource>) -> Result<Vec<Drift>, DbErr> {
        let d = self.dialect;
        let sql = format!("select name, {} as definition from {}", d.cast("definition", "text"), self.resource);
        let mut known = BTreeMap::new();
        for row in db.conn.query_all_raw(d.statement(sql, [])).await? {
            let definition: String = row.try_get("", "definition")?;
            let definition: Value = serde_json::from_str(&definition).map_err(|e| DbErr::Json(e.to_string()))?;
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

fn definition(resource: &Resource) -> Result<Value, DbErr> {
    serde_json::to_value(resource.definition()).map_err(|e| DbErr::Json(e.to_string()))
}
