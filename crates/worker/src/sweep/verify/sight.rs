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
    super::{Allowance, Targets},
    LaneTarget,
    place::Found,
};
use crate::{
    connector::Call,
    gate::{Admission, CallPermit},
    metrics,
};

/// How many deletions are looked at at once: deletions have the first call on a target.
const AT_ONCE: usize = 8;

/// A deletion to look at, and in which lanes.
pub(super) struct Sight {
    pub(super) completed: Completed,
    pub(super) lanes: Vec<Lane>,
    /// What was found in them in an earlier pass; empty if it was not looked at before.
    pub(super) before: BTreeMap<Lane, Found>,
}

impl Sight {
    /// Whether it was looked at in an earlier pass.
    pub(super) fn is_again(&self) -> bool {
        !self.before.is_empty()
    }
}

/// What was seen of a twin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Gone,
    There,
    /// It cannot be seen whether it is there.
    Unverifiable,
    /// There was no answer, or one that says neither; why.
    Unanswered(String),
    /// The lane is shut, or its target asked for patience just now.
    Held(Option<Outcome>),
    /// The run was over before there was an answer.
    Abandoned,
}

impl Seen {
    /// As metrics have it; none if nobody was asked.
    const fn outcome(&self) -> Option<&'static str> {
        match self {
            Self::Gone => Some("gone"),
            Self::There => Some("there"),
            Self::Unanswered(_) | Self::Held(_) => Some("unanswered"),
            Self::Unverifiable | Self::Abandoned => None,
        }
    }
}

/// What looking needs.
#[derive(Clone)]
pub(super) struct Sights<'a> {
    targets: Targets<'a>,
    deadline: Instant,
    /// The longest that an answer is waited for: shorter than a run, so that one that hangs is told from one that was begun
    /// too late, and the next run does not begin with it again.
    patience: Duration,
    /// How long a whole run may take.
    run: Duration,
    dry: bool,
    /// The lanes that are left alone for the rest of the run.
    held: Arc<watch::Sender<HashSet<Lane>>>,
}

/// Looks under way, in the order of what is looked at.
pub(super) struct Flying<'s> {
    sights: &'s Sights<'s>,
    lanes: &'s BTreeMap<Lane, LaneTarget<'s>>,
    next: std::slice::Iter<'s, Sight>,
    looks: FuturesOrdered<BoxFuture<'s, Vec<(Lane, Seen)>>>,
}

impl<'a> Sights<'a> {
    pub(super) fn new(targets: Targets<'a>, allowance: &Allowance, budget: SweepBudget, dry: bool) -> Self {
        let (deadline, patience, run) = (allowance.deadline, budget.time / 4 * 3, budget.time);
        Self { targets, deadline, patience, run, dry, held: Arc::default() }
    }

    pub(super) fn begin<'s>(&'s self, lanes: &'s BTreeMap<Lane, LaneTarget<'s>>, all: &'s [Sight]) -> Flying<'s> {
        Flying { sights: self, lanes, next: all.iter(), looks: FuturesOrdered::new() }
    }

    /// Leaves a lane alone from now on; looks under way are given up.
    pub(super) fn hold(&self, lane: &Lane) {
        self.held.send_if_modified(|held| held.insert(lane.to_owned()));
    }

    pub(super) fn is_held(&self, lane: &Lane) -> bool {
        self.held.borrow().contains(lane)
    }

    pub(super) fn held(&self) -> usize {
        self.held.borrow().len()
    }

    async fn until_held(&self, lane: &Lane) {
        // The sender is in `self`, so the channel cannot be closed while this waits.
        self.held.subscribe().wait_for(|held| held.contains(lane)).await.ok();
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    async fn look_at(&self, lanes: &BTreeMap<Lane, LaneTarget<'_>>, sight: &Sight) -> Vec<(Lane, Seen)> {
        let mut seen = Vec::with_capacity(sight.lanes.len());
        for name in &sight.lanes {
            let Some(lane) = lanes.get(name) else { continue };
            seen.push((name.clone(), self.look(name, *lane, &sight.completed).await));
        }
        seen
    }

    async fn look(&self, name: &Lane, lane: LaneTarget<'_>, completed: &Completed) -> Seen {
        let LaneTarget { table, target } = lane;
        let values = table.known_values(completed);
        let is_known = |column: &&str| values.get(*column).is_some_and(Option::is_some);
        let connector = self.targets.connectors.of(table.name.as_str(), target.name.as_str());
        let Some(connector) = connector.filter(|_| target.can_be_looked_at()) else { return Seen::Unverifiable };
        if !target.place_columns().iter().all(is_known) {
            return Seen::Unverifiable;
        }
        let _pass = match self.admit(name, completed).await {
            Ok(pass) => pass,
            Err(seen) => return seen,
        };
        let until = self.deadline.min(Instant::now() + target.timeout.min(self.patience));
        let call = Call { id: completed.id, row: &values };
        let looked = tokio::select! {
            looked = tokio::time::timeout_at(until.into(), connector.look(call)) => looked,
            () = self.until_held(name) => return Seen::Held(None),
        };
        let seen = match looked {
            Ok(Look::Gone) => Seen::Gone,
            Ok(Look::Differs(Failure { status: Some(200..=299), .. })) => Seen::There,
            // An object that is there is answered with a success.
            Ok(Look::Differs(failure)) => Seen::Unanswered(told(&Outcome::Rejected(failure).without_values(&values))),
            Ok(Look::Failed(Outcome::BadTemplate(_))) => Seen::Unverifiable,
            Ok(Look::Failed(outcome @ Outcome::Throttled { .. })) => Seen::Held(Some(outcome.without_values(&values))),
            Ok(Look::Failed(outcome)) => Seen::Unanswered(told(&outcome.without_values(&values))),
            Err(_) if self.is_over() => Seen::Abandoned,
            Err(_) => Seen::Unanswered("timeout".to_owned()),
        };
        if let Some(outcome) = seen.outcome() {
            metrics::count_look(table.name.as_str(), target.name.as_str(), outcome);
        }
        seen
    }

    /// What the target's limits let through before the end of the run is waited for.
    async fn admit(&self, lane: &Lane, completed: &Completed) -> Result<CallPermit, Seen> {
        loop {
            if self.is_held(lane) {
                return Err(Seen::Held(None));
            }
            match self.targets.gates.admit_look(lane, completed.id).await {
                Admission::Granted(permit) => return Ok(permit),
                Admission::Wait(Duration::ZERO, why) => {
                    tracing::debug!(%lane, why, "{lane} is not looked at now");
                    return Err(Seen::Held(None));
                }
                Admission::Wait(wait, _) if Instant::now() + wait < self.deadline => tokio::time::sleep(wait).await,
                // No run has the time for it, and others need not wait for it with this one. A dry one is gone on with.
                Admission::Wait(wait, _) if wait > self.run && !self.dry => return Err(Seen::Held(None)),
                Admission::Wait(..) => return Err(Seen::Abandoned),
            }
        }
    }
}

impl Flying<'_> {
    /// What was seen of the next deletion; none if there was no time to look at it.
    pub(super) async fn next(&mut self) -> Option<Vec<(Lane, Seen)>> {
        while self.looks.len() < AT_ONCE && !self.sights.is_over() {
            let Some(sight) = self.next.next() else { break };
            self.looks.push_back(Box::pin(self.sights.look_at(self.lanes, sight)));
        }
        self.looks.next().await
    }
}

fn told(outcome: &Outcome) -> String {
    let (Outcome::Retry(failure)
    | Outcome::Lost(failure)
    | Outcome::NotVerified(failure)
    | Outcome::Throttled { failure, .. }
    | Outcome::Unauthorized(failure)
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
