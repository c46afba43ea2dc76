//! Monthly partitions of the finished deletions, kept ahead of the clock (PostgreSQL §5.11).

use sea_orm::{ConnectionTrait, DbErr};

use super::Ledger;
use crate::db::{Db, Dialect, quote};

impl Ledger {
    /// Creates the partitions of this month and the next three, as far as they are missing. Nothing on SQLite.
    ///
    /// # Errors
    /// Whatever the database says, for example that the role may not create tables.
    pub async fn create_partitions(&self, db: &Db) -> Result<(), DbErr> {
        if self.dialect == Dialect::Sqlite {
            return Ok(());
        }
        let sql = "select to_char(m, 'YYYYMM') as month, to_char(m, 'YYYY-MM-DD') as first,
                          to_char(m + interval '1 month', 'YYYY-MM-DD') as next
                   from generate_series(date_trunc('month', clock_timestamp() at time zone 'UTC'),
                        date_trunc('month', clock_timestamp() at time zone 'UTC') + interval '3 months',
                        interval '1 month') m";
        for row in db.conn.query_all_raw(self.dialect.statement(sql, [])).await? {
            let (month, first, next): (String, String, String) =
                (row.try_get("", "month")?, row.try_get("", "first")?, row.try_get("", "next")?);
            let name = format!("sexton_deletion_done_{month}");
            let name = match &self.schema {
                Some(schema) => format!("{}.{}", quote(schema), quote(&name)),
                None => quote(&name),
            };
            let sql = format!(
                "create table if not exists {name} partition of {} for values from ('{first} 00:00:00+00') to ('{next} 00:00:00+00')",
                self.done
            );
            db.conn.execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
