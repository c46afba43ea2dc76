//! Gates: whether deletions of a lane may be claimed, and calls to its target begin.
//!
//! A gate is shut by an operator's pause, by a breaker or because the target asked for patience; it is narrow if the target
//! has limits. A shut lane is not claimed from, so its deletions are not touched however long it stays shut; whoever finds
//! a gate shut under a claim is snoozed, which costs no attempt. Pauses and breakers are in the ledger, where every process
//! reads them once a second and whenever it is told of a change; see [`sexton_core::ledger::OpenBreaker`].

mod bucket;
mod closure;
mod judge;
mod limit;
mod reading;
mod window;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sexton_core::{
    config::{Config, Target},
    ids::{DeletionId, Lane},
    transport::HintQueue,
};
use tokio::sync::Notify;

use self::{
    closure::Closure,
    limit::{Limit, SOON},
    window::Window,
};
pub(crate) use judge::Called;
use limit::Place;

/// The gates of all lanes.
pub(crate) struct Gates {
    lanes: BTreeMap<Lane, Gate>,
    /// The lanes that are shut, and why.
    shut: Mutex<HashMap<Lane, Closure>>,
    hard_deletes_paused: AtomicBool,
    /// Somebody knows of a change.
    changed: Notify,
    /// Changes of this process that the ledger may not have yet, and how many it has by now: what was read meanwhile is
    /// old.
    changing: AtomicUsize,
    changes: AtomicUsize,
}

/// A change of this process on its way to the ledger.
struct Change<'g>(&'g Gates);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.changes.fetch_add(1, Ordering::AcqRel);
        self.0.changing.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The gate of one lane; that of a resource itself has no target.
#[derive(Default)]
struct Gate {
    target: Option<Target>,
    /// The longest that the target's own wish for patience is heeded: beyond that it is asked again.
    longest: Duration,
    limit: Option<Arc<Limit>>,
    window: Mutex<Window>,
    /// Until when this process may make one call although the breaker is open.
    probe: Mutex<Option<Instant>>,
}

/// What a gate says to a call.
pub(crate) enum Admission {
    /// It may begin.
    Go(Pass),
    /// It may not, and should not ask again before this time has passed.
    Wait(Duration, &'static str),
}

/// A call that may begin; it is over when this is dropped.
pub(crate) struct Pass {
    _place: Option<Place>,
    /// Whether it is the one that tries whether the target is well again.
    pub(crate) probe: bool,
}

/// A lane that may be claimed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenLane {
    pub(crate) name: Lane,
    /// How many calls it will let through soon, if that is limited.
    pub(crate) room: Option<usize>,
}

impl Gates {
    /// The gates of the configured lanes, all open; limits are shared through `queue` if there is one.
    pub(crate) fn new(config: &Config, queue: Option<&HintQueue>) -> Self {
        let mut lanes = BTreeMap::new();
        for (name, resource) in &config.resources {
            lanes.insert(Lane::of_resource(name), Gate::default());
            for target in &resource.targets {
                let lane = Lane::of_target(name, &target.name);
                let longest = config.retry.with(&target.retry).max_interval;
                let limit = Limit::new(&lane, target, queue);
                lanes.insert(lane, Gate { target: Some(target.clone()), limit, longest, ..Gate::default() });
            }
        }
        Self {
            lanes,
            shut: Mutex::default(),
            hard_deletes_paused: AtomicBool::new(false),
            changed: Notify::new(),
            changing: AtomicUsize::new(0),
            changes: AtomicUsize::new(0),
        }
    }

    /// Begins a change, which ends when the answer is dropped.
    fn change(&self) -> Change<'_> {
        self.changing.fetch_add(1, Ordering::AcqRel);
        Change(self)
    }

    /// The lanes that may be claimed from.
    pub(crate) fn open_lanes(&self) -> Vec<OpenLane> {
        self.open(Limit::available)
    }

    /// The lanes whose deletions may be hinted at.
    pub(crate) fn lanes_to_hint(&self) -> Vec<OpenLane> {
        self.open(Limit::to_hint)
    }

    /// Takes note of hints at deletions in `lane`.
    pub(crate) fn hinted(&self, lane: &Lane, hints: usize) {
        if let Some(limit) = self.lanes.get(lane).and_then(|gate| gate.limit.as_ref()) {
            limit.hinted(hints);
        }
    }

    fn open(&self, room: impl Fn(&Limit) -> usize) -> Vec<OpenLane> {
        let shut = self.shut();
        let open = self.lanes.iter().filter(|(name, _)| !shut.get(*name).is_some_and(Closure::lasts));
        open.map(|(name, gate)| OpenLane { name: name.clone(), room: gate.limit.as_ref().map(|limit| room(limit)) })
            .collect()
    }

    /// The names of the lanes that may be claimed from.
    pub(crate) fn open_names(&self) -> Vec<Lane> {
        self.open_lanes().into_iter().map(|lane| lane.name).collect()
    }

    /// The names of the lanes that will be open again, or are, without an operator.
    pub(crate) fn not_held(&self) -> Vec<Lane> {
        let shut = self.shut();
        let held = |name: &Lane| shut.get(name).is_some_and(Closure::waits_for_operator);
        self.lanes.keys().filter(|name| !held(name)).cloned().collect()
    }

    /// Whether rows stay although all targets confirmed.
    pub(crate) fn hard_deletes_paused(&self) -> bool {
        self.hard_deletes_paused.load(Ordering::Acquire)
    }

    /// Asks for a call for the deletion `id` in `lane`. What is let through soon is waited for.
    pub(crate) async fn admit(&self, lane: &Lane, id: DeletionId) -> Admission {
        let Some(gate) = self.lanes.get(lane) else { return Admission::Go(Pass { _place: None, probe: false }) };
        let mut probe = false;
        if let Some(closure) = self.shut().get(lane).filter(|closure| closure.lasts()) {
            probe = !closure.waits_for_operator() && gate.take_probe();
            if !probe {
                return Admission::Wait(Duration::ZERO, closure.why());
            }
        }
        let admission = gate.within_limits(id, probe).await;
        if probe && matches!(admission, Admission::Wait(..)) {
            gate.allow_probe();
        }
        admission
    }

    /// The same for a call that only looks: it is never the one that tries whether the target is well again.
    pub(crate) async fn admit_look(&self, lane: &Lane, id: DeletionId) -> Admission {
        let Some(gate) = self.lanes.get(lane) else { return Admission::Go(Pass { _place: None, probe: false }) };
        if let Some(closure) = self.shut().get(lane).filter(|closure| closure.lasts()) {
            return Admission::Wait(Duration::ZERO, closure.why());
        }
        gate.within_limits(id, false).await
    }

    fn shut(&self) -> MutexGuard<'_, HashMap<Lane, Closure>> {
        // Nothing that holds the lock can panic half way through a change.
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// Lets a call through as far as the target's limits do.
    async fn within_limits(&self, id: DeletionId, probe: bool) -> Admission {
        let Some(limit) = &self.limit else { return Admission::Go(Pass { _place: None, probe }) };
        let patience = Instant::now() + 2 * SOON;
        loop {
            match limit.admit(id).await {
                Ok(place) => return Admission::Go(Pass { _place: Some(place), probe }),
                Err(wait) if Instant::now() + wait <= patience => tokio::time::sleep(wait).await,
                Err(wait) => return Admission::Wait(wait, "rate_limited"),
            }
        }
    }

    /// Lets one call through although the breaker is open.
    fn allow_probe(&self) {
        let longest = self.target.as_ref().map_or(Duration::ZERO, |target| target.timeout) + Duration::from_secs(5);
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + longest);
    }

    fn take_probe(&self) -> bool {
        let until = self.probe.lock().unwrap_or_else(PoisonError::into_inner).take();
        until.is_some_and(|until| Instant::now() < until)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
