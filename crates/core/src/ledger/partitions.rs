//! Monthly partitions of the finished deletions, kept ahead of the clock (PostgreSQL §5.11).

use sea_orm::{ConnectionTrait, QueryResult};

use super::Ledger;
use crate::db::{self, Db, Dialect, quote};

impl Ledger {
    /// Creates the partitions of this month and the next three, as far as they are missing. Nothing on SQLite.
    ///
    /// Several processes may do so at once. What finished in a month while it had no partition is in the default one,
    /// and moves.
    ///
    /// # Errors
    /// Whatever the database says, for example that the role may not create tables.
    pub async fn create_partitions(&self, db: &Db) -> Result<(), db::Error> {
        if self.dialect == Dialect::Sqlite {
            return Ok(());
        }
        let missing = "select to_char(m, 'YYYYMM') as month, to_char(m, 'YYYY-MM-DD') as first,
                          to_char(m + interval '1 month', 'YYYY-MM-DD') as next
                   from generate_series(date_trunc('month', clock_timestamp() at time zone 'UTC'),
                        date_trunc('month', clock_timestamp() at time zone 'UTC') + interval '3 months',
                        interval '1 month') m
                   where not exists (
                        select 1 from pg_inherits i join pg_class c on c.oid = i.inhrelid
                        where i.inhparent = $1::regclass and c.relname = 'sexton_deletion_done_' || to_char(m, 'YYYYMM'))";
        let missing = || self.dialect.statement(missing, [self.done.as_str().into()]);
        if db.conn.query_all_raw(missing()).await?.is_empty() {
            return Ok(());
        }
        let transaction = db.begin().await?;
        // `if not exists` is no help when two create the same table at once.
        transaction.execute_unprepared("select pg_advisory_xact_lock(hashtext('sexton_deletion_done'))").await?;
        for month in transaction.query_all_raw(missing()).await? {
            transaction.execute_unprepared(&self.create_partition(&month)?).await?;
        }
        transaction.commit().await.map_err(Into::into)
    }

    /// Filled and then attached: unlike `create … partition of`, attaching lets others go on inserting.
    fn create_partition(&self, month: &QueryResult) -> Result<String, db::Error> {
        let (month, first, next): (String, String, String) =
            (month.try_get("", "month")?, month.try_get("", "first")?, month.try_get("", "next")?);
        let table = |name: &str| match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(name)),
            None => quote(name),
        };
        let (name, default) = (table(&format!("sexton_deletion_done_{month}")), table("sexton_deletion_done_default"));
        let (first, next) = (format!("'{first} 00:00:00+00'"), format!("'{next} 00:00:00+00'"));
        Ok(format!(
            "create table {name} (like {done} including all);
             with moved as (delete from {default} where finished_at >= {first} and finished_at < {next} returning *)
             insert into {name} select * from moved;
             alter table {done} attach partition {name} for values from ({first}) to ({next})",
            done = self.done,
        ))
    }
}
