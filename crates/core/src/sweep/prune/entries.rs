//! Finished deletions that went out of date, in the order of time. On SQLite that is all of them. On PostgreSQL it is
//! those of the month in which the time runs out, of the default partition, and of months that could not be dropped
//! whole.

use serde_json::json;

use super::{BATCH, Mode, PruneCheckpoint, Run, Scanned, still_marked::OldEntry};
use crate::{
    db::{self, Pages, Sql, Words, kill_point},
    ledger::{FinishedAt, after_last},
};

pub(super) struct Statements {
    page: Pages,
    count_attempts: Sql,
    delete_attempts: Sql,
    delete: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        let count_attempts = "-- count failed attempts of old deletions
            select count(*) as n from {attempt} where deletion_id {any_uuid:@deletions}";
        let delete_attempts = "-- delete failed attempts of old deletions
            delete from {attempt} where deletion_id {any_uuid:@deletions}";
        let delete = "-- delete old finished deletions
            delete from {done}
            where id {any_uuid:@deletions} and finished_at >= {timestamptz:@first} and finished_at <= {timestamptz:@last}";
        let after = after_last("d.finished_at", "d.id");
        Self {
            page: Pages::render(words, include_str!("entries.page.sql"), &after),
            count_attempts: words.render(count_attempts),
            delete_attempts: words.render(delete_attempts),
            delete: words.render(delete),
        }
    }
}

impl Run<'_> {
    /// One batch.
    pub(super) async fn prune_entries(&self, checkpoint: &mut PruneCheckpoint) -> Result<Scanned, db::Error> {
        let after = checkpoint.after.as_ref().map(FinishedAt::named);
        let page = self.sql.entries.page.after(after, BATCH, vec![("cutoff", self.cutoff.as_str().into())]);
        let rows = page.read_only(&self.store.db).await?;
        let page = rows.iter().map(OldEntry::read).collect::<Result<Vec<_>, _>>()?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(Scanned::page(0, BATCH)) };
        let candidates: Vec<&OldEntry> = page.iter().filter(|entry| entry.may_be_marked).collect();
        let still_marked = self.still_marked(&candidates).await?;
        let old = page.iter().map(|entry| entry.finished.id.as_str()).filter(|id| !still_marked.contains(*id));
        let old: Vec<&str> = old.collect();
        checkpoint.after = Some(last.finished.clone());
        checkpoint.done.kept += still_marked.len() as u64;
        checkpoint.done.deletions += old.len() as u64;
        checkpoint.done.attempts += self.delete_with_attempts(&old, &first.finished, &last.finished).await?;
        Ok(Scanned::page(page.len(), BATCH))
    }

    /// Deletes these entries, which finished between `first` and `last`, with their failed attempts; returns how many
    /// attempts.
    async fn delete_with_attempts(
        &self,
        ids: &[&str],
        first: &FinishedAt,
        last: &FinishedAt,
    ) -> Result<u64, db::Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let sql = &self.sql.entries;
        let deletions = || ("deletions", json!(ids).to_string().into());
        if self.mode == Mode::DryRun {
            let rows = sql.count_attempts.bind([deletions()]).read_only(&self.store.db).await?;
            return rows.first().map_or(Ok(0), |row| row.count("n"));
        }
        let transaction = self.store.db.begin().await?;
        let attempts = sql.delete_attempts.bind([deletions()]).execute(&transaction).await?;
        let entries =
            sql.delete.bind([deletions(), ("first", first.at.as_str().into()), ("last", last.at.as_str().into())]);
        entries.execute(&transaction).await?;
        kill_point("prune::before");
        transaction.commit().await?;
        kill_point("prune::committed");
        Ok(attempts)
    }
}
