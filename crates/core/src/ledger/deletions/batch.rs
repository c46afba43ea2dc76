//! The deletions of one request: to restore them together, and so that an interrupted request can be continued.

use std::collections::{HashMap, HashSet};

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Row, Sql, Words},
    ids::{BatchId, DeletionId},
    key::Key,
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    deletions: Sql,
    exists: Sql,
    keys: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let deletions = "-- read the deletions of a batch
            select {text:id} as id from {deletion} where batch_id = {uuid:@batch}
            union all
            select {text:id} from {done} where batch_id = {uuid:@batch} and state = {completed}
            order by id";
        let exists = "-- look for a batch
            select 1 as found
            where exists (select 1 from {deletion} where batch_id = {uuid:@batch})
                or exists (select 1 from {done} where batch_id = {uuid:@batch})";
        let keys = include_str!("batch.keys.sql");
        Self {
            deletions: words.render_for(deletions, &["batch"]),
            exists: words.render(exists),
            keys: words.render(keys),
        }
    }
}

impl Ledger {
    /// The deletions of a request that are not cancelled, in the order of their ids.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn of_batch(&self, conn: &impl ConnectionTrait, batch: BatchId) -> Result<Vec<DeletionId>, db::Error> {
        let rows = self.sql.batch.deletions.bind([("batch", batch.to_string().into())]).all(conn).await?;
        rows.iter().map(|row: &Row| row.parse("id")).collect()
    }

    /// `$1` is the batch.
    pub(crate) fn of_batch_statement(&self) -> &str {
        self.sql.batch.deletions.text()
    }

    /// Whether anything was ever requested under `batch`, as far as the ledger still has it.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn knows_batch(&self, conn: &impl ConnectionTrait, batch: BatchId) -> Result<bool, db::Error> {
        let found = self.sql.batch.exists.bind([("batch", batch.to_string().into())]).one(conn).await?;
        Ok(found.is_some())
    }

    /// Those of `keys` whose rows were requested under `batch` already, however their deletions ended.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn keys_of_batch(
        &self,
        conn: &impl ConnectionTrait,
        batch: BatchId,
        resource: &str,
        keys: &[Key],
    ) -> Result<HashSet<String>, db::Error> {
        let texts: Vec<_> = keys.iter().map(ToString::to_string).collect();
        let hashes = self.key_hashes(conn, resource, &texts).await?;
        let values = [
            ("batch", batch.to_string().into()),
            ("resource", resource.into()),
            ("keys", json!(texts).to_string().into()),
            ("hashes", json!(hashes).to_string().into()),
        ];
        let rows = self.sql.batch.keys.bind(values).all(conn).await?;
        let by_hash: HashMap<_, _> = hashes.into_iter().zip(texts).collect();
        let known = rows.iter().map(|row| row.get::<String>("key"));
        known.map(|key| key.map(|key| by_hash.get(&key).cloned().unwrap_or(key))).collect()
    }
}
