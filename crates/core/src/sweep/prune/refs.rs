//! Columns that were kept for later checks, once it is too late for those.

use serde_json::json;

use super::{BATCH, Mode, PruneCheckpoint, Run, Scanned};
use crate::{
    db::{self, Sql, Words},
    ledger::FinishedAt,
};

pub(super) struct Statements {
    count: Sql,
    batch: Sql,
    scrub: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        let count = "-- count what old deletions still know of their rows
            select count(*) as n from {done} where refs is not null and finished_at < {timestamptz:@cutoff}";
        let batch = "-- read which old deletions still know their rows
            select {text:d.id} as id, {text:d.finished_at} as at
            from {done} d
            where refs is not null and finished_at < {timestamptz:@cutoff}
            order by d.finished_at, d.id
            limit @limit";
        let scrub = "-- forget what old deletions know of their rows
            update {done} set refs = null
            where id {any_uuid:@deletions} and finished_at >= {timestamptz:@first} and finished_at <= {timestamptz:@last}";
        Self { count: words.render(count), batch: words.render(batch), scrub: words.render(scrub) }
    }
}

impl Run<'_> {
    /// One batch.
    pub(super) async fn scrub_refs(&self, checkpoint: &mut PruneCheckpoint) -> Result<Scanned, db::Error> {
        let (sql, db) = (&self.sql.refs, &self.store.db);
        let cutoff = || ("cutoff", self.refs_cutoff.as_str().into());
        if self.mode == Mode::DryRun {
            let rows = sql.count.bind([cutoff()]).read_only(db).await?;
            checkpoint.done.refs += rows.first().map_or(Ok(0), |row| row.count::<u64>("n"))?;
            return Ok(Scanned::nothing_more());
        }
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let rows = sql.batch.bind([cutoff(), ("limit", limit.into())]).read_only(db).await?;
        let batch = rows.iter().map(FinishedAt::read).collect::<Result<Vec<_>, _>>()?;
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(Scanned::nothing_more()) };
        let ids: Vec<&str> = batch.iter().map(|one| one.id.as_str()).collect();
        let scrub = sql.scrub.bind([
            ("deletions", json!(ids).to_string().into()),
            ("first", first.at.as_str().into()),
            ("last", last.at.as_str().into()),
        ]);
        checkpoint.done.refs += scrub.execute(&db.conn).await?;
        Ok(Scanned::page(batch.len(), BATCH))
    }
}
