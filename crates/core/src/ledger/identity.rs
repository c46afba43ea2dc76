//! What tells this ledger from others that use the same Redis.

use super::Ledger;
use crate::db::{self, Db, Sql, Words};

#[derive(Debug)]
pub(super) struct Statements {
    cluster: Sql,
    table: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        let cluster = words.pick(
            "-- read which server this is
             select to_hex(system_identifier) as id from pg_control_system()",
            "-- read when the ledger was made
             select replace(replace(replace(created_at, '-', ''), ':', ''), '.', '') as id from {secret}
             where name = 'key_salt'",
        );
        let table = words.pick(
            "-- read which table the ledger is
             select '-' || to_hex(d.oid::bigint) || '-' || to_hex(@deletion::text::regclass::oid::bigint) as id
             from pg_database d where d.datname = current_database()",
            "-- a file has one ledger
             select '' as id",
        );
        Self { cluster: words.render(cluster), table: words.render(table) }
    }
}

/// SQLSTATE `insufficient_privilege`.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

impl Ledger {
    /// A text that other ledgers do not have, of letters, digits and `-`: of the server's identifier, which it got when
    /// it was initialized (PostgreSQL, `pg_control_system`), the database's number and the table's. A dump that is
    /// restored elsewhere has another, a physical copy of the server the same. On SQLite a copied file has the same.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn identity(&self, db: &Db) -> Result<String, db::Error> {
        let sql = &self.sql.identity;
        let cluster = match sql.cluster.bind([]).one(&db.conn).await {
            Ok(row) => row.map_or_else(|| Ok(String::new()), |row| row.get("id"))?,
            // The right to ask is PUBLIC's. Who takes it away takes it from workers and applications alike, or hints do
            // not meet.
            Err(error) if error.refusal().is_some_and(|refusal| refusal.code == INSUFFICIENT_PRIVILEGE) => {
                String::new()
            }
            Err(error) => return Err(error),
        };
        let table = sql.table.bind([("deletion", self.table("sexton_deletion").into())]).one(&db.conn).await?;
        let table: String = table.map_or_else(|| Ok(String::new()), |row| row.get("id"))?;
        Ok(cluster + &table)
    }
}
