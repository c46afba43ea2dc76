//! What a request has done so far: so that one that was interrupted can go on.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DbErr};

use super::Ledger;
use crate::{ids::BatchId, key::Key};

impl Ledger {
    /// Whether anything was ever requested under `batch`, as far as it is still kept.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn knows_batch(&self, conn: &impl ConnectionTrait, batch: BatchId) -> Result<bool, DbErr> {
        let of = |table: &str| format!("select 1 from {table} where batch_id = {}", self.dialect.param(1, "uuid"));
        let sql = format!("select 1 where exists ({}) or exists ({})", of(&self.deletion), of(&self.done));
        let row = conn.query_one_raw(self.dialect.statement(sql, [batch.to_string().into()])).await?;
        Ok(row.is_some())
    }

    /// Those of `keys` whose rows were requested under `batch` already, however their deletions ended.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn keys_of_batch(
        &self,
        conn: &impl ConnectionTrait,
        batch: BatchId,
        resource: &str,
        keys: &[Key],
    ) -> Result<HashSet<String>, DbErr> {
        let d = self.dialect;
        let of = |table: &str| {
            format!(
                "select key from {table} where resource = $2 and key {} and batch_id = {}",
                d.any_of(3, "text"),
                d.param(1, "uuid")
            )
        };
        let sql = format!("{} union {}", of(&self.deletion), of(&self.done));
        let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
        let values = [batch.to_string().into(), resource.into(), serde_json::Value::from(keys).to_string().into()];
        let rows = conn.query_all_raw(d.statement(sql, values)).await?;
        rows.iter().map(|row| row.try_get("", "key")).collect()
    }
}
