//! `adopt`: rows that carry their marker although Sexton was never asked to delete them.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sexton_core::{
    catalog::{Cursor, Table},
    config::{Adopt as Mode, SweepBudget},
    db::refusal,
    ids::ResourceName,
    key::Key,
    ledger::{Progress, SweepRun},
    removal::{
        Request,
        adopt::{Orphan, adopt, orphans},
    },
};

use super::{Ground, Sweep, json, over};

/// A row whose marker says nothing of time may have been marked a moment ago by somebody who is about to ask for its
/// deletion: its own waits for so long.
const UNDATED_WAITS: Duration = Duration::from_secs(10 * 60);

pub(super) struct Adopt;

/// What a pass found and did; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Figures {
    /// Rows that were looked at.
    looked: u64,
    /// Those that are marked and have no deletion.
    orphans: u64,
    /// Those whose deletion was requested.
    adopted: u64,
    /// Those that somebody had locked, or that changed meanwhile: the next pass comes by again.
    missed: u64,
    /// Those whose deletion the database refused to record.
    refused: u64,
}

/// Where a pass stands; kept as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    resource: Option<ResourceName>,
    after: Option<Cursor>,
    figures: Figures,
    progress: Progress,
}

#[async_trait]
impl Sweep for Adopt {
    fn name(&self) -> &'static str {
        "adopt"
    }

    /// Nothing is an orphan before it has been marked for as long.
    fn interval(&self) -> Duration {
        Duration::from_secs(10 * 60)
    }

    async fn run(&self, ground: Ground<'_>, cursor: Value, budget: SweepBudget, dry: bool) -> Result<SweepRun, DbErr> {
        // A cursor that another release left in another form begins anew.
        let mut place: Place = serde_json::from_value(cursor).unwrap_or_default();
        let (start, mut looked) = (Instant::now(), 0);
        // By name, so that a resource that was added or taken away in the middle of a pass does no harm.
        let mut tables: Vec<_> = ground.catalog.tables().filter(|table| table.resource.adopt != Mode::Off).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        loop {
            let next = tables.iter().find(|table| place.resource.as_ref().is_none_or(|at| table.name >= *at));
            let Some(table) = next else { return Ok(over(json(&place.figures)?, place.progress)) };
            if place.resource.as_ref() != Some(&table.name) {
                (place.resource, place.after) = (Some(table.name.clone()), None);
            }
            if looked >= budget.rows || start.elapsed() >= budget.time {
                let (figures, progress) = (json(&place.figures)?, place.progress.clone());
                return Ok(SweepRun { cursor: json(&place)?, figures, progress, over: false });
            }
            let since = table.resource.adopt_since.as_deref();
            let batch = ground.config.sync.batch;
            let page = orphans(ground.db, ground.ledger, table, since, place.after.as_ref(), batch).await?;
            looked += page.looked as u64;
            place.figures.looked += page.looked as u64;
            place.see(ground, table, &page.orphans, dry).await?;
            place.after = page.next;
            if place.after.is_none() {
                place.resource = tables.iter().map(|table| &table.name).find(|name| **name > table.name).cloned();
                if place.resource.is_none() {
                    return Ok(over(json(&place.figures)?, place.progress));
                }
            }
        }
    }
}

impl Place {
    /// Counts these orphans, and adopts those that are to be adopted.
    async fn see(&mut self, ground: Ground<'_>, table: &Table, orphans: &[Orphan], dry: bool) -> Result<(), DbErr> {
        let count = orphans.len() as u64;
        self.figures.orphans += count;
        self.progress.found += count;
        let wanted = |orphan: &&Orphan| table.resource.adopt_all || orphan.recent;
        let on = table.resource.adopt == Mode::On && !dry;
        let (wanted, left): (Vec<&Orphan>, Vec<&Orphan>) = orphans.iter().partition(|one| on && wanted(one));
        left.iter().for_each(|orphan| self.progress.left_since(orphan.marked_at.as_deref()));
        if let Some(first) = left.first() {
            let example = first.key.to_string();
            tracing::info!(resource = %table.name, count = left.len(), example, "marked rows without a deletion");
        }
        let (dated, undated): (Vec<&Orphan>, Vec<&Orphan>) =
            wanted.into_iter().partition(|one| one.marked_at.is_some());
        self.adopt(ground, table, &dated, Duration::ZERO).await?;
        self.adopt(ground, table, &undated, UNDATED_WAITS).await
    }

    /// All at once, or each by itself if the database refuses some of them.
    async fn adopt(
        &mut self,
        ground: Ground<'_>,
        table: &Table,
        orphans: &[&Orphan],
        after: Duration,
    ) -> Result<(), DbErr> {
        if orphans.is_empty() {
            return Ok(());
        }
        let Ground { db, ledger, catalog, .. } = ground;
        let mut request = Request::by("sexton sweep adopt");
        request.reason = Some("marked without a deletion".to_owned());
        (request.after, request.notify) = (after, true);
        let keys: Vec<Key> = orphans.iter().map(|orphan| orphan.key.clone()).collect();
        match adopt(db, ledger, catalog, table, &keys, &request).await {
            Ok(requested) => {
                let adopted = requested.len() as u64;
                self.figures.adopted += adopted;
                self.progress.done += adopted;
                self.figures.missed += (orphans.len() as u64).saturating_sub(adopted);
            }
            Err(error) => match refusal(&error) {
                None => return Err(error),
                Some(_) if orphans.len() > 1 => {
                    for orphan in orphans {
                        Box::pin(self.adopt(ground, table, &[orphan], after)).await?;
                    }
                }
                Some(refusal) => {
                    let missed = refusal.is_contention();
                    *(if missed { &mut self.figures.missed } else { &mut self.figures.refused }) += 1;
                    self.progress.left_since(orphans.first().and_then(|orphan| orphan.marked_at.as_deref()));
                    if !missed {
                        let key = keys.first().map(ToString::to_string);
                        tracing::warn!(%error, resource = %table.name, key, "a marked row cannot be adopted");
                    }
                }
            },
        }
        Ok(())
    }
}
