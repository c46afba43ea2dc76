//! Monthly partitions of the finished deletions, kept ahead of the clock (PostgreSQL §5.11).

use super::Ledger;
use crate::db::{self, Db, Row, Sql, Words, quote};

#[derive(Debug)]
pub(super) struct Statements {
    missing: Sql,
    lock: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        // `if not exists` is no help when two create the same table at once.
        let lock = "-- keep others from creating partitions
            select pg_advisory_xact_lock(hashtext('sexton_deletion_done'))";
        Self { missing: words.render(include_str!("partitions.missing.postgres.sql")), lock: words.render(lock) }
    }
}

impl Ledger {
    /// Creates the partitions of this month and the next three, as far as they are missing. Nothing on SQLite.
    ///
    /// Several processes may do so at once. What finished in a month while it had no partition is in the default one,
    /// and moves.
    ///
    /// # Errors
    /// [`db::Error`], for example that the role may not create tables; none is created then.
    pub async fn create_partitions(&self, db: &Db) -> Result<(), db::Error> {
        if !self.dialect.has_partitions() {
            return Ok(());
        }
        let missing = || self.sql.partitions.missing.bind([("parent", self.done.as_str().into())]);
        if missing().all(&db.conn).await?.is_empty() {
            return Ok(());
        }
        let transaction = db.begin().await?;
        self.sql.partitions.lock.run_script(&transaction).await?;
        for month in missing().all(&transaction).await? {
            self.partition(&month)?.run_script(&transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What creates the partition of a missing month.
    fn partition(&self, month: &Row) -> Result<Sql, db::Error> {
        let name = format!("sexton_deletion_done_{}", month.get::<String>("month")?);
        let words = self.words.clone().with([
            ("partition", self.table(&name)),
            ("default", self.table("sexton_deletion_done_default")),
            ("first", month.get("first")?),
            ("next", month.get("next")?),
        ]);
        Ok(words.render(include_str!("partitions.create.postgres.sql")))
    }

    /// A table beside the ledger's own.
    pub(crate) fn table(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(name)),
            None => quote(name),
        }
    }
}
