//! `adopt`: rows that carry their marker although no deletion of them was requested.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sexton_core::{
    catalog::{Cursor, Table},
    config::{AdoptMode, Config, SweepBudget},
    db::{self, NextPage},
    ids::ResourceName,
    key::Key,
    ledger::{SweepProgress, SweepRun},
    soft_remove::DeletionRequest,
    sweep::adopt::{Orphan, adopt, find_orphans},
};

use super::{
    Effect, Sweep, SweepContext,
    budget::RemainingBudget,
    run::{describe_key, finished_run, paused_run, to_json},
};

/// How long the deletion of a row waits whose marker has no time. It may have been marked a moment ago by an
/// application that is about to request the deletion.
const UNDATED_DELAY: Duration = Duration::from_secs(10 * 60);

pub(super) struct AdoptSweep;

/// What a pass found and did; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct AdoptFigures {
    /// Rows that were looked at.
    looked: u64,
    /// Those that are marked and have no deletion.
    orphans: u64,
    /// Those of them that are to be adopted, by the settings of their resource.
    adoptable: u64,
    /// Those whose deletion was requested.
    adopted: u64,
    /// Those that were locked, or that changed meanwhile: the next pass looks at them again.
    missed: u64,
    /// Those whose deletion the database refused to record.
    refused: u64,
}

/// How far a pass has come; stored as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct AdoptCheckpoint {
    resource: Option<ResourceName>,
    /// The key columns that `after` belongs to.
    shape: String,
    after: Option<Cursor>,
    figures: AdoptFigures,
    progress: SweepProgress,
    error: Option<String>,
}

#[async_trait]
impl Sweep for AdoptSweep {
    /// Nothing is an orphan before it has been marked for as long.
    fn interval(&self, _config: &Config) -> Duration {
        Duration::from_secs(10 * 60)
    }

    async fn run(
        &self,
        context: SweepContext<'_>,
        cursor: Value,
        budget: SweepBudget,
        effect: Effect,
    ) -> Result<SweepRun, db::Error> {
        // A cursor that another release left in another form starts the pass anew.
        let mut checkpoint: AdoptCheckpoint = serde_json::from_value(cursor).unwrap_or_default();
        let mut budget = RemainingBudget::new(budget);
        // In the order of names, a pass survives that a resource is added or removed in its middle.
        let mut tables: Vec<_> =
            context.store.catalog.tables().filter(|table| table.resource.adopt != AdoptMode::Off).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let at = checkpoint.resource.clone();
        for table in tables.into_iter().skip_while(|table| at.as_ref().is_some_and(|at| table.name < *at)) {
            checkpoint.enter(table);
            let run = AdoptTableRun { context, table, effect };
            loop {
                if budget.is_used_up() {
                    let AdoptCheckpoint { figures, progress, error, .. } = &checkpoint;
                    return paused_run(&checkpoint, figures, progress, error.clone());
                }
                match run.adopt_next_page(&mut checkpoint, &mut budget).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    // A table that cannot be read does not stop the others.
                    Err(error) if error.refusal().is_some() => {
                        let error = table.loggable_error(&error);
                        tracing::warn!(error, resource = %table.name, "cannot look for marked rows without a deletion");
                        checkpoint.error = Some(format!("{}: {error}", table.name));
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let figures = to_json(&checkpoint.figures)?;
        Ok(SweepRun { error: checkpoint.error, ..finished_run(figures, checkpoint.progress) })
    }
}

impl AdoptCheckpoint {
    /// Continues in `table`, or begins with it.
    fn enter(&mut self, table: &Table) {
        let shape = describe_key(&table.rows);
        if self.resource.as_ref() != Some(&table.name) || self.shape != shape {
            (self.resource, self.shape, self.after) = (Some(table.name.clone()), shape, None);
        }
    }

    fn count_missed(&mut self, orphan: &Orphan) {
        self.figures.missed += 1;
        self.progress.note_backlog_since(orphan.marked_at.as_deref());
    }
}

/// The part of a run that goes through one table.
struct AdoptTableRun<'a> {
    context: SweepContext<'a>,
    table: &'a Table,
    effect: Effect,
}

impl AdoptTableRun<'_> {
    /// Looks for orphans in the next page; returns whether there is another.
    async fn adopt_next_page(
        &self,
        checkpoint: &mut AdoptCheckpoint,
        budget: &mut RemainingBudget,
    ) -> Result<bool, db::Error> {
        let SweepContext { store, config, .. } = self.context;
        let since = self.table.resource.adopt_since.as_deref();
        let next = NextPage { after: checkpoint.after.as_ref(), limit: budget.batch(config.sync.batch) };
        let page = find_orphans(store, self.table, since, next).await?;
        checkpoint.figures.looked += page.rows_read as u64;
        self.adopt_wanted(checkpoint, &page.orphans, budget).await?;
        budget.spend(page.rows_read);
        checkpoint.after = page.next;
        Ok(checkpoint.after.is_some())
    }

    /// Counts orphans, and adopts those that are to be adopted.
    async fn adopt_wanted(
        &self,
        checkpoint: &mut AdoptCheckpoint,
        orphans: &[Orphan],
        budget: &RemainingBudget,
    ) -> Result<(), db::Error> {
        let resource = &self.table.resource;
        let wanted = |orphan: &Orphan| resource.adopt == AdoptMode::On && (resource.adopt_all || orphan.recent);
        let count = orphans.len() as u64;
        checkpoint.figures.orphans += count;
        checkpoint.progress.found += count;
        let adoptable = orphans.iter().filter(|orphan| wanted(orphan)).count() as u64;
        checkpoint.figures.adoptable += adoptable;
        checkpoint.progress.wanted += adoptable;
        let (wanted, left): (Vec<&Orphan>, Vec<&Orphan>) =
            orphans.iter().partition(|orphan| self.effect == Effect::Act && wanted(orphan));
        left.iter().for_each(|orphan| checkpoint.progress.note_backlog_since(orphan.marked_at.as_deref()));
        if let Some(first) = left.first() {
            let example = self.table.loggable_key(&first.key);
            tracing::info!(resource = %self.table.name, count = left.len(), example, "marked rows without a deletion");
        }
        let (dated, undated): (Vec<&Orphan>, Vec<&Orphan>) =
            wanted.into_iter().partition(|orphan| orphan.marked_at.is_some());
        // A deletion without targets that is due at once would be carried out here, and a reference to the row would
        // make this sweep fail.
        let at_once = if resource.targets.is_empty() { Duration::from_millis(1) } else { Duration::ZERO };
        self.adopt_batch(checkpoint, &dated, at_once, budget).await?;
        self.adopt_batch(checkpoint, &undated, UNDATED_DELAY, budget).await
    }

    /// Adopts all at once, or one by one if the database refuses some of them.
    async fn adopt_batch(
        &self,
        checkpoint: &mut AdoptCheckpoint,
        orphans: &[&Orphan],
        after: Duration,
        budget: &RemainingBudget,
    ) -> Result<(), db::Error> {
        if orphans.is_empty() {
            return Ok(());
        }
        let store = self.context.store;
        let mut request = DeletionRequest::by("sexton sweep adopt");
        request.reason = Some("marked without a deletion".to_owned());
        (request.after, request.notify) = (after, true);
        let keys: Vec<Key> = orphans.iter().map(|orphan| orphan.key.clone()).collect();
        let error = match adopt(store, self.table, &keys, &request).await {
            Ok(requested) => {
                checkpoint.figures.adopted += requested.len() as u64;
                checkpoint.progress.done += requested.len() as u64;
                let adopted: HashSet<&str> = requested.iter().map(|one| one.key.as_str()).collect();
                let missed = orphans.iter().filter(|orphan| !adopted.contains(orphan.key.to_string().as_str()));
                missed.for_each(|orphan| checkpoint.count_missed(orphan));
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(refusal) = error.refusal() else { return Err(error) };
        // SQLite has one lock for all rows: each row would wait for it anew.
        let one_by_one = !refusal.is_contention() || store.db.dialect.has_row_locks();
        match orphans {
            [orphan] if !refusal.is_contention() => {
                checkpoint.figures.refused += 1;
                checkpoint.progress.note_backlog_since(orphan.marked_at.as_deref());
                let (key, error) = (self.table.loggable_key(&orphan.key), self.table.loggable_error(&error));
                tracing::warn!(error, resource = %self.table.name, key, "a marked row cannot be adopted");
            }
            [_, _, ..] if one_by_one => {
                for orphan in orphans {
                    match budget.is_used_up() {
                        true => checkpoint.count_missed(orphan),
                        false => Box::pin(self.adopt_batch(checkpoint, &[*orphan], after, budget)).await?,
                    }
                }
            }
            orphans => orphans.iter().for_each(|orphan| checkpoint.count_missed(orphan)),
        }
        Ok(())
    }
}
