//! `dangling`: children that are still there although their parent's deletion is completed.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sexton_core::{
    catalog::{Cursor, Table},
    config::{Config, SweepBudget},
    db,
    ids::ResourceName,
    ledger::{FinishedAt, Progress, SweepRun},
    sweep::dangling::{CompletedParent, ParentLink, gone_with_children, missing_parents, redelete_parent},
};

use super::{Allowance, Ground, Sweep, json, over, paused, shape};

pub(super) struct Dangling;

/// What a pass found and did; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Figures {
    /// Completed deletions whose children were looked for.
    completed: u64,
    /// Rows of children's tables whose parents were looked for.
    looked: u64,
    /// Parents whose deletion is completed and that still have children.
    dangling: u64,
    /// Those whose deletion was taken up again.
    taken_up: u64,
    /// Parents that rows name, that are not there, and of which no deletion speaks: their rows are left alone.
    unknown: u64,
}

/// Where a pass stands; kept as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    /// Whether all completed deletions were looked at, so that tables are gone through.
    in_tables: bool,
    finished: Option<FinishedAt>,
    resource: Option<ResourceName>,
    rule: usize,
    /// The key columns for which `after` is good.
    shape: String,
    after: Option<Cursor>,
    figures: Figures,
    progress: Progress,
    error: Option<String>,
}

#[async_trait]
impl Sweep for Dangling {
    fn name(&self) -> &'static str {
        "dangling"
    }

    fn interval(&self, _config: &Config) -> Duration {
        Duration::from_secs(10 * 60)
    }

    async fn run(
        &self,
        ground: Ground<'_>,
        cursor: Value,
        budget: SweepBudget,
        dry: bool,
    ) -> Result<SweepRun, db::Error> {
        // A cursor that another release left in another form begins anew.
        let mut place: Place = serde_json::from_value(cursor).unwrap_or_default();
        let mut tables: Vec<&Table> =
            ground.store.catalog.tables().map(AsRef::as_ref).filter(|table| !table.children.is_empty()).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let pass = Pass { ground, tables, dry };
        let mut allowance = Allowance::new(budget);
        loop {
            if allowance.is_used_up() {
                return paused(&place, &place.figures, &place.progress, place.error.clone());
            }
            let more = if place.in_tables {
                pass.rows(&mut place, &mut allowance).await?
            } else {
                pass.completed(&mut place, &mut allowance).await?
            };
            if !more {
                return Ok(SweepRun { error: place.error, ..over(json(&place.figures)?, place.progress) });
            }
        }
    }
}

struct Pass<'a> {
    ground: Ground<'a>,
    /// Those with child rules, by name.
    tables: Vec<&'a Table>,
    dry: bool,
}

impl Pass<'_> {
    /// The next page of completed deletions that still know their rows; there is always something after it.
    async fn completed(&self, place: &mut Place, allowance: &mut Allowance) -> Result<bool, db::Error> {
        let Ground { store, config, .. } = self.ground;
        let names: Vec<&ResourceName> = self.tables.iter().map(|table| &table.name).collect();
        let since = store.ledger.ago(&store.db, config.sync.keep_refs).await?;
        let batch = allowance.batch(config.sync.batch);
        let page = store.ledger.completed_parents(&store.db, &names, &since, place.finished.as_ref(), batch).await?;
        place.figures.completed += page.len() as u64;
        allowance.looked_at(page.len());
        for table in &self.tables {
            let of_table: Vec<CompletedParent> =
                page.iter().filter(|one| one.resource == table.name.as_str()).cloned().collect();
            self.attempt(place, table, &of_table).await?;
        }
        place.in_tables = page.len() < batch;
        place.finished = page.into_iter().last().map(|one| one.finished);
        Ok(true)
    }

    /// The next page of a children's table; whether there is another, or another table.
    async fn rows(&self, place: &mut Place, allowance: &mut Allowance) -> Result<bool, db::Error> {
        let Ground { store, config, .. } = self.ground;
        let since = store.ledger.ago(&store.db, config.sync.keep_refs).await?;
        let ways = self.tables.iter().flat_map(|table| table.children.iter().enumerate().map(move |way| (*table, way)));
        let at = (place.resource.clone(), place.rule);
        let way = ways
            .filter(|(table, (_, rule))| ParentLink { table, rule }.is_by_key())
            .find(|(table, (number, _))| (Some(&table.name), *number) >= (at.0.as_ref(), at.1));
        let Some((table, (number, rule))) = way else { return Ok(false) };
        let shape = shape(&rule.rows);
        if (place.resource.as_ref(), place.rule, &place.shape) != (Some(&table.name), number, &shape) {
            (place.resource, place.rule, place.shape) = (Some(table.name.clone()), number, shape);
            place.after = None;
        }
        let batch = allowance.batch(config.sync.batch);
        match missing_parents(store, ParentLink { table, rule }, &since, place.after.as_ref(), batch).await {
            Ok(page) => {
                allowance.looked_at(page.rows_read);
                place.figures.looked += page.rows_read as u64;
                place.figures.unknown += page.unknown as u64;
                self.attempt(place, table, &page.gone).await?;
                place.after = page.next;
            }
            Err(error) => {
                place.failed(table, error)?;
                place.after = None;
            }
        }
        if place.after.is_none() {
            place.rule = number + 1;
        }
        Ok(true)
    }

    /// [`Self::take_up`]; what the database refuses for one resource keeps no other from it.
    async fn attempt(&self, place: &mut Place, table: &Table, gone: &[CompletedParent]) -> Result<(), db::Error> {
        if gone.is_empty() {
            return Ok(());
        }
        match self.take_up(place, table, gone).await {
            Ok(()) => Ok(()),
            Err(error) => place.failed(table, error),
        }
    }

    async fn take_up(&self, place: &mut Place, table: &Table, gone: &[CompletedParent]) -> Result<(), db::Error> {
        let store = self.ground.store;
        for (one, values) in gone_with_children(store, table, gone).await? {
            place.figures.dangling += 1;
            place.progress.found += 1;
            place.progress.wanted += 1;
            let id = if self.dry { None } else { redelete_parent(store, table, one, &values).await? };
            if let Some(id) = id {
                place.figures.taken_up += 1;
                place.progress.done += 1;
                tracing::info!(resource = %table.name, %id, "rows outlived their parent; its deletion {id} deals with them");
            }
        }
        Ok(())
    }
}

impl Place {
    fn failed(&mut self, table: &Table, error: db::Error) -> Result<(), db::Error> {
        if error.refusal().is_none() {
            return Err(error);
        }
        tracing::warn!(%error, resource = %table.name, "cannot look for rows that outlived their parents");
        self.error = Some(format!("{}: {error}", table.name));
        Ok(())
    }
}
