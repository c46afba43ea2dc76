//! The part of a run that goes through one table.

use std::time::Duration;

use sexton_core::{
    catalog::{Table, UnreferencedTable},
    config::UnreferencedMode,
    db::{self, NextPage},
    key::Key,
    soft_remove::DeletionRequest,
    sweep::unreferenced::{RowObservation, Step, TablePass},
};

use super::{
    super::{Effect, SweepContext, budget::RemainingBudget, run::describe_key},
    checkpoint::UnreferencedCheckpoint,
    coverage::Coverage,
    figures::RowEnd,
};

/// Rows that one transaction locks. A transaction that references one of them waits until all are done.
const ROWS_AT_ONCE: usize = 100;

/// A table, and what a run goes through it with.
pub(super) struct UnreferencedTableRun<'a> {
    pub(super) context: SweepContext<'a>,
    pub(super) unreferenced: &'a UnreferencedTable,
    pub(super) table: Option<&'a Table>,
    pub(super) is_guarded: bool,
    pub(super) effect: Effect,
}

/// Rows of a page with which the same is to be done.
#[derive(Clone, Copy)]
struct RowsToChange<'r> {
    step: Step,
    rows: &'r [&'r RowObservation],
}

impl UnreferencedTableRun<'_> {
    fn acts(&self) -> bool {
        self.effect == Effect::Act && self.unreferenced.settings.mode == UnreferencedMode::On
    }

    /// Continues in this table, or begins with it.
    pub(super) async fn enter(&self, checkpoint: &mut UnreferencedCheckpoint) -> Result<(), db::Error> {
        let name = &self.unreferenced.name;
        let (shape, acts) =
            (describe_key(&self.unreferenced.rows), self.unreferenced.settings.mode == UnreferencedMode::On);
        let is_here =
            checkpoint.resource.as_ref() == Some(name) && checkpoint.shape == shape && checkpoint.acts == acts;
        if is_here && checkpoint.covered.contains_key(name) {
            return Ok(());
        }
        let now = self.time_ago(Duration::ZERO).await?;
        // A pass covers nothing if it is cut off here, because the mode or the table is another. Nor does one that only
        // looked: it cleared no time of a row that was referenced.
        let is_cut_off = checkpoint.resource.as_ref() == Some(name);
        let last = checkpoint.covered.remove(name).filter(|_| acts && !is_cut_off);
        checkpoint.covered.insert(name.clone(), Coverage::begin(now, last));
        (checkpoint.resource, checkpoint.shape, checkpoint.acts, checkpoint.after) =
            (Some(name.clone()), shape, acts, None);
        self.extend_coverage(checkpoint).await.map(drop)
    }

    /// Ends the pass of this table. The pass before looked at the last rows about as long ago as at the first.
    pub(super) async fn leave(&self, checkpoint: &mut UnreferencedCheckpoint) -> Result<(), db::Error> {
        self.extend_coverage_or_warn(checkpoint).await?;
        checkpoint.after = None;
        if !checkpoint.acts {
            checkpoint.covered.remove(&self.unreferenced.name);
        }
        Ok(())
    }

    /// [`Self::extend_coverage`] in the middle of a pass: if it cannot be extended, the pass is too slow.
    async fn extend_coverage_or_warn(&self, checkpoint: &mut UnreferencedCheckpoint) -> Result<bool, db::Error> {
        let is_covered = self.extend_coverage(checkpoint).await?;
        if !is_covered && self.acts() {
            let gap = humantime::format_duration(self.unreferenced.settings.longest_gap());
            let message = format!(
                "resources.{}: rows are not looked at every {gap}, a quarter of delete_after, so their ages begin anew \
                 and none is deleted; give sync.budget more rows, or lengthen delete_after",
                self.unreferenced.name
            );
            tracing::warn!(resource = %self.unreferenced.name, "{message}");
            checkpoint.error = Some(message);
        }
        Ok(is_covered)
    }

    /// Extends the covered time; returns whether the ages that were found count.
    async fn extend_coverage(&self, checkpoint: &mut UnreferencedCheckpoint) -> Result<bool, db::Error> {
        let oldest = self.time_ago(self.unreferenced.settings.longest_gap()).await?;
        Ok(checkpoint.covered.get_mut(&self.unreferenced.name).is_none_or(|covered| covered.extend_since(&oldest)))
    }

    async fn time_ago(&self, age: Duration) -> Result<String, db::Error> {
        self.context.store.ledger.time_ago(&self.context.store.db, age).await
    }

    /// Takes the next page through its steps; returns whether there is another.
    pub(super) async fn sweep_next_page(
        &self,
        checkpoint: &mut UnreferencedCheckpoint,
        budget: &mut RemainingBudget,
    ) -> Result<bool, db::Error> {
        let batch = budget.batch(self.context.config.sync.batch);
        let covered = checkpoint.covered.get(&self.unreferenced.name).cloned().unwrap_or_default();
        let pass = TablePass {
            store: self.context.store,
            unreferenced: self.unreferenced,
            table: self.table,
            covered_from: &covered.from,
            looked_at: covered.looked_at(),
        };
        let page = pass.look(NextPage { after: checkpoint.after.as_ref(), limit: batch }).await?;
        budget.spend(page.rows_read);
        checkpoint.figures.looked += page.rows_read as u64;
        checkpoint.figures.unreferenced += page.unreferenced as u64;
        checkpoint.figures.hidden += page.hidden as u64;
        checkpoint.progress.found += page.observations.len() as u64;
        if self.unreferenced.settings.mode == UnreferencedMode::On {
            checkpoint.progress.wanted += page.observations.len() as u64;
        }
        let step_of = |one: &RowObservation| match one.step {
            Step::Delete if covered.is_uncleared(one.key.to_string().as_str()) => Step::Restart,
            step => step,
        };
        for step in [Step::Clear, Step::Deprecate, Step::Restart, Step::Delete] {
            let seen: Vec<&RowObservation> = page.observations.iter().filter(|one| step_of(one) == step).collect();
            if step == Step::Delete {
                checkpoint.figures.old += seen.len() as u64;
            }
            if !self.acts() {
                checkpoint.count_left(&seen);
                continue;
            }
            if step == Step::Delete
                && !seen.is_empty()
                && !(self.is_guarded && self.extend_coverage_or_warn(checkpoint).await?)
            {
                checkpoint.count_missed(&seen);
                continue;
            }
            for some in seen.chunks(ROWS_AT_ONCE) {
                self.do_step(checkpoint, &pass, RowsToChange { step, rows: some }, budget).await?;
            }
        }
        checkpoint.after = page.next;
        Ok(checkpoint.after.is_some())
    }

    /// Does a step with all rows at once, or one by one if the database refuses some of them.
    async fn do_step(
        &self,
        checkpoint: &mut UnreferencedCheckpoint,
        pass: &TablePass<'_>,
        to_change: RowsToChange<'_>,
        budget: &RemainingBudget,
    ) -> Result<(), db::Error> {
        let RowsToChange { step, rows: seen } = to_change;
        let keys: Vec<Key> = seen.iter().map(|one| one.key.clone()).collect();
        let recorded =
            self.table.filter(|table| step == Step::Delete && !UnreferencedTable::is_deleted_at_once(Some(table)));
        let result = match recorded {
            Some(table) => self.request_deletions(pass, table, &keys).await,
            None => pass.act(step, &keys).await,
        };
        let error = match result {
            Ok(done) => {
                let end = if recorded.is_some() { RowEnd::Requested } else { RowEnd::Deleted };
                checkpoint.count_done(step, done.len(), end);
                let (done, missed): (Vec<&RowObservation>, Vec<&RowObservation>) =
                    seen.iter().partition(|one| done.contains(&one.key));
                let covered = checkpoint.covered.entry(self.unreferenced.name.clone()).or_default();
                done.iter().for_each(|one| covered.remove_uncleared(&one.key.to_string()));
                self.count_missed(checkpoint, RowsToChange { step, rows: &missed });
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(refusal) = error.refusal() else { return Err(error) };
        // A lock on the whole table would be waited for anew with each row. Only the ledger's entry of a row may be
        // locked by itself.
        let of_a_row = recorded.is_some() && self.context.store.db.dialect.has_row_locks();
        let one_by_one = !refusal.is_contention() || of_a_row;
        match seen {
            [_] if !refusal.is_contention() => {
                self.count_missed(checkpoint, to_change);
                checkpoint.figures.missed -= 1;
                checkpoint.figures.refused += 1;
                let error = self.table.map_or_else(|| error.to_string(), |table| table.loggable_error(&error));
                tracing::warn!(error, resource = %self.unreferenced.name, "an unreferenced row cannot be changed");
            }
            [_, _, ..] if one_by_one => {
                for one in seen {
                    match budget.is_used_up() {
                        true => self.count_missed(checkpoint, RowsToChange { step, rows: &[*one] }),
                        false => {
                            Box::pin(self.do_step(checkpoint, pass, RowsToChange { step, rows: &[*one] }, budget))
                                .await?
                        }
                    }
                }
            }
            _ => self.count_missed(checkpoint, to_change),
        }
        Ok(())
    }

    /// Counts rows with which a step was not done.
    fn count_missed(&self, checkpoint: &mut UnreferencedCheckpoint, missed: RowsToChange<'_>) {
        let RowsToChange { step, rows: seen } = missed;
        checkpoint.count_missed(seen);
        if step == Step::Clear {
            let covered = checkpoint.covered.entry(self.unreferenced.name.clone()).or_default();
            seen.iter().for_each(|one| covered.add_uncleared(one.key.to_string()));
        }
    }

    async fn request_deletions(
        &self,
        pass: &TablePass<'_>,
        table: &Table,
        keys: &[Key],
    ) -> Result<Vec<Key>, db::Error> {
        let mut request = DeletionRequest::by("sexton sweep unreferenced");
        request.reason = Some("unreferenced".to_owned());
        request.notify = true;
        if table.resource.targets.is_empty() {
            // A deletion that is due at once would be carried out here, and a refusal would make this sweep fail.
            request.after = Duration::from_millis(1);
        }
        pass.request(table, &request, keys).await
    }
}
