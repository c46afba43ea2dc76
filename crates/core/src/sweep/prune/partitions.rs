//! Months that are old as a whole: their partition is dropped (PostgreSQL).
//!
//! Both detaching and dropping lock the table against everybody; `detach … concurrently` would not, but it is refused
//! where there is a default partition (ALTER TABLE, "DETACH PARTITION"), and without that one a finished deletion could
//! find no place at all. So the lock is asked for with little patience, and held for no more than a few rows.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Value};

use super::{
    Pruned, Run,
    entries::{MAY_STAY, entry},
};
use crate::{
    db::{self, Dialect, kill_point, quote},
    ledger::FinishedAt,
};

/// A month with more entries that stay is pruned in batches like all else, and its partition stays.
const MOST_MOVED: usize = 1000;
const TRIES: u32 = 5;

impl Run<'_> {
    /// Drops the months that it can. What it cannot drop is left for the batches.
    pub(super) async fn drop_months(&self, done: &mut Pruned) -> Result<(u64, bool), db::Error> {
        // A dry run counts their entries one by one with all others.
        if self.store.ledger.dialect == Dialect::Sqlite || self.dry {
            return Ok((0, true));
        }
        for partition in self.old_months().await? {
            let table = self.store.ledger.table(&partition);
            let Some(stay) = self.staying_in(&table).await? else { continue };
            let rows = self.store.db.read_only(format!("select count(*) as n from {table}"), Vec::new()).await?;
            let n: i64 = rows.first().map_or(Ok(0), |row| row.try_get("", "n"))?;
            match self.drop_month(&table, &stay).await {
                Ok(()) => {
                    done.partitions += 1;
                    done.deletions += u64::try_from(n).unwrap_or_default().saturating_sub(stay.len() as u64);
                }
                Err(error) if error.refusal().is_some() => {
                    tracing::warn!(%error, partition, "cannot drop {partition}; its rows are deleted in batches");
                }
                Err(error) => return Err(error),
            }
        }
        Ok((0, true))
    }

    /// The partitions whose month had passed at the time before which all goes, oldest first.
    async fn old_months(&self) -> Result<Vec<String>, db::Error> {
        let sql = "select c.relname::text as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
                   where i.inhparent = $1::text::regclass and c.relname ~ '^sexton_deletion_done_[0-9]{6}$'
                      and to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month'
                        <= $2::text::timestamptz at time zone 'UTC'
                   order by c.relname";
        let values: Vec<Value> = vec![self.store.ledger.done.as_str().into(), self.cutoff.as_str().into()];
        let rows = self.store.db.read_only(sql.to_owned(), values).await?;
        rows.iter().map(|row| row.try_get("", "name").map_err(db::Error::from)).collect()
    }

    /// The ids of the month's entries that stay; none if they are too many to be moved under the lock.
    async fn staying_in(&self, table: &str) -> Result<Option<Vec<String>>, db::Error> {
        let (mut stay, mut after): (Vec<String>, Option<FinishedAt>) = (Vec::new(), None);
        loop {
            let mut values: Vec<Value> = Vec::new();
            let mut beyond = String::new();
            if let Some(FinishedAt { at, id }) = &after {
                values.extend([at.as_str().into(), id.as_str().into()]);
                beyond = "and (d.finished_at, d.id) > ($1::text::timestamptz, $2::text::uuid)".to_owned();
            }
            let sql = format!(
                "select d.id::text as id, d.finished_at::text as at, d.resource, d.key, d.key_hash, {} as may_stay
                 from {table} d where {MAY_STAY} {beyond} order by d.finished_at, d.id limit {MOST_MOVED}",
                self.newest(),
            );
            let rows = self.store.db.read_only(sql, values).await?;
            let entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
            let candidates: Vec<_> = entries.iter().filter(|entry| entry.may_stay).collect();
            stay.extend(self.staying(&candidates).await?);
            if stay.len() > MOST_MOVED {
                return Ok(None);
            }
            if entries.len() < MOST_MOVED {
                return Ok(Some(stay));
            }
            after = entries.into_iter().last().map(|entry| entry.finished);
        }
    }

    /// Once the partition is detached, what stays finds its place in the default one, with the time at which it finished.
    async fn drop_month(&self, table: &str, stay: &[String]) -> Result<(), db::Error> {
        let done = &self.store.ledger.done;
        let mut tries = 0;
        loop {
            tries += 1;
            let transaction = self.store.db.begin().await?;
            let work = async {
                transaction.execute_unprepared("set local lock_timeout = '200ms'").await?;
                transaction.execute_unprepared(&format!("alter table {done} detach partition {table}")).await?;
                let sql = format!(
                    "insert into {done} select * from {table} where id {}",
                    self.store.ledger.dialect.any_of(1, "uuid")
                );
                let ids = serde_json::Value::from(stay.to_vec()).to_string();
                transaction.execute_raw(self.store.ledger.dialect.statement(sql, [ids.into()])).await?;
                transaction.execute_unprepared(&format!("drop table {table}")).await
            };
            let result = work.await;
            kill_point("prune::dropped");
            match result {
                Ok(_) => return transaction.commit().await.map_err(Into::into),
                Err(error) => {
                    transaction.rollback().await?;
                    let error = db::Error::from(error);
                    let busy = error.refusal().is_some_and(|refusal| refusal.is_contention());
                    if !busy || tries == TRIES {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

impl crate::ledger::Ledger {
    /// A table beside the ledger's own.
    fn table(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(name)),
            None => quote(name),
        }
    }
}
