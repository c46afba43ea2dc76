//! Finding the deletion of a row.

use sea_orm::ConnectionTrait;

use super::key_hash::key_hash;
use crate::{
    db::{self, Sql, Words},
    ids::DeletionId,
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    newest: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let words = words.clone().with([("hash_in_sql", key_hash(words, "@resource", "@key"))]);
        // SQLite cannot hash by itself.
        let key_hash = words.expand(words.pick("{hash_in_sql}", "@key_hash"));
        let words = words.with([("key_hash", key_hash)]);
        let newest = "-- find the deletion of a row
            select id from (
                select {text:id} as id, requested_at from {deletion} where resource = @resource and key = @key
                union all
                select {text:id} as id, requested_at from {done} d
                where d.resource = @resource and (d.key = @key or d.key_hash = {key_hash})
            ) deletions
            order by requested_at desc, id desc limit 1";
        Self { newest: words.render_for(newest, &["resource", "key"]) }
    }
}

impl Ledger {
    /// The newest deletion of a row: an open or dead one, else the one that finished last.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn find(
        &self,
        conn: &impl ConnectionTrait,
        resource: &str,
        key: &str,
    ) -> Result<Option<DeletionId>, db::Error> {
        let mut values = vec![("resource", resource.into()), ("key", key.into())];
        if !self.dialect.can_hash() {
            values.push(("key_hash", self.key_hashes(conn, resource, &[key.to_owned()]).await?.concat().into()));
        }
        let row = self.sql.find.newest.bind_all(values).one(conn).await?;
        row.map(|row| row.parse("id")).transpose()
    }

    /// `$1` is the resource and `$2` the key (PostgreSQL).
    pub(crate) fn find_statement(&self) -> &str {
        self.sql.find.newest.text()
    }
}
