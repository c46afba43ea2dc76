//! Hashes of keys: a finished deletion whose key is not retained is found by the key's hash.
//!
//! A hash is SHA-256 over a salt that only this database knows, the resource and the key. PostgreSQL hashes by itself;
//! for SQLite, which cannot, this program does.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    db::{self, Dialect, Sql, Words},
    ids::DeletionId,
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    salt: Sql,
    /// SQLite only.
    keys_to_hide: Sql,
    hide_key: Sql,
    /// SQLite only; as is the next.
    over: Sql,
    left_the_row: Sql,
}

/// How a deletion ended, as far as its row is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing is to be done about the row any more: its deletion is completed or given up.
    Over,
    /// The row is as it was: kept, given up or taken back.
    LeftTheRow,
}

impl Ending {
    /// The condition on a finished deletion, with words.
    pub(crate) const fn condition(self) -> &'static str {
        match self {
            Self::Over => "state = {completed} or cancelled_by = {cancellation:Discarded}",
            Self::LeftTheRow => {
                "row_outcome = {row_outcome:Kept} or cancelled_by in ({cancellation:Discarded}, {cancellation:Restored})"
            }
        }
    }
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let salt = "-- read the salt of key hashes
            select value from {secret} where name = 'key_salt'";
        let keys_to_hide = "-- read which keys are to be hidden
            select id, resource, key from {done} d
            where id in (select value from {texts:@finished}) and key is not null and {hides_key}";
        let hide_key = "-- replace a key by its hash
            update {done} set key = null, key_hash = @key_hash where id = @id";
        let ended = |ending: Ending| {
            let words = words.clone().with([("ended", words.expand(ending.condition()))]);
            words.render(
                "-- look for a finished deletion by the hash of its key
                select 1 as found from {done}
                where resource = @resource and key_hash = @key_hash and ({ended})
                    and {comparable_marker:marker_value} = {comparable_marker:@marker_value}
                limit 1",
            )
        };
        Self {
            salt: words.render(salt),
            keys_to_hide: words.render(keys_to_hide),
            hide_key: words.render(hide_key),
            over: ended(Ending::Over),
            left_the_row: ended(Ending::LeftTheRow),
        }
    }
}

/// The hash of a key as an expression (PostgreSQL); the same as [`hash`].
pub(in crate::ledger) fn key_hash(words: &Words, resource: &str, key: &str) -> String {
    let words = words.clone().with([("hashed_resource", resource.to_owned()), ("hashed_key", key.to_owned())]);
    // To the letter as in the guards that are installed: another spelling would make them outdated.
    words.expand(
        "encode(sha256(convert_to((select value from {secret} where name = 'key_salt') || '/' || {hashed_resource} || '/' \
         || {hashed_key},\n                'UTF8')), 'hex')",
    )
}

/// The hash of a key; the same as [`key_hash`].
fn hash(salt: &str, resource: &str, key: &str) -> String {
    let digest = Sha256::digest(format!("{salt}/{resource}/{key}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Ledger {
    /// Whether the finished deletion `alias` is that of the row with this key, retained as it is or (PostgreSQL) as a
    /// hash.
    pub(crate) fn is_kept_as(&self, alias: &str, resource: &str, key: &str) -> String {
        match self.dialect {
            Dialect::Postgres => {
                format!("({alias}.key = {key} or {alias}.key_hash = {})", key_hash(&self.words, resource, key))
            }
            Dialect::Sqlite => format!("{alias}.key = {key}"),
        }
    }

    /// Those of the keys for which a finished deletion has the key's hash and the marker that the row carries, and
    /// ended so (SQLite).
    pub(crate) async fn finished_under_hash(
        &self,
        conn: &impl ConnectionTrait,
        resource: &str,
        rows: &[(String, String)],
        ending: Ending,
    ) -> Result<HashSet<String>, db::Error> {
        let keys: Vec<String> = rows.iter().map(|(key, _)| key.clone()).collect();
        let hashes = self.key_hashes(conn, resource, &keys).await?;
        let Statements { over, left_the_row, .. } = &self.sql.key_hash;
        let sql = match ending {
            Ending::Over => over,
            Ending::LeftTheRow => left_the_row,
        };
        let mut finished = HashSet::new();
        for ((key, marker), hash) in rows.iter().zip(hashes) {
            let values =
                [("resource", resource.into()), ("key_hash", hash.into()), ("marker_value", marker.as_str().into())];
            if sql.bind(values).one(conn).await?.is_some() {
                finished.insert(key.clone());
            }
        }
        Ok(finished)
    }

    /// Replaces the keys of those of the finished deletions of which only a hash is retained (SQLite).
    pub(super) async fn hide_keys(
        &self,
        transaction: &impl ConnectionTrait,
        finished: &HashSet<DeletionId>,
    ) -> Result<(), db::Error> {
        let values = [("finished", json!(finished).to_string().into())];
        let rows = self.sql.key_hash.keys_to_hide.bind(values).all(transaction).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let salt = self.salt(transaction).await?;
        for row in rows {
            let (id, resource, key): (String, String, String) = (row.get("id")?, row.get("resource")?, row.get("key")?);
            let values = [("id", id.into()), ("key_hash", hash(&salt, &resource, &key).into())];
            self.sql.key_hash.hide_key.bind(values).execute(transaction).await?;
        }
        Ok(())
    }

    /// The hashes of these keys, in their order.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses, or there is no salt.
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
        let row = self.sql.key_hash.salt.bind([]).one(conn).await?;
        row.ok_or_else(|| db::Error::unreadable("sexton_secret has no key_salt"))?.get("value")
    }
}
