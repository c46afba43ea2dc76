//! `verify`: a share of the completed deletions is looked at once more, some time later: are the twins still gone?
//!
//! Each deletion of the share is looked at once, in the order in which they finished. Lanes go through that order each by
//! itself, so that one that is shut keeps no other waiting. What came back and is left is looked at again in each pass, for
//! as long as its deletion knows where it was.
//!
//! What was looked at is remembered by the cursor, which a run leaves when it ends: whoever follows one that died looks
//! again, which does no harm.

mod place;
mod share;
mod sight;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use sexton_core::{
    catalog::Table,
    config::{Config, SweepBudget, Target, VerifyMode},
    db,
    ids::{Lane, ResourceName},
    ledger::{FinishedAt, SweepRun},
    outcome::{Answer, Outcome},
    sweep::{
        verify::Completed,
        verify::{Redeletion, belongs_to_another_row, redelete},
    },
};

use self::{
    place::{Found, Left, Place},
    share::is_in_share,
    sight::{Seen, Sight, Sights},
};
use super::{Allowance, Ground, Sweep, json, over, paused};
use crate::gate::{CallReport, Gates};

/// Looks that have no answer one after the other, after which a lane is left alone until the next pass: what is looked for
/// while the target is away is not looked for again.
const MOST_UNANSWERED: u32 = 3;

pub(super) struct Verify;

#[async_trait]
impl Sweep for Verify {
    fn name(&self) -> &'static str {
        "verify"
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
        let verify = ground.config.sync.verify;
        let Some(mode) = verify.switched_on() else {
            let place = Place::default();
            return Ok(over(json(&place.figures)?, place.progress));
        };
        let Some(targets) = ground.targets else {
            return Err(db::Error::other("look at twins", "nothing was set up to call targets with"));
        };
        // What is paused may have changed; where nothing else runs, nobody reads it.
        targets.gates.refresh(ground.store).await?;
        // A cursor that another release left in another form begins anew.
        let place: Place = serde_json::from_value(cursor).unwrap_or_default();
        let allowance = Allowance::new(budget);
        let run = Run {
            ground,
            gates: targets.gates,
            lanes: lanes(ground),
            sights: Sights::new(targets, &allowance, budget, dry),
            delete: mode == VerifyMode::On && !dry,
            since: ground.store.ledger.ago(&ground.store.db, ground.config.sync.keep_refs).await?,
            until: ground.store.ledger.ago(&ground.store.db, verify.after).await?,
            unanswered: HashMap::new(),
            opaque: HashSet::new(),
            allowance,
            cut_short: false,
        };
        run.go(place).await
    }
}

/// A target of a resource, in whose lane calls are made.
#[derive(Clone, Copy)]
struct LaneTarget<'a> {
    table: &'a Table,
    target: &'a Target,
}

fn lanes(ground: Ground<'_>) -> BTreeMap<Lane, LaneTarget<'_>> {
    let mut lanes = BTreeMap::new();
    for table in ground.store.catalog.tables() {
        for target in &table.resource.targets {
            lanes.insert(Lane::of_target(&table.name, &target.name), LaneTarget { table, target });
        }
    }
    lanes
}

/// A run.
struct Run<'a> {
    ground: Ground<'a>,
    gates: &'a Gates,
    lanes: BTreeMap<Lane, LaneTarget<'a>>,
    sights: Sights<'a>,
    /// Whether twins that are there again are deleted again.
    delete: bool,
    /// Of which time deletions are looked at, as the database writes times.
    since: String,
    until: String,
    /// How many looks of a lane had no answer, one after the other.
    unanswered: HashMap<Lane, u32>,
    allowance: Allowance,
    /// Tables that cannot be looked through, or not in time: no run waits for them twice.
    opaque: HashSet<ResourceName>,
    /// Whether there is no time for what comes next.
    cut_short: bool,
}

impl<'a> Run<'a> {
    async fn go(mut self, mut place: Place) -> Result<SweepRun, db::Error> {
        place.lanes.retain(|lane, _| self.lanes.contains_key(lane));
        place.begin();
        while !self.allowance.is_used_up() && !self.cut_short {
            let more =
                if place.waiting.is_empty() { self.page(&mut place).await? } else { self.left(&mut place).await? };
            if !more {
                let error = place.error();
                place.figures.held = self.sights.held() as u64;
                let (figures, progress) = (json(&place.figures)?, place.progress.clone());
                return Ok(SweepRun { cursor: json(&place.next_pass())?, error, ..over(figures, progress) });
            }
        }
        paused(&place, &place.figures, &place.progress, place.error())
    }

    /// Looks again at the next of what came back in an earlier pass and was left; there is always something after it.
    async fn left(&mut self, place: &mut Place) -> Result<bool, db::Error> {
        let batch = self.allowance.batch(self.ground.config.sync.batch).min(place.waiting.len());
        let batch: Vec<Left> = place.waiting[..batch].to_vec();
        let which: Vec<FinishedAt> = batch.iter().map(|left| left.finished.clone()).collect();
        let completed = self.ground.store.ledger.completed(&self.ground.store.db, &which).await?;
        self.allowance.looked_at(batch.len());
        let sight = |completed: Completed| {
            let left = batch.iter().find(|left| left.finished == completed.finished);
            let lanes = left.iter().flat_map(|left| &left.lanes).filter(|(lane, _)| self.lanes.contains_key(*lane));
            let before: BTreeMap<Lane, Found> = lanes.map(|(lane, found)| (lane.clone(), *found)).collect();
            Sight { lanes: before.keys().cloned().collect(), before, completed }
        };
        let sights: Vec<Sight> = completed.into_iter().map(sight).collect();
        let finished: Vec<FinishedAt> = sights.iter().map(|sight| sight.completed.finished.clone()).collect();
        let done = self.see(place, sights).await?;
        // Those after it wait for the next run; what is not known any more is forgotten.
        match finished.get(done) {
            Some(first) => place.waiting.retain(|left| left.finished >= *first),
            None => drop(place.waiting.drain(..batch.len())),
        }
        Ok(true)
    }

    /// Looks at the next of what finished; whether there is more, for lanes that are open.
    async fn page(&mut self, place: &mut Place) -> Result<bool, db::Error> {
        let open: Vec<Lane> = self.lanes.keys().filter(|lane| !self.sights.is_held(lane)).cloned().collect();
        let Some(after) = open.iter().map(|lane| place.lanes.get(lane).cloned()).min() else { return Ok(false) };
        let Ground { store, config, .. } = self.ground;
        let batch = self.allowance.batch(config.sync.batch);
        let page = store.ledger.finished_in_order(&store.db, &self.since, &self.until, after.as_ref(), batch).await?;
        self.allowance.looked_at(page.len());
        let Some(last) = page.last().cloned() else { return Ok(false) };
        let share = config.sync.verify.share;
        let sampled: Vec<FinishedAt> =
            page.iter().filter(|one| one.deletion().is_some_and(|id| is_in_share(id, share))).cloned().collect();
        let completed = store.ledger.completed(&store.db, &sampled).await?;
        place.count(&page, &completed);
        let sights: Vec<Sight> = completed.into_iter().map(|one| self.sight(place, &open, one)).collect();
        let before: Vec<FinishedAt> = sights.iter().map(|sight| sight.completed.finished.clone()).collect();
        let done = self.see(place, sights).await?;
        // Those that were not held by the way are through with the page, or with what was looked at of it.
        let reached =
            if done == before.len() { Some(last) } else { done.checked_sub(1).map(|last| before[last].clone()) };
        if let Some(reached) = reached {
            let through = open.iter().filter(|lane| !self.sights.is_held(lane));
            through.for_each(|lane| place.reach(lane, &reached));
        }
        Ok(page.len() == batch || done < before.len())
    }

    /// In which lanes a deletion is still to be looked at.
    fn sight(&self, place: &Place, open: &[Lane], completed: Completed) -> Sight {
        let confirmed = completed.confirmations.iter().filter(|(_, one)| one.answer != Answer::Skipped);
        let lanes = confirmed.map(|(target, _)| Lane::from_ledger(format!("{}.{target}", completed.resource)));
        let ahead = |lane: &Lane| place.lanes.get(lane).is_none_or(|reached| *reached < completed.finished);
        let lanes = lanes.filter(|lane| open.contains(lane) && ahead(lane)).collect();
        Sight { completed, lanes, before: BTreeMap::new() }
    }

    /// Looks at deletions, several at a time, and takes note of what is seen in their order. Returns how many were done with.
    async fn see(&mut self, place: &mut Place, all: Vec<Sight>) -> Result<usize, db::Error> {
        let (sights, lanes) = (self.sights.clone(), self.lanes.clone());
        let mut flying = sights.begin(&lanes, &all);
        let mut before: Option<FinishedAt> = None;
        for (n, sight) in all.iter().enumerate() {
            // Whose lane is left alone by now was not waited for.
            let abandoned = |(lane, seen): &(Lane, Seen)| *seen == Seen::Abandoned && !self.sights.is_held(lane);
            let seen = flying.next().await.filter(|seen| !seen.iter().any(abandoned));
            // What was seen may take a while to deal with.
            let Some(seen) = seen.filter(|_| !sights.is_over()) else {
                self.cut_short = true;
                return Ok(n);
            };
            self.take_note(place, sight, seen, before.as_ref()).await?;
            before = Some(sight.completed.finished.clone());
        }
        Ok(all.len())
    }

    /// Takes note of what was seen of one deletion; `before` is the one before it in the page.
    async fn take_note(
        &mut self,
        place: &mut Place,
        sight: &Sight,
        seen: Vec<(Lane, Seen)>,
        before: Option<&FinishedAt>,
    ) -> Result<(), db::Error> {
        let mut returned = Vec::new();
        // What was there when it was last seen is taken to be there until it is seen not to be.
        let mut unseen = Vec::new();
        for (lane, seen) in seen {
            match seen {
                // It was on its way when the lane was found shut at one before it.
                _ if self.sights.is_held(&lane) => unseen.push(lane),
                Seen::Held(outcome) => {
                    self.hold(place, sight, &lane, outcome, before.filter(|_| !sight.is_again())).await;
                    unseen.push(lane);
                }
                Seen::Gone => {
                    place.figures.looked += 1;
                    place.figures.gone += 1;
                    self.unanswered.remove(&lane);
                }
                Seen::There => {
                    place.figures.looked += 1;
                    self.unanswered.remove(&lane);
                    returned.push(lane);
                }
                Seen::Unverifiable => place.figures.unverifiable += 1,
                Seen::Unanswered(reason) => {
                    tracing::debug!(id = %sight.completed.id, %lane, reason, "a look had no answer");
                    place.unanswered(&lane, &reason);
                    let streak = self.unanswered.entry(lane.clone()).or_default();
                    *streak += 1;
                    if *streak >= MOST_UNANSWERED {
                        self.sights.hold(&lane);
                        if !sight.is_again() {
                            place.reach(&lane, &sight.completed.finished);
                        }
                    }
                    unseen.push(lane);
                }
                Seen::Abandoned => {}
            }
        }
        if !returned.is_empty() {
            self.returned(place, sight, &returned).await?;
        }
        for lane in unseen {
            if let Some(before) = sight.before.get(&lane) {
                leave(place, sight, vec![lane], *before);
            }
        }
        Ok(())
    }

    /// Leaves a lane alone for the rest of the run. If its target asked for that, everybody is told.
    async fn hold(
        &mut self,
        place: &mut Place,
        sight: &Sight,
        lane: &Lane,
        outcome: Option<Outcome>,
        before: Option<&FinishedAt>,
    ) {
        let store = self.ground.store;
        if let Some(outcome) = &outcome {
            let report = CallReport { lane, id: sight.completed.id, outcome, first: false, probe: false };
            self.gates.note_call(store, &report).await;
        }
        if let Some(before) = before {
            place.reach(lane, before);
        }
        self.sights.hold(lane);
    }

    /// Twins that are there again: deletes them again, or leaves them.
    async fn returned(&mut self, place: &mut Place, sight: &Sight, lanes: &[Lane]) -> Result<(), db::Error> {
        let (completed, store) = (&sight.completed, self.ground.store);
        let of = lanes.iter().filter_map(|name| Some((name, self.lanes.get(name).copied()?)));
        let (mut owned, mut names, mut targets, mut of_table) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (name, LaneTarget { table, target }) in of {
            let is_owned = if self.opaque.contains(&table.name) {
                None
            } else {
                belongs_to_another_row(&store.db, table, completed, target).await?
            };
            if is_owned.is_none() {
                self.opaque.insert(table.name.clone());
            }
            if is_owned == Some(true) {
                owned.push(name.clone());
            } else {
                names.push(name.clone());
                targets.push(target);
                of_table = Some(table);
            }
        }
        if !owned.is_empty() {
            leave(place, sight, owned, Found::Owned);
        }
        let Some(table) = of_table else { return Ok(()) };
        let count = names.len() as u64;
        let redeletion = if self.delete { Some(redelete(store, table, completed, &targets).await?) } else { None };
        match redeletion {
            Some(Redeletion::Recorded(by)) => {
                let (id, names) = (completed.id, names.join(", "));
                tracing::warn!(%id, %by, "what deletion {id} deleted is there again in {names}; deletion {by} deletes it");
                place.found(Found::Returned, targets.len());
                place.figures.deleted_again += count;
                place.progress.wanted += count;
                place.progress.done += count;
                return Ok(());
            }
            Some(Redeletion::AlreadyOpen) => leave(place, sight, names, Found::Owned),
            Some(Redeletion::Unsure | Redeletion::Recurring) => {
                place.figures.unsure += count;
                leave(place, sight, names, Found::Returned);
            }
            None => leave(place, sight, names, Found::Returned),
        }
        Ok(())
    }
}

/// Leaves twins as they are, and says so if that is news.
fn leave(place: &mut Place, sight: &Sight, lanes: Vec<Lane>, found: Found) {
    let (id, names) = (sight.completed.id, lanes.join(", "));
    match found {
        _ if lanes.iter().all(|lane| sight.before.get(lane) == Some(&found)) => {}
        Found::Owned => tracing::info!(%id, "what deletion {id} deleted is there in {names}, as another row's by now"),
        Found::Returned => tracing::warn!(%id, "what deletion {id} deleted is there again in {names}"),
    }
    place.found(found, lanes.len());
    place.leave(&sight.completed, lanes, found);
}
