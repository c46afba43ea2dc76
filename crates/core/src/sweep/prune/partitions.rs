//! Months that are old as a whole: their partition is dropped (PostgreSQL).
//!
//! Both detaching and dropping lock out everything else. `detach … concurrently` would not, but it is refused where
//! there is a default partition (ALTER TABLE, "DETACH PARTITION"). Without that one a finished deletion could find no
//! partition at all. So the lock is waited for briefly, and held for no more than a few rows.

use std::time::Duration;

use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::{Mode, Pruned, Run, Scanned, still_marked::OldEntry};
use crate::{
    db::{self, Pages, Sql, Words, kill_point},
    ledger::{FinishedAt, after_last},
};

/// A month with more entries that stay is pruned in batches like all else, and its partition stays.
const MOST_MOVED: usize = 1000;
const TRIES: u32 = 5;

pub(super) struct Statements {
    old_months: Sql,
    wait_briefly: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        let wait_briefly = "-- wait briefly for locks
            set local lock_timeout = '200ms'";
        Self {
            old_months: words.render(include_str!("partitions.old_months.postgres.sql")),
            wait_briefly: words.render(wait_briefly),
        }
    }
}

const COUNT: &str = "-- count the finished deletions of a month
    select count(*) as n from {partition}";
const DETACH: &str = "-- detach a partition
    alter table {done} detach partition {partition}";
/// Once the partition is detached, these belong to the default one, with the time at which they finished.
const MOVE: &str = "-- move finished deletions that stay
    insert into {done} select * from {partition} where id {any_uuid:@deletions}";
const DROP: &str = "-- drop a partition
    drop table {partition}";

impl Run<'_> {
    /// Drops the months that it can. The others are pruned in batches.
    pub(super) async fn drop_months(&self, done: &mut Pruned) -> Result<Scanned, db::Error> {
        // A dry run counts their entries one by one with all others.
        if !self.store.ledger.dialect.has_partitions() || self.mode == Mode::DryRun {
            return Ok(Scanned::nothing_more());
        }
        for partition in self.old_months().await? {
            let words = self.words.clone().with([("partition", self.store.ledger.table(&partition))]);
            let Some(still_marked) = self.still_marked_in(&words).await? else { continue };
            let rows = words.render(COUNT).bind([]).read_only(&self.store.db).await?;
            let entries: u64 = rows.first().map_or(Ok(0), |row| row.count("n"))?;
            match self.drop_month(&words, &still_marked).await {
                Ok(()) => {
                    done.partitions += 1;
                    done.deletions += entries.saturating_sub(still_marked.len() as u64);
                }
                Err(error) if error.refusal().is_some() => {
                    tracing::warn!(%error, partition, "cannot drop {partition}; its rows are deleted in batches");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Scanned::nothing_more())
    }

    /// The partitions whose month was over at the time before which all goes, oldest first.
    async fn old_months(&self) -> Result<Vec<String>, db::Error> {
        let values = [("parent", self.store.ledger.done.as_str().into()), ("cutoff", self.cutoff.as_str().into())];
        let rows = self.sql.partitions.old_months.bind(values).read_only(&self.store.db).await?;
        rows.iter().map(|row| row.get("name")).collect()
    }

    /// The ids of the month's entries that stay; none if they are too many to be moved under the lock.
    async fn still_marked_in(&self, words: &Words) -> Result<Option<Vec<String>>, db::Error> {
        let after = after_last("d.finished_at", "d.id");
        let pages = Pages::render(words, include_str!("partitions.page.postgres.sql"), &after);
        let (mut still_marked, mut last): (Vec<String>, Option<FinishedAt>) = (Vec::new(), None);
        loop {
            let page = pages.after(last.as_ref().map(FinishedAt::named), MOST_MOVED, Vec::new());
            let rows = page.read_only(&self.store.db).await?;
            let entries = rows.iter().map(OldEntry::read).collect::<Result<Vec<_>, _>>()?;
            let candidates: Vec<_> = entries.iter().filter(|entry| entry.may_be_marked).collect();
            still_marked.extend(self.still_marked(&candidates).await?);
            if still_marked.len() > MOST_MOVED {
                return Ok(None);
            }
            if entries.len() < MOST_MOVED {
                return Ok(Some(still_marked));
            }
            last = entries.into_iter().last().map(|entry| entry.finished);
        }
    }

    async fn drop_month(&self, words: &Words, still_marked: &[String]) -> Result<(), db::Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let transaction = self.store.db.begin().await?;
            let result = self.drop_in_transaction(&transaction, words, still_marked).await;
            kill_point("prune::dropped");
            match result {
                Ok(()) => return Ok(transaction.commit().await?),
                Err(error) => {
                    transaction.rollback().await?;
                    let busy = error.refusal().is_some_and(|refusal| refusal.is_contention());
                    if !busy || tries == TRIES {
                        return Err(error);
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn drop_in_transaction(
        &self,
        transaction: &DatabaseTransaction,
        words: &Words,
        still_marked: &[String],
    ) -> Result<(), db::Error> {
        self.sql.partitions.wait_briefly.run_script(transaction).await?;
        words.render(DETACH).run_script(transaction).await?;
        let still_marked = [("deletions", json!(still_marked).to_string().into())];
        words.render(MOVE).bind(still_marked).execute(transaction).await?;
        words.render(DROP).run_script(transaction).await
    }
}
