//! Open transactions that may add finished deletions. A deletion bears the time of its write, and is seen after the
//! commit. So a period is complete once the transactions that wrote in it have ended.

use std::collections::BTreeMap;

use crate::{
    db::{self, Db, Dialect, Sql, Words},
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    writers: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        // A prepared transaction (PostgreSQL, PREPARE TRANSACTION) holds locks as well, without a process.
        let writers = "-- find transactions that may finish deletions
            -- Without the rights of pg_monitor, xact_start is null in sessions of other roles.
            select distinct l.virtualtransaction as transaction, l.pid::bigint as process
            from pg_locks l
            left join pg_stat_activity a on a.pid = l.pid
            where l.relation = @done::text::regclass and l.mode = 'RowExclusiveLock' and l.granted
                and l.database = (select oid from pg_database where datname = current_database())
                and (a.xact_start is null or a.xact_start < @until::text::timestamptz)";
        Self { writers: words.render(writers) }
    }
}

/// A transaction, and the server process that runs it; none if it is a prepared one.
pub type Writers = BTreeMap<String, Option<i64>>;

impl Ledger {
    /// The transactions that may still finish deletions before `until`, which is past. They hold the lock for such
    /// writes and are not known to have begun later. Any other transaction writes times after this call. On SQLite
    /// there are none: this waits until no transaction writes.
    ///
    /// * `until`: as the database writes times.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; on SQLite also when it is written to all the time.
    pub async fn writers_of_finished(&self, db: &Db, until: &str) -> Result<Writers, db::Error> {
        match self.dialect {
            Dialect::Postgres => {
                let values = [("done", self.done.as_str().into()), ("until", until.into())];
                let rows = self.sql.writers.writers.bind(values).all(&db.conn).await?;
                rows.iter().map(|row| Ok((row.get("transaction")?, row.get("process")?))).collect()
            }
            Dialect::Sqlite => {
                db.begin().await?.rollback().await?;
                Ok(Writers::new())
            }
        }
    }
}
