//! Looking at twins: several at a time, through the gates of their lanes, and never past the end of the run.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use sexton_core::{
    config::SweepBudget,
    ids::Lane,
    outcome::{Failure, Look, Outcome},
    sweep::verify::Completed,
};
use tokio::sync::watch;

use super::{
    super::{Effect, TargetAccess, budget::RemainingBudget},
    checkpoint::TwinFinding,
    lanes::LaneTarget,
};
use crate::{
    connector::Call,
    gate::{Admission, CallPermit},
    metrics,
};

/// How many deletions are looked at together. Few: calls that delete come first.
const LOOKS_AT_ONCE: usize = 8;

/// A deletion to look at, and in which lanes.
pub(super) struct Candidate {
    pub(super) completed: Completed,
    pub(super) lanes: Vec<Lane>,
    /// What an earlier pass found in them; empty if there was none.
    pub(super) before: BTreeMap<Lane, TwinFinding>,
}

impl Candidate {
    /// Whether an earlier pass looked at it.
    pub(super) fn was_looked_at(&self) -> bool {
        !self.before.is_empty()
    }
}

/// What a look at a twin came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TwinObservation {
    Gone,
    There,
    /// The target or the ledger cannot tell.
    Unverifiable,
    /// There was no answer, or one that does not tell; why.
    Unanswered(String),
    /// The lane is shut, or its target asked for patience just now.
    LaneShut(Option<Outcome>),
    /// The run was over before there was an answer.
    Abandoned,
}

impl TwinObservation {
    /// The label in metrics; none if no call was made.
    const fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Gone => Some("gone"),
            Self::There => Some("there"),
            Self::Unanswered(_) | Self::LaneShut(_) => Some("unanswered"),
            Self::Unverifiable | Self::Abandoned => None,
        }
    }
}

/// Looks at twins within one run.
#[derive(Clone)]
pub(super) struct Observer<'a> {
    targets: TargetAccess<'a>,
    deadline: Instant,
    /// The longest wait for an answer. It is shorter than a run: a call that hangs counts as unanswered, and the next
    /// run does not begin with it.
    patience: Duration,
    /// The longest time of a run.
    longest_run: Duration,
    effect: Effect,
    /// The lanes that are shut for the rest of the run.
    shut: Arc<watch::Sender<HashSet<Lane>>>,
}

/// Looks under way, in the order of their candidates.
pub(super) struct LooksInFlight<'s> {
    observer: &'s Observer<'s>,
    lanes: &'s BTreeMap<Lane, LaneTarget<'s>>,
    next: std::slice::Iter<'s, Candidate>,
    looks: FuturesOrdered<BoxFuture<'s, Vec<(Lane, TwinObservation)>>>,
}

impl<'a> Observer<'a> {
    pub(super) fn new(
        targets: TargetAccess<'a>,
        remaining: &RemainingBudget,
        budget: SweepBudget,
        effect: Effect,
    ) -> Self {
        let (deadline, patience, longest_run) = (remaining.deadline, budget.time / 4 * 3, budget.time);
        Self { targets, deadline, patience, longest_run, effect, shut: Arc::default() }
    }

    pub(super) fn begin<'s>(
        &'s self,
        lanes: &'s BTreeMap<Lane, LaneTarget<'s>>,
        candidates: &'s [Candidate],
    ) -> LooksInFlight<'s> {
        LooksInFlight { observer: self, lanes, next: candidates.iter(), looks: FuturesOrdered::new() }
    }

    /// Shuts a lane for the rest of the run; looks under way in it are given up.
    pub(super) fn shut(&self, lane: &Lane) {
        self.shut.send_if_modified(|shut| shut.insert(lane.to_owned()));
    }

    pub(super) fn is_shut(&self, lane: &Lane) -> bool {
        self.shut.borrow().contains(lane)
    }

    pub(super) fn count_shut(&self) -> usize {
        self.shut.borrow().len()
    }

    async fn until_shut(&self, lane: &Lane) {
        // The sender is in `self`, so the channel cannot be closed while this waits.
        self.shut.subscribe().wait_for(|shut| shut.contains(lane)).await.ok();
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Looks at the twins of one deletion, lane by lane.
    async fn observe(
        &self,
        lanes: &BTreeMap<Lane, LaneTarget<'_>>,
        candidate: &Candidate,
    ) -> Vec<(Lane, TwinObservation)> {
        let mut observations = Vec::with_capacity(candidate.lanes.len());
        for name in &candidate.lanes {
            let Some(lane) = lanes.get(name) else { continue };
            observations.push((name.clone(), self.observe_in_lane(name, *lane, &candidate.completed).await));
        }
        observations
    }

    async fn observe_in_lane(&self, name: &Lane, lane: LaneTarget<'_>, completed: &Completed) -> TwinObservation {
        let LaneTarget { table, target } = lane;
        let values = table.known_values(completed);
        let is_known = |column: &&str| values.get(*column).is_some_and(Option::is_some);
        let connector = self.targets.connectors.get(table.name.as_str(), target.name.as_str());
        let Some(connector) = connector.filter(|_| target.can_look()) else { return TwinObservation::Unverifiable };
        if !target.look_columns().iter().all(is_known) {
            return TwinObservation::Unverifiable;
        }
        let _pass = match self.admit(name, completed).await {
            Ok(pass) => pass,
            Err(observation) => return observation,
        };
        let until = self.deadline.min(Instant::now() + target.timeout.min(self.patience));
        let call = Call { id: completed.id, row: &values };
        let looked = tokio::select! {
            looked = tokio::time::timeout_at(until.into(), connector.look(call)) => looked,
            () = self.until_shut(name) => return TwinObservation::LaneShut(None),
        };
        let observation = match looked {
            Ok(Look::Gone) => TwinObservation::Gone,
            Ok(Look::Differs(Failure { status: Some(200..=299), .. })) => TwinObservation::There,
            // A twin that is there is answered with a success.
            Ok(Look::Differs(failure)) => {
                TwinObservation::Unanswered(describe_failure(&Outcome::Rejected(failure).without_values(&values)))
            }
            Ok(Look::Failed(Outcome::BadTemplate(_))) => TwinObservation::Unverifiable,
            Ok(Look::Failed(outcome @ Outcome::Throttled { .. })) => {
                TwinObservation::LaneShut(Some(outcome.without_values(&values)))
            }
            Ok(Look::Failed(outcome)) => {
                TwinObservation::Unanswered(describe_failure(&outcome.without_values(&values)))
            }
            Err(_) if self.is_over() => TwinObservation::Abandoned,
            Err(_) => TwinObservation::Unanswered("timeout".to_owned()),
        };
        if let Some(outcome) = observation.outcome() {
            metrics::count_look(table.name.as_str(), target.name.as_str(), outcome);
        }
        observation
    }

    /// Waits until the gate lets a call through, if that is before the end of the run.
    async fn admit(&self, lane: &Lane, completed: &Completed) -> Result<CallPermit, TwinObservation> {
        loop {
            if self.is_shut(lane) {
                return Err(TwinObservation::LaneShut(None));
            }
            match self.targets.gates.admit_look(lane, completed.id).await {
                Admission::Granted(pass) => return Ok(pass),
                Admission::Wait(Duration::ZERO, why) => {
                    tracing::debug!(%lane, why, "{lane} is not looked at now");
                    return Err(TwinObservation::LaneShut(None));
                }
                Admission::Wait(wait, _) if Instant::now() + wait < self.deadline => tokio::time::sleep(wait).await,
                // No run has the time to wait for this lane: the others need not wait with it. A dry run runs to its
                // end.
                Admission::Wait(wait, _) if wait > self.longest_run && self.effect == Effect::Act => {
                    return Err(TwinObservation::LaneShut(None));
                }
                Admission::Wait(..) => return Err(TwinObservation::Abandoned),
            }
        }
    }
}

impl LooksInFlight<'_> {
    /// What was seen of the next candidate; none if there was no time to look at it.
    pub(super) async fn next(&mut self) -> Option<Vec<(Lane, TwinObservation)>> {
        while self.looks.len() < LOOKS_AT_ONCE && !self.observer.is_over() {
            let Some(candidate) = self.next.next() else { break };
            self.looks.push_back(Box::pin(self.observer.observe(self.lanes, candidate)));
        }
        self.looks.next().await
    }
}

/// The reason of an outcome, for the sweep's error.
fn describe_failure(outcome: &Outcome) -> String {
    let (Outcome::Retry(failure)
    | Outcome::Lost(failure)
    | Outcome::NotVerified(failure)
    | Outcome::Throttled { failure, .. }
    | Outcome::Unauthorized(failure)
    | Outcome::Starved(failure)
    | Outcome::Rejected(failure)
    | Outcome::BadTemplate(failure)) = outcome
    else {
        return "an answer that says neither".to_owned();
    };
    match failure.status {
        Some(status) => format!("{} ({status})", failure.reason),
        None => failure.reason.clone(),
    }
}
