//! `unreferenced`: rows that nothing references any more are deprecated, hidden and deleted.

mod covered;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};
use sexton_core::{
    catalog::{Cursor, Table, Unreferenced},
    config::{Config, SweepBudget, UnreferencedMode as Mode},
    db::{Dialect, refusal},
    guard::unguarded,
    ids::ResourceName,
    key::Key,
    ledger::{Progress, SweepRun},
    removal::Request,
    unreferenced::{Pass, Seen, Step},
};

use self::covered::Covered;
use super::{Allowance, Ground, Sweep, json, over, shape};

/// Rows that one transaction locks: whoever wants to reference one of them waits for so many.
const LOCKED: usize = 100;

/// Between two passes at most.
const LONGEST_INTERVAL: Duration = Duration::from_secs(10 * 60);

pub(super) struct UnreferencedRows;

/// What a pass found and did; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Figures {
    /// Rows that were looked at.
    looked: u64,
    /// Those that nothing references.
    unreferenced: u64,
    /// Those of them that can no longer be chosen.
    hidden: u64,
    /// Those of which it was written down that they are unreferenced.
    deprecated: u64,
    /// Those of which that was written down anew, since nobody looked for too long.
    restarted: u64,
    /// Those that are referenced again.
    cleared: u64,
    /// Those whose time has come.
    old: u64,
    /// Those of them that were deleted.
    deleted: u64,
    /// Those of them whose deletion was requested.
    requested: u64,
    /// Those that somebody had locked, or that changed meanwhile: the next pass comes by again.
    missed: u64,
    /// Those that the database refused to change.
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
    /// Whether that is more than a report.
    acts: bool,
    covered: BTreeMap<ResourceName, Covered>,
}

#[async_trait]
impl Sweep for UnreferencedRows {
    fn name(&self) -> &'static str {
        "unreferenced"
    }

    /// Short enough for every age to count, and for rows to be hidden in time.
    fn interval(&self, config: &Config) -> Duration {
        let all = config.resources.values().filter_map(|resource| resource.unreferenced.as_ref());
        let wanted =
            all.map(|settings| (settings.longest_gap() / 4).min(settings.hide_after.max(config.sync.interval)));
        wanted.min().unwrap_or(LONGEST_INTERVAL).min(LONGEST_INTERVAL)
    }

    fn memory(&self, cursor: &Value) -> Value {
        object!({ "covered": cursor.get("covered").unwrap_or(&object!({})) })
    }

    async fn run(&self, ground: Ground<'_>, cursor: Value, budget: SweepBudget, dry: bool) -> Result<SweepRun, DbErr> {
        // A cursor that another release left in another form begins anew.
        let mut place: Place = serde_json::from_value(cursor).unwrap_or_default();
        let mut allowance = Allowance::new(budget);
        let at = place.resource.clone();
        let named = ground.config.resources.iter().filter(|(_, resource)| resource.unreferenced.is_some());
        for (name, resource) in named.skip_while(|(name, _)| at.as_ref().is_some_and(|at| *name < at)) {
            // As the foreign keys are now: one may have been added since this process started.
            let loaded = match Unreferenced::load(ground.db, name, resource).await {
                Ok(None) => continue,
                Ok(Some(Ok(loaded))) if loaded.problems.is_empty() => loaded,
                Ok(Some(Ok(Unreferenced { problems, .. }) | Err(problems))) => {
                    let why = problems.first().map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(resource = %name, "unreferenced rows are left alone: {why}");
                    place.error = Some(why);
                    continue;
                }
                Err(error) => {
                    place.failed(name, error)?;
                    continue;
                }
            };
            let table = ground.catalog.table(name).map(AsRef::as_ref);
            let unguarded = unguarded(&ground.db.conn, ground.ledger, &loaded, table).await?;
            if let Some(why) = &unguarded {
                tracing::warn!(resource = %name, "unreferenced rows are not deleted: {why}");
                place.error = Some(why.to_string());
            }
            let is_guarded = unguarded.is_none();
            let through = Through { ground, unreferenced: &loaded, table, is_guarded, dry };
            through.enter(&mut place).await?;
            loop {
                if allowance.is_used_up() {
                    return place.pause();
                }
                match through.page(&mut place, &mut allowance).await {
                    Ok(true) => {}
                    Ok(false) => {
                        through.leave(&mut place).await?;
                        break;
                    }
                    Err(error) => {
                        place.failed(name, error)?;
                        break;
                    }
                }
            }
        }
        let run = over(json(&place.figures)?, place.progress);
        Ok(SweepRun { error: place.error, cursor: object!({ "covered": place.covered }), ..run })
    }
}

impl Place {
    fn pause(self) -> Result<SweepRun, DbErr> {
        Ok(SweepRun {
            cursor: json(&self)?,
            figures: json(&self.figures)?,
            progress: self.progress,
            over: false,
            error: self.error,
        })
    }

    /// One table that cannot be read keeps no other from it.
    fn failed(&mut self, name: &ResourceName, error: DbErr) -> Result<(), DbErr> {
        if refusal(&error).is_none() {
            return Err(error);
        }
        tracing::warn!(%error, resource = %name, "cannot look for unreferenced rows");
        self.error = Some(format!("{name}: {error}"));
        if let Some(covered) = self.covered.remove(name).and_then(Covered::give_up) {
            self.covered.insert(name.clone(), covered);
        }
        Ok(())
    }

    fn missed(&mut self, seen: &[&Seen]) {
        self.figures.missed += seen.len() as u64;
        self.left(seen);
    }

    fn left(&mut self, seen: &[&Seen]) {
        seen.iter().for_each(|one| self.progress.left_since(one.since.as_deref()));
    }

    fn done(&mut self, step: Step, count: usize, requested: bool) {
        let count = count as u64;
        self.progress.done += count;
        let figure = match step {
            Step::Clear => &mut self.figures.cleared,
            Step::Deprecate => &mut self.figures.deprecated,
            Step::Restart => &mut self.figures.restarted,
            Step::Delete if requested => &mut self.figures.requested,
            Step::Delete => &mut self.figures.deleted,
        };
        *figure += count;
    }
}

/// A run's way through one table.
struct Through<'a> {
    ground: Ground<'a>,
    unreferenced: &'a Unreferenced,
    table: Option<&'a Table>,
    is_guarded: bool,
    dry: bool,
}

impl Through<'_> {
    fn acts(&self) -> bool {
        !self.dry && self.unreferenced.settings.mode == Mode::On
    }

    /// Goes on in this table, or begins with it.
    async fn enter(&self, place: &mut Place) -> Result<(), DbErr> {
        let name = &self.unreferenced.name;
        let (shape, acts) = (shape(&self.unreferenced.rows), self.unreferenced.settings.mode == Mode::On);
        let is_here = place.resource.as_ref() == Some(name) && place.shape == shape && place.acts == acts;
        if is_here && place.covered.contains_key(name) {
            return Ok(());
        }
        let now = self.ago(Duration::ZERO).await?;
        // A pass that is cut off here, because the mode or the table is another, covers nothing; nor does one that only
        // looked, since nobody took the mark from a row that was referenced.
        let is_cut_off = place.resource.as_ref() == Some(name);
        let last = place.covered.remove(name).filter(|_| acts && !is_cut_off);
        place.covered.insert(name.clone(), Covered::begin(now, last));
        (place.resource, place.shape, place.acts, place.after) = (Some(name.clone()), shape, acts, None);
        self.cover(place).await.map(drop)
    }

    /// The end of the table. A row at its end was last looked at when the pass before was there.
    async fn leave(&self, place: &mut Place) -> Result<(), DbErr> {
        self.cover_or_say(place).await?;
        place.after = None;
        if !place.acts {
            place.covered.remove(&self.unreferenced.name);
        }
        Ok(())
    }

    /// [`Self::cover`] in the middle of a pass, which was too slow then.
    async fn cover_or_say(&self, place: &mut Place) -> Result<bool, DbErr> {
        let is_covered = self.cover(place).await?;
        if !is_covered && self.acts() {
            let gap = humantime::format_duration(self.unreferenced.settings.longest_gap());
            let message = format!(
                "resources.{}: rows are not looked at every {gap}, a quarter of delete_after, so their ages begin anew and none \
                 is deleted; give sync.budget more rows, or lengthen delete_after",
                self.unreferenced.name
            );
            tracing::warn!(resource = %self.unreferenced.name, "{message}");
            place.error = Some(message);
        }
        Ok(is_covered)
    }

    /// Whether the ages that were found count.
    async fn cover(&self, place: &mut Place) -> Result<bool, DbErr> {
        let oldest = self.ago(self.unreferenced.settings.longest_gap()).await?;
        Ok(place.covered.get_mut(&self.unreferenced.name).is_none_or(|covered| covered.holds(&oldest)))
    }

    async fn ago(&self, age: Duration) -> Result<String, DbErr> {
        self.ground.ledger.ago(self.ground.db, age).await
    }

    /// The next page; whether there is another.
    async fn page(&self, place: &mut Place, allowance: &mut Allowance) -> Result<bool, DbErr> {
        let batch = allowance.batch(self.ground.config.sync.batch);
        let covered = place.covered.get(&self.unreferenced.name).cloned().unwrap_or_default();
        let pass = Pass {
            db: self.ground.db,
            unreferenced: self.unreferenced,
            table: self.table,
            ledger: self.ground.ledger,
            covered_from: &covered.from,
            looked_at: covered.looked_at(),
        };
        let page = pass.look(place.after.as_ref(), batch).await?;
        allowance.looked_at(page.looked);
        place.figures.looked += page.looked as u64;
        place.figures.unreferenced += page.unreferenced as u64;
        place.figures.hidden += page.hidden as u64;
        place.progress.found += page.seen.len() as u64;
        if self.unreferenced.settings.mode == Mode::On {
            place.progress.wanted += page.seen.len() as u64;
        }
        let step_of = |one: &Seen| match one.step {
            Step::Delete if covered.doubts(one.key.to_string().as_str()) => Step::Restart,
            step => step,
        };
        for step in [Step::Clear, Step::Deprecate, Step::Restart, Step::Delete] {
            let seen: Vec<&Seen> = page.seen.iter().filter(|one| step_of(one) == step).collect();
            if step == Step::Delete {
                place.figures.old += seen.len() as u64;
            }
            if !self.acts() {
                place.left(&seen);
                continue;
            }
            if step == Step::Delete && !seen.is_empty() && !(self.is_guarded && self.cover_or_say(place).await?) {
                place.missed(&seen);
                continue;
            }
            for some in seen.chunks(LOCKED) {
                self.act(place, &pass, step, some, allowance).await?;
            }
        }
        place.after = page.next;
        Ok(place.after.is_some())
    }

    /// All at once, or each by itself if the database refuses some of them.
    async fn act(
        &self,
        place: &mut Place,
        pass: &Pass<'_>,
        step: Step,
        seen: &[&Seen],
        allowance: &Allowance,
    ) -> Result<(), DbErr> {
        let keys: Vec<Key> = seen.iter().map(|one| one.key.clone()).collect();
        let recorded = self.table.filter(|table| step == Step::Delete && !Unreferenced::goes_at_once(Some(table)));
        let result = match recorded {
            Some(table) => self.request(pass, table, &keys).await,
            None => pass.act(step, &keys).await,
        };
        let error = match result {
            Ok(done) => {
                place.done(step, done.len(), recorded.is_some());
                let (done, missed): (Vec<&Seen>, Vec<&Seen>) = seen.iter().partition(|one| done.contains(&one.key));
                let covered = place.covered.entry(self.unreferenced.name.clone()).or_default();
                done.iter().for_each(|one| covered.cleared(&one.key.to_string()));
                self.missed(place, step, &missed);
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(refusal) = refusal(&error) else { return Err(error) };
        // A lock on the whole table each of them would wait for anew; only what goes along with a row may be locked by itself.
        let of_a_row = recorded.is_some() && self.ground.db.dialect == Dialect::Postgres;
        let one_by_one = !refusal.is_contention() || of_a_row;
        match seen {
            [_] if !refusal.is_contention() => {
                self.missed(place, step, seen);
                place.figures.missed -= 1;
                place.figures.refused += 1;
                tracing::warn!(%error, resource = %self.unreferenced.name, "an unreferenced row cannot be changed");
            }
            [_, _, ..] if one_by_one => {
                for one in seen {
                    match allowance.is_used_up() {
                        true => self.missed(place, step, &[*one]),
                        false => Box::pin(self.act(place, pass, step, &[*one], allowance)).await?,
                    }
                }
            }
            _ => self.missed(place, step, seen),
        }
        Ok(())
    }

    /// Rows with which it was not done.
    fn missed(&self, place: &mut Place, step: Step, seen: &[&Seen]) {
        place.missed(seen);
        if step == Step::Clear {
            let covered = place.covered.entry(self.unreferenced.name.clone()).or_default();
            seen.iter().for_each(|one| covered.not_cleared(one.key.to_string()));
        }
    }

    async fn request(&self, pass: &Pass<'_>, table: &Table, keys: &[Key]) -> Result<Vec<Key>, DbErr> {
        let mut request = Request::by("sexton sweep unreferenced");
        request.reason = Some("unreferenced".to_owned());
        request.notify = true;
        if table.resource.targets.is_empty() {
            // A deletion that is due at once would be done here, and what keeps it from it be an error of the sweep.
            request.after = Duration::from_millis(1);
        }
        pass.request(self.ground.catalog, table, &request, keys).await
    }
}
