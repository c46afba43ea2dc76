//! Finished deletions that went out of date, in the order of time: all of them on SQLite; on PostgreSQL those of the
//! month in which the time runs out, of the default partition and of months that could not be dropped whole.

use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{BATCH, PrunePlace, Run, stays::Entry};
use crate::{
    db::{self, kill_point},
    ledger::FinishedAt,
};

/// Entries whose row may still be there with its marker: it was kept, or the deletion was taken back or given up.
pub(super) const MAY_STAY: &str = "(d.row_outcome = 'kept' or d.cancelled_by in ('discarded', 'restored'))";

impl Run<'_> {
    /// One batch. Returns how many entries were looked at, and whether those were the last.
    pub(super) async fn entries(&self, place: &mut PrunePlace) -> Result<(u64, bool), db::Error> {
        let page = self.page(place.after.as_ref()).await?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok((0, true)) };
        let range = (first.finished.at.clone(), last.finished.at.clone());
        place.after = Some(last.finished.clone());
        let (seen, over) = (page.len() as u64, page.len() < BATCH);
        let candidates: Vec<&Entry> = page.iter().filter(|entry| entry.may_stay).collect();
        let stay = self.staying(&candidates).await?;
        let old: Vec<&str> = page.iter().map(|e| e.finished.id.as_str()).filter(|id| !stay.contains(*id)).collect();
        place.done.kept += stay.len() as u64;
        place.done.deletions += old.len() as u64;
        place.done.attempts += self.forget(&old, range).await?;
        Ok((seen, over))
    }

    async fn page(&self, after: Option<&FinishedAt>) -> Result<Vec<Entry>, db::Error> {
        let d = self.store.ledger.dialect;
        let time = |n: usize| d.param(n, "text::timestamptz");
        let mut values: Vec<Value> = vec![self.cutoff.as_str().into()];
        let mut beyond = String::new();
        if let Some(FinishedAt { at, id }) = after {
            values.extend([at.as_str().into(), id.as_str().into()]);
            beyond = format!("and (d.finished_at, d.id) > ({}, {})", time(2), d.param(3, "text::uuid"));
        }
        let sql = format!(
            "select {} as id, {} as at, d.resource, d.key, d.key_hash, case when {MAY_STAY} then {} else false end as may_stay
             from {} d where d.finished_at < {} {beyond} order by d.finished_at, d.id limit {BATCH}",
            d.cast("d.id", "text"),
            d.cast("d.finished_at", "text"),
            self.newest(),
            self.store.ledger.done,
            time(1),
        );
        let rows = self.store.db.read_only(sql, values).await?;
        rows.iter().map(entry).collect()
    }

    /// Deletes these entries, which finished within `range`, with their failed attempts; returns how many attempts.
    async fn forget(&self, ids: &[&str], (from, to): (String, String)) -> Result<u64, db::Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let (d, ledger) = (self.store.ledger.dialect, &self.store.ledger);
        let ids = serde_json::Value::from(ids.to_vec()).to_string();
        let of_attempts = format!("from {} where deletion_id {}", ledger.attempt, d.any_of(1, "uuid"));
        if self.dry {
            let rows = self.store.db.read_only(format!("select count(*) as n {of_attempts}"), vec![ids.into()]).await?;
            let n: i64 = rows.first().map_or(Ok(0), |row| row.try_get("", "n"))?;
            return Ok(u64::try_from(n).unwrap_or_default());
        }
        let time = |n: usize| d.param(n, "text::timestamptz");
        let entries = format!(
            "delete from {} where id {} and finished_at >= {} and finished_at <= {}",
            ledger.done,
            d.any_of(1, "uuid"),
            time(2),
            time(3)
        );
        let transaction = self.store.db.begin().await?;
        let attempts = d.statement(format!("delete {of_attempts}"), [ids.clone().into()]);
        let attempts = transaction.execute_raw(attempts).await?.rows_affected();
        transaction.execute_raw(d.statement(entries, [ids.into(), from.into(), to.into()])).await?;
        kill_point("prune::before");
        transaction.commit().await?;
        kill_point("prune::committed");
        Ok(attempts)
    }
}

pub(super) fn entry(row: &QueryResult) -> Result<Entry, db::Error> {
    Ok(Entry {
        finished: FinishedAt { at: row.try_get("", "at")?, id: row.try_get("", "id")? },
        resource: row.try_get("", "resource")?,
        key: row.try_get("", "key")?,
        key_hash: row.try_get("", "key_hash")?,
        may_stay: row.try_get("", "may_stay")?,
    })
}
