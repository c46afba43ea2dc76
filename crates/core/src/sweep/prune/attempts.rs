//! Failed attempts whose deletion is gone: those of months that were dropped whole.

use serde_json::json;

use super::{BATCH, Mode, PruneCheckpoint, Run, Scanned};
use crate::{
    db::{self, Pages, Sql, Words, kill_point},
    ledger::{FinishedAt, after_last},
};

pub(super) struct Statements {
    page: Pages,
    delete: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        let delete = "-- delete failed attempts
            delete from {attempt} where deletion_id {any_uuid:@deletions}";
        let after = after_last("a.at", "a.deletion_id");
        Self { page: Pages::render(words, include_str!("attempts.page.sql"), &after), delete: words.render(delete) }
    }
}

impl Run<'_> {
    /// One batch.
    pub(super) async fn prune_attempts(&self, checkpoint: &mut PruneCheckpoint) -> Result<Scanned, db::Error> {
        let sql = &self.sql.attempts;
        let after = checkpoint.after.as_ref().map(FinishedAt::named);
        let page = sql.page.after(after, BATCH, vec![("cutoff", self.cutoff.as_str().into())]);
        let rows = page.read_only(&self.store.db).await?;
        let mut orphaned: Vec<String> = Vec::new();
        for row in &rows {
            if row.get("gone")? {
                orphaned.push(row.get("id")?);
            }
        }
        if let Some(last) = rows.last() {
            checkpoint.after = Some(FinishedAt::read(last)?);
        }
        if self.mode == Mode::DryRun {
            checkpoint.done.attempts += orphaned.len() as u64;
        } else if !orphaned.is_empty() {
            let delete = sql.delete.bind([("deletions", json!(orphaned).to_string().into())]);
            checkpoint.done.attempts += delete.execute(&self.store.db.conn).await?;
            kill_point("prune::attempts");
        }
        Ok(Scanned::page(rows.len(), BATCH))
    }
}
