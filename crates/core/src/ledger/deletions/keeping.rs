//! What a finished deletion keeps of its row: the key or only a hash of it, and columns for later checks.
//!
//! Which of them is said by the resource's definition in the database, so that every process that finishes a deletion
//! does the same, whatever its own configuration says. A hash is SHA-256 over a salt that only this database knows, the
//! resource and the key.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};

use crate::{
    db::{self, Dialect},
    ids::DeletionId,
    ledger::{COPIED, Ledger},
};

impl Ledger {
    /// [`COPIED`] and `key_hash` as expressions on `from`. On SQLite, which cannot hash, the key is copied as it is, and
    /// [`Self::hide_keys`] takes it away in the same transaction.
    pub(crate) fn copied(&self, from: &str) -> String {
        let column = |name: &str| match (self.dialect, name) {
            (Dialect::Postgres, "key") => {
                format!("case when not {} then {from}.key end", self.hides(&format!("{from}.resource")))
            }
            _ => format!("{from}.{name}"),
        };
        let mut columns: Vec<_> = COPIED.split(',').map(|name| column(name.trim())).collect();
        columns.push(match self.dialect {
            Dialect::Postgres => {
                let resource = format!("{from}.resource");
                let hash = self.hash(&resource, &format!("{from}.key"));
                format!("case when {} then {hash} end", self.hides(&resource))
            }
            Dialect::Sqlite => "null".to_owned(),
        });
        columns.join(", ")
    }

    /// The columns that are kept of the payload of `from`, as an expression; null if there are none.
    pub(crate) fn refs(&self, from: &str) -> String {
        let definition = &self.resource;
        match self.dialect {
            Dialect::Postgres => format!(
                "(select jsonb_object_agg(kept.name, {from}.payload -> kept.name)
                  from {definition} r, jsonb_array_elements_text(r.definition -> 'refs') kept(name)
                  where r.name = {from}.resource)"
            ),
            Dialect::Sqlite => format!(
                "nullif((select json_group_object(kept.value, {from}.payload ->> ('$.\"' || kept.value || '\"'))
                  from {definition} r, json_each(r.definition, '$.refs') kept where r.name = {from}.resource), '{{}}')"
            ),
        }
    }

    /// Whether only a hash is kept of the keys of a resource.
    fn hides(&self, resource: &str) -> String {
        let hides = match self.dialect {
            Dialect::Postgres => "r.definition @> '{\"hash_key\": true}'",
            Dialect::Sqlite => "json_extract(r.definition, '$.hash_key')",
        };
        format!("exists (select 1 from {} r where r.name = {resource} and {hides})", self.resource)
    }

    /// Whether the finished deletion `alias` is that of the row with this key, kept as it is or (PostgreSQL) as a hash.
    pub(crate) fn is_kept_as(&self, alias: &str, resource: &str, key: &str) -> String {
        match self.dialect {
            Dialect::Postgres => {
                format!("({alias}.key = {key} or {alias}.key_hash = {})", self.hash(resource, key))
            }
            Dialect::Sqlite => format!("{alias}.key = {key}"),
        }
    }

    /// Those of the keys of which a deletion is kept under a hash with the marker that the row carries and meets the
    /// condition `ended`, so that the row is done with (SQLite, which cannot hash by itself).
    pub(crate) async fn finished_under_hash(
        &self,
        conn: &impl ConnectionTrait,
        resource: &str,
        rows: &[(String, String)],
        ended: &str,
    ) -> Result<HashSet<String>, db::Error> {
        let keys: Vec<String> = rows.iter().map(|(key, _)| key.clone()).collect();
        let hashes = self.key_hashes(conn, resource, &keys).await?;
        let sql = format!(
            "select 1 from {} where resource = $1 and key_hash = $2 and marker_value = $3
                and ({ended}) limit 1",
            self.done,
        );
        let mut finished = HashSet::new();
        for ((key, marker), hash) in rows.iter().zip(hashes) {
            let values = [resource.into(), hash.into(), marker.as_str().into()];
            if conn.query_one_raw(self.dialect.statement(sql.clone(), values)).await?.is_some() {
                finished.insert(key.clone());
            }
        }
        Ok(finished)
    }

    /// The hash of a key (PostgreSQL); the same as [`hash`].
    fn hash(&self, resource: &str, key: &str) -> String {
        format!(
            "encode(sha256(convert_to((select value from {} where name = 'key_salt') || '/' || {resource} || '/' || {key},
                'UTF8')), 'hex')",
            self.secret
        )
    }

    /// Replaces the keys of those of the finished deletions of which only a hash is kept (SQLite).
    pub(in crate::ledger) async fn hide_keys(
        &self,
        transaction: &impl ConnectionTrait,
        finished: &HashSet<DeletionId>,
    ) -> Result<(), db::Error> {
        let d = self.dialect;
        let sql = format!(
            "select id, resource, key from {} d where id in (select value from json_each($1)) and key is not null and {}",
            self.done,
            self.hides("d.resource")
        );
        let ids: Vec<_> = finished.iter().map(ToString::to_string).collect();
        let rows =
            transaction.query_all_raw(d.statement(sql, [serde_json::Value::from(ids).to_string().into()])).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let salt = self.salt(transaction).await?;
        let sql = format!("update {} set key = null, key_hash = $2 where id = $1", self.done);
        for row in rows {
            let (id, resource, key): (String, String, String) =
                (row.try_get("", "id")?, row.try_get("", "resource")?, row.try_get("", "key")?);
            let values = [id.into(), hash(&salt, &resource, &key).into()];
            transaction.execute_raw(d.statement(sql.clone(), values)).await?;
        }
        Ok(())
    }

    /// The hashes under which finished deletions of these rows are kept, in the order of the keys.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn key_hashes(
        &self,
        conn: &impl ConnectionTrait,
        resource: &str,
        keys: &[String],
    ) -> Result<Vec<String>, db::Error> {
        let salt = self.salt(conn).await?;
        Ok(keys.iter().map(|key| hash(&salt, resource, key)).collect())
    }

    async fn salt(&self, conn: &impl ConnectionTrait) -> Result<String, db::Error> {
        let sql = format!("select value from {} where name = 'key_salt'", self.secret);
        let row = conn.query_one_raw(self.dialect.statement(sql, [])).await?;
        row.ok_or_else(|| db::Error::unreadable("sexton_secret has no key_salt"))?
            .try_get("", "value")
            .map_err(Into::into)
    }
}

fn hash(salt: &str, resource: &str, key: &str) -> String {
    let digest = Sha256::digest(format!("{salt}/{resource}/{key}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
