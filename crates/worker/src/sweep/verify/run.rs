//! The part of a pass that one run does: which deletions are looked at, and in which order.

use std::collections::{BTreeMap, HashMap, HashSet};

use sexton_core::{
    config::{SweepBudget, VerifyMode},
    db::{self, NextPage},
    ids::{Lane, ResourceName},
    ledger::{FinishedAt, SweepRun},
    outcome::Answer,
    sweep::verify::Completed,
};

use super::{
    super::{
        Effect, SweepContext, TargetAccess,
        budget::RemainingBudget,
        run::{finished_run, paused_run, to_json},
    },
    checkpoint::{ReturnedTwins, TwinFinding, VerifyCheckpoint},
    lanes::{LaneTarget, lane_targets},
    observe::{Candidate, Observer, TwinObservation},
    share::is_in_share,
};
use crate::gate::Gates;

/// A run.
pub(super) struct VerifyRun<'a> {
    pub(super) context: SweepContext<'a>,
    pub(super) gates: &'a Gates,
    pub(super) lanes: BTreeMap<Lane, LaneTarget<'a>>,
    pub(super) observer: Observer<'a>,
    /// What is done about twins that returned.
    pub(super) returned: OnReturn,
    /// The time in which deletions finished that are looked at, as the database writes times.
    since: String,
    until: String,
    /// How many looks of a lane in a row had no answer.
    pub(super) unanswered: HashMap<Lane, u32>,
    budget: RemainingBudget,
    /// Tables in which another row cannot be looked for, or not in time: a run waits for each only once.
    pub(super) opaque: HashSet<ResourceName>,
    /// Whether the run ends because there is no time for what comes next.
    cut_short: bool,
}

/// What is done about twins that returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnReturn {
    /// They are counted.
    Count,
    /// They are deleted by a new deletion.
    Delete,
}

impl<'a> VerifyRun<'a> {
    pub(super) async fn new(
        context: SweepContext<'a>,
        targets: TargetAccess<'a>,
        mode: VerifyMode,
        budget: SweepBudget,
        effect: Effect,
    ) -> Result<Self, db::Error> {
        let SweepContext { store, config, .. } = context;
        let remaining = RemainingBudget::new(budget);
        let returned = match (mode, effect) {
            (VerifyMode::On, Effect::Act) => OnReturn::Delete,
            _ => OnReturn::Count,
        };
        Ok(Self {
            context,
            gates: targets.gates,
            lanes: lane_targets(store),
            observer: Observer::new(targets, &remaining, budget, effect),
            returned,
            since: store.ledger.time_ago(&store.db, config.sync.keep_refs).await?,
            until: store.ledger.time_ago(&store.db, config.sync.verify.after).await?,
            unanswered: HashMap::new(),
            opaque: HashSet::new(),
            budget: remaining,
            cut_short: false,
        })
    }

    /// Continues the pass at the checkpoint until the budget is used up or the pass is over.
    pub(super) async fn run(mut self, mut checkpoint: VerifyCheckpoint) -> Result<SweepRun, db::Error> {
        checkpoint.lanes.retain(|lane, _| self.lanes.contains_key(lane));
        checkpoint.begin();
        while !self.budget.is_used_up() && !self.cut_short {
            let more = if checkpoint.waiting.is_empty() {
                self.look_at_finished(&mut checkpoint).await?
            } else {
                self.look_at_returned(&mut checkpoint).await?
            };
            if !more {
                let error = checkpoint.error();
                checkpoint.figures.held = self.observer.count_shut() as u64;
                let (figures, progress) = (to_json(&checkpoint.figures)?, checkpoint.progress.clone());
                let cursor = to_json(&checkpoint.next_pass())?;
                return Ok(SweepRun { cursor, error, ..finished_run(figures, progress) });
            }
        }
        paused_run(&checkpoint, &checkpoint.figures, &checkpoint.progress, checkpoint.error())
    }

    /// Looks at the next of the twins that returned before an earlier pass. The deletions that finished come after
    /// them, so there is always more.
    async fn look_at_returned(&mut self, checkpoint: &mut VerifyCheckpoint) -> Result<bool, db::Error> {
        let SweepContext { store, config, .. } = self.context;
        let batch = self.budget.batch(config.sync.batch).min(checkpoint.waiting.len());
        let batch: Vec<ReturnedTwins> = checkpoint.waiting[..batch].to_vec();
        let which: Vec<FinishedAt> = batch.iter().map(|one| one.finished.clone()).collect();
        let completed = store.ledger.completed(&store.db, &which).await?;
        self.budget.spend(batch.len());
        let candidate = |completed: Completed| {
            let returned = batch.iter().find(|one| one.finished == completed.finished);
            let lanes = returned.iter().flat_map(|one| &one.lanes).filter(|(lane, _)| self.lanes.contains_key(*lane));
            let before: BTreeMap<Lane, TwinFinding> = lanes.map(|(lane, found)| (lane.clone(), *found)).collect();
            Candidate { lanes: before.keys().cloned().collect(), before, completed }
        };
        let candidates: Vec<Candidate> = completed.into_iter().map(candidate).collect();
        let finished: Vec<FinishedAt> = candidates.iter().map(|one| one.completed.finished.clone()).collect();
        let done = self.observe_all(checkpoint, candidates).await?;
        // The rest waits for the next run. What the ledger no longer knows is forgotten.
        match finished.get(done) {
            Some(first) => checkpoint.waiting.retain(|one| one.finished >= *first),
            None => drop(checkpoint.waiting.drain(..batch.len())),
        }
        Ok(true)
    }

    /// Looks at the next page of deletions that finished; returns whether there is another for lanes that are open.
    async fn look_at_finished(&mut self, checkpoint: &mut VerifyCheckpoint) -> Result<bool, db::Error> {
        let open: Vec<Lane> = self.lanes.keys().filter(|lane| !self.observer.is_shut(lane)).cloned().collect();
        let Some(after) = open.iter().map(|lane| checkpoint.lanes.get(lane).cloned()).min() else { return Ok(false) };
        let SweepContext { store, config, .. } = self.context;
        let batch = self.budget.batch(config.sync.batch);
        let page = store
            .ledger
            .finished_in_order(&store.db, &self.since, &self.until, NextPage { after: after.as_ref(), limit: batch })
            .await?;
        self.budget.spend(page.len());
        let Some(last) = page.last().cloned() else { return Ok(false) };
        let share = config.sync.verify.share;
        let sampled: Vec<FinishedAt> =
            page.iter().filter(|one| one.deletion().is_some_and(|id| is_in_share(id, share))).cloned().collect();
        let completed = store.ledger.completed(&store.db, &sampled).await?;
        checkpoint.count_page(&page, &completed);
        let candidates: Vec<Candidate> =
            completed.into_iter().map(|one| candidate_in_open_lanes(checkpoint, &open, one)).collect();
        let before: Vec<FinishedAt> = candidates.iter().map(|one| one.completed.finished.clone()).collect();
        let done = self.observe_all(checkpoint, candidates).await?;
        // Lanes that are still open are done with the page, or with the part of it that was looked at.
        let reached =
            if done == before.len() { Some(last) } else { done.checked_sub(1).map(|last| before[last].clone()) };
        if let Some(reached) = reached {
            let still_open = open.iter().filter(|lane| !self.observer.is_shut(lane));
            still_open.for_each(|lane| checkpoint.reach(lane, &reached));
        }
        Ok(page.len() == batch || done < before.len())
    }

    /// Looks at the twins of deletions, several at a time, and notes what is seen in their order. Returns how many
    /// deletions were dealt with.
    async fn observe_all(
        &mut self,
        checkpoint: &mut VerifyCheckpoint,
        candidates: Vec<Candidate>,
    ) -> Result<usize, db::Error> {
        let (observer, lanes) = (self.observer.clone(), self.lanes.clone());
        let mut looks = observer.begin(&lanes, &candidates);
        let mut before: Option<FinishedAt> = None;
        for (n, candidate) in candidates.iter().enumerate() {
            // A look in a lane that was shut meanwhile was not waited for.
            let is_abandoned = |(lane, observation): &(Lane, TwinObservation)| {
                *observation == TwinObservation::Abandoned && !self.observer.is_shut(lane)
            };
            let observations = looks.next().await.filter(|observations| !observations.iter().any(is_abandoned));
            // Dealing with what was seen may take a while.
            let Some(observations) = observations.filter(|_| !observer.is_over()) else {
                self.cut_short = true;
                return Ok(n);
            };
            self.note_observations(checkpoint, candidate, observations, before.as_ref()).await?;
            before = Some(candidate.completed.finished.clone());
        }
        Ok(candidates.len())
    }
}

/// A deletion with the open lanes that have not come to it yet.
fn candidate_in_open_lanes(checkpoint: &VerifyCheckpoint, open: &[Lane], completed: Completed) -> Candidate {
    let confirmed = completed.confirmations.iter().filter(|(_, one)| one.answer != Answer::Skipped);
    let lanes = confirmed.map(|(target, _)| Lane::of_recorded_target(&completed.resource, target));
    let is_ahead = |lane: &Lane| checkpoint.lanes.get(lane).is_none_or(|reached| *reached < completed.finished);
    let lanes = lanes.filter(|lane| open.contains(lane) && is_ahead(lane)).collect();
    Candidate { completed, lanes, before: BTreeMap::new() }
}
