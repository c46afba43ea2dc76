//! `dangling`: children that are still there although their parent's deletion is completed.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sexton_core::{
    catalog::{Cursor, Table},
    config::{Config, SweepBudget},
    db::{self, NextPage},
    ids::ResourceName,
    ledger::{FinishedAt, SweepProgress, SweepRun},
    sweep::dangling::{CompletedParent, ParentLink, gone_with_children, missing_parents, redelete_parent},
};

use super::{
    Effect, Sweep, SweepContext,
    budget::RemainingBudget,
    run::{describe_key, finished_run, paused_run, to_json},
};

pub(super) struct DanglingSweep;

/// What a pass found and did; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct DanglingFigures {
    /// Completed deletions whose children were looked for.
    completed: u64,
    /// Rows of children's tables whose parents were looked for.
    looked: u64,
    /// Parents whose deletion is completed and that still have children.
    dangling: u64,
    /// Those whose deletion was taken up again.
    taken_up: u64,
    /// Parents that rows name, that do not exist, and that no deletion is known of: their rows are not touched.
    unknown: u64,
}

/// How far a pass has come; stored as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct DanglingCheckpoint {
    /// Whether all completed deletions were looked at: the tables of children come next.
    in_tables: bool,
    finished: Option<FinishedAt>,
    resource: Option<ResourceName>,
    rule: usize,
    /// The key columns that `after` belongs to.
    shape: String,
    after: Option<Cursor>,
    figures: DanglingFigures,
    progress: SweepProgress,
    error: Option<String>,
}

#[async_trait]
impl Sweep for DanglingSweep {
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
        let mut checkpoint: DanglingCheckpoint = serde_json::from_value(cursor).unwrap_or_default();
        let mut tables: Vec<&Table> =
            context.store.catalog.tables().map(AsRef::as_ref).filter(|table| !table.children.is_empty()).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let run = DanglingRun { context, tables, effect };
        let mut budget = RemainingBudget::new(budget);
        loop {
            if budget.is_used_up() {
                let DanglingCheckpoint { figures, progress, error, .. } = &checkpoint;
                return paused_run(&checkpoint, figures, progress, error.clone());
            }
            let more = if checkpoint.in_tables {
                run.look_at_children(&mut checkpoint, &mut budget).await?
            } else {
                run.look_at_completed(&mut checkpoint, &mut budget).await?
            };
            if !more {
                let figures = to_json(&checkpoint.figures)?;
                return Ok(SweepRun { error: checkpoint.error, ..finished_run(figures, checkpoint.progress) });
            }
        }
    }
}

/// A run.
struct DanglingRun<'a> {
    context: SweepContext<'a>,
    /// Those with child rules, by name.
    tables: Vec<&'a Table>,
    effect: Effect,
}

impl DanglingRun<'_> {
    /// Looks at the next page of completed deletions that still know their rows. The tables come after the last page,
    /// so there is always more.
    async fn look_at_completed(
        &self,
        checkpoint: &mut DanglingCheckpoint,
        budget: &mut RemainingBudget,
    ) -> Result<bool, db::Error> {
        let SweepContext { store, config, .. } = self.context;
        let names: Vec<&ResourceName> = self.tables.iter().map(|table| &table.name).collect();
        let since = store.ledger.time_ago(&store.db, config.sync.keep_refs).await?;
        let batch = budget.batch(config.sync.batch);
        let next = NextPage { after: checkpoint.finished.as_ref(), limit: batch };
        let page = store.ledger.completed_parents(&store.db, &names, &since, next).await?;
        checkpoint.figures.completed += page.len() as u64;
        budget.spend(page.len());
        for table in &self.tables {
            let of_table: Vec<CompletedParent> =
                page.iter().filter(|one| one.resource == table.name.as_str()).cloned().collect();
            self.try_take_up(checkpoint, table, &of_table).await?;
        }
        checkpoint.in_tables = page.len() < batch;
        checkpoint.finished = page.into_iter().last().map(|one| one.finished);
        Ok(true)
    }

    /// Looks at the next page of a children's table; returns whether there is another page or table.
    async fn look_at_children(
        &self,
        checkpoint: &mut DanglingCheckpoint,
        budget: &mut RemainingBudget,
    ) -> Result<bool, db::Error> {
        let SweepContext { store, config, .. } = self.context;
        let since = store.ledger.time_ago(&store.db, config.sync.keep_refs).await?;
        let rules =
            self.tables.iter().flat_map(|table| table.children.iter().enumerate().map(move |rule| (*table, rule)));
        let at = (checkpoint.resource.clone(), checkpoint.rule);
        let next = rules
            .filter(|(table, (_, rule))| ParentLink { table, rule }.is_by_key())
            .find(|(table, (number, _))| (Some(&table.name), *number) >= (at.0.as_ref(), at.1));
        let Some((table, (number, rule))) = next else { return Ok(false) };
        let shape = describe_key(&rule.rows);
        if (checkpoint.resource.as_ref(), checkpoint.rule, &checkpoint.shape) != (Some(&table.name), number, &shape) {
            (checkpoint.resource, checkpoint.rule, checkpoint.shape) = (Some(table.name.clone()), number, shape);
            checkpoint.after = None;
        }
        let next = NextPage { after: checkpoint.after.as_ref(), limit: budget.batch(config.sync.batch) };
        match missing_parents(store, ParentLink { table, rule }, &since, next).await {
            Ok(page) => {
                budget.spend(page.rows_read);
                checkpoint.figures.looked += page.rows_read as u64;
                checkpoint.figures.unknown += page.unknown as u64;
                self.try_take_up(checkpoint, table, &page.gone).await?;
                checkpoint.after = page.next;
            }
            Err(error) => {
                checkpoint.record_refusal(table, error)?;
                checkpoint.after = None;
            }
        }
        if checkpoint.after.is_none() {
            checkpoint.rule = number + 1;
        }
        Ok(true)
    }

    /// [`Self::take_up`]; a refusal of the database for one resource does not stop the others.
    async fn try_take_up(
        &self,
        checkpoint: &mut DanglingCheckpoint,
        table: &Table,
        gone: &[CompletedParent],
    ) -> Result<(), db::Error> {
        if gone.is_empty() {
            return Ok(());
        }
        match self.take_up(checkpoint, table, gone).await {
            Ok(()) => Ok(()),
            Err(error) => checkpoint.record_refusal(table, error),
        }
    }

    /// Takes up the deletions of parents that still have children.
    async fn take_up(
        &self,
        checkpoint: &mut DanglingCheckpoint,
        table: &Table,
        gone: &[CompletedParent],
    ) -> Result<(), db::Error> {
        let store = self.context.store;
        for (one, values) in gone_with_children(store, table, gone).await? {
            checkpoint.figures.dangling += 1;
            checkpoint.progress.found += 1;
            checkpoint.progress.wanted += 1;
            let id = if self.effect.is_dry_run() { None } else { redelete_parent(store, table, one, &values).await? };
            if let Some(id) = id {
                checkpoint.figures.taken_up += 1;
                checkpoint.progress.done += 1;
                tracing::info!(
                    resource = %table.name,
                    %id,
                    "rows outlived their parent; its deletion {id} deals with them"
                );
            }
        }
        Ok(())
    }
}

impl DanglingCheckpoint {
    /// Notes what the database refused for one table; any other error ends the run.
    fn record_refusal(&mut self, table: &Table, error: db::Error) -> Result<(), db::Error> {
        if error.refusal().is_none() {
            return Err(error);
        }
        let error = table.loggable_error(&error);
        tracing::warn!(error, resource = %table.name, "cannot look for rows that outlived their parents");
        self.error = Some(format!("{}: {error}", table.name));
        Ok(())
    }
}
