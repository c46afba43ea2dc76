//! `adopt`: rows that carry their marker although Sexton was never asked to delete them.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sexton_core::{
    catalog::{Cursor, Table},
    config::{Adopt as Mode, Config, SweepBudget},
    db::{self, Dialect},
    ids::ResourceName,
    key::Key,
    ledger::{Progress, SweepRun},
    soft_remove::Request,
    sweep::adopt::{Orphan, adopt, find_orphans},
};

use super::{Allowance, Ground, Sweep, json, over, paused, shape};

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
    /// Those of them that are to be adopted, by the settings of their resource.
    adoptable: u64,
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
    /// The key columns for which `after` is good.
    shape: String,
    after: Option<Cursor>,
    figures: Figures,
    progress: Progress,
    error: Option<String>,
}

#[async_trait]
impl Sweep for Adopt {
    fn name(&self) -> &'static str {
        "adopt"
    }

    /// Nothing is an orphan before it has been marked for as long.
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
        let mut allowance = Allowance::new(budget);
        // By name, so that a resource that was added or taken away in the middle of a pass does no harm.
        let mut tables: Vec<_> =
            ground.store.catalog.tables().filter(|table| table.resource.adopt != Mode::Off).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let at = place.resource.clone();
        for table in tables.into_iter().skip_while(|table| at.as_ref().is_some_and(|at| table.name < *at)) {
            place.enter(table);
            let pass = Pass { ground, table, dry };
            loop {
                if allowance.is_used_up() {
                    return paused(&place, &place.figures, &place.progress, place.error.clone());
                }
                match pass.page(&mut place, &mut allowance).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    // One table that cannot be read keeps no other from it.
                    Err(error) if error.refusal().is_some() => {
                        tracing::warn!(%error, resource = %table.name, "cannot look for marked rows without a deletion");
                        place.error = Some(format!("{}: {error}", table.name));
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(SweepRun { error: place.error, ..over(json(&place.figures)?, place.progress) })
    }
}

impl Place {
    /// Goes on in `table`, or begins with it.
    fn enter(&mut self, table: &Table) {
        let shape = shape(&table.rows);
        if self.resource.as_ref() != Some(&table.name) || self.shape != shape {
            (self.resource, self.shape, self.after) = (Some(table.name.clone()), shape, None);
        }
    }

    fn missed(&mut self, orphan: &Orphan) {
        self.figures.missed += 1;
        self.progress.note_backlog_since(orphan.marked_at.as_deref());
    }
}

/// A run's way through one table.
struct Pass<'a> {
    ground: Ground<'a>,
    table: &'a Table,
    dry: bool,
}

impl Pass<'_> {
    /// The next page; whether there is another.
    async fn page(&self, place: &mut Place, allowance: &mut Allowance) -> Result<bool, db::Error> {
        let Ground { store, config, .. } = self.ground;
        let since = self.table.resource.adopt_since.as_deref();
        let batch = allowance.batch(config.sync.batch);
        let page = find_orphans(store, self.table, since, place.after.as_ref(), batch).await?;
        place.figures.looked += page.rows_read as u64;
        self.see(place, &page.orphans, allowance).await?;
        allowance.looked_at(page.rows_read);
        place.after = page.next;
        Ok(place.after.is_some())
    }

    /// Counts these orphans, and adopts those that are to be adopted.
    async fn see(&self, place: &mut Place, orphans: &[Orphan], allowance: &Allowance) -> Result<(), db::Error> {
        let resource = &self.table.resource;
        let wanted = |orphan: &Orphan| resource.adopt == Mode::On && (resource.adopt_all || orphan.recent);
        let count = orphans.len() as u64;
        place.figures.orphans += count;
        place.progress.found += count;
        let adoptable = orphans.iter().filter(|orphan| wanted(orphan)).count() as u64;
        place.figures.adoptable += adoptable;
        place.progress.wanted += adoptable;
        let (wanted, left): (Vec<&Orphan>, Vec<&Orphan>) =
            orphans.iter().partition(|orphan| !self.dry && wanted(orphan));
        left.iter().for_each(|orphan| place.progress.note_backlog_since(orphan.marked_at.as_deref()));
        if let Some(first) = left.first() {
            let example = first.key.to_string();
            tracing::info!(resource = %self.table.name, count = left.len(), example, "marked rows without a deletion");
        }
        let (dated, undated): (Vec<&Orphan>, Vec<&Orphan>) =
            wanted.into_iter().partition(|orphan| orphan.marked_at.is_some());
        // Without targets a deletion that is due at once would be done here, and a reference to the row be an error.
        let at_once = if resource.targets.is_empty() { Duration::from_millis(1) } else { Duration::ZERO };
        self.adopt(place, &dated, at_once, allowance).await?;
        self.adopt(place, &undated, UNDATED_WAITS, allowance).await
    }

    /// All at once, or each by itself if the database refuses some of them.
    async fn adopt(
        &self,
        place: &mut Place,
        orphans: &[&Orphan],
        after: Duration,
        allowance: &Allowance,
    ) -> Result<(), db::Error> {
        if orphans.is_empty() {
            return Ok(());
        }
        let store = self.ground.store;
        let mut request = Request::by("sexton sweep adopt");
        request.reason = Some("marked without a deletion".to_owned());
        (request.after, request.notify) = (after, true);
        let keys: Vec<Key> = orphans.iter().map(|orphan| orphan.key.clone()).collect();
        let error = match adopt(store, self.table, &keys, &request).await {
            Ok(requested) => {
                place.figures.adopted += requested.len() as u64;
                place.progress.done += requested.len() as u64;
                let adopted: HashSet<&str> = requested.iter().map(|one| one.key.as_str()).collect();
                let missed = orphans.iter().filter(|orphan| !adopted.contains(orphan.key.to_string().as_str()));
                missed.for_each(|orphan| place.missed(orphan));
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(refusal) = error.refusal() else { return Err(error) };
        // SQLite has one lock for all rows, and each of them would wait for it anew.
        let one_by_one = !refusal.is_contention() || store.db.dialect == Dialect::Postgres;
        match orphans {
            [orphan] if !refusal.is_contention() => {
                place.figures.refused += 1;
                place.progress.note_backlog_since(orphan.marked_at.as_deref());
                let key = orphan.key.to_string();
                tracing::warn!(%error, resource = %self.table.name, key, "a marked row cannot be adopted");
            }
            [_, _, ..] if one_by_one => {
                for orphan in orphans {
                    match allowance.is_used_up() {
                        true => place.missed(orphan),
                        false => Box::pin(self.adopt(place, &[*orphan], after, allowance)).await?,
                    }
                }
            }
            orphans => orphans.iter().for_each(|orphan| place.missed(orphan)),
        }
        Ok(())
    }
}
