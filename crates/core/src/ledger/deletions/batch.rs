//! What a request has done so far: so that one that was interrupted can go on.

use std::collections::{HashMap, HashSet};

use sea_orm::ConnectionTrait;

use crate::{db, ids::BatchId, key::Key, ledger::Ledger};

impl Ledger {
    /// Whether anything was ever requested under `batch`, as far as it is still kept.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn knows_batch(&self, conn: &impl ConnectionTrait, batch: BatchId) -> Result<bool, db::Error> {
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
    ) -> Result<HashSet<String>, db::Error> {
        let d = self.dialect;
        let (batch_id, any_key) = (d.param(1, "uuid"), d.any_of(3, "text"));
        let sql = format!(
            "select key from {} where resource = $2 and key {any_key} and batch_id = {batch_id}
             union select coalesce(key, key_hash) from {} where resource = $2 and (key {any_key} or key_hash {})
                and batch_id = {batch_id}",
            self.deletion,
            self.done,
            d.any_of(4, "text"),
        );
        let texts: Vec<_> = keys.iter().map(ToString::to_string).collect();
        let hashes = self.key_hashes(conn, resource, &texts).await?;
        let json = |texts: &[String]| serde_json::Value::from(texts.to_vec()).to_string();
        let values = [batch.to_string().into(), resource.into(), json(&texts).into(), json(&hashes).into()];
        let rows = conn.query_all_raw(d.statement(sql, values)).await?;
        let of_hash: HashMap<_, _> = hashes.into_iter().zip(texts).collect();
        let known = rows.iter().map(|row| row.try_get::<String>("", "key"));
        known.map(|key| Ok(key.map(|key| of_hash.get(&key).cloned().unwrap_or(key))?)).collect()
    }
}
