//! The gates of all lanes, and admission to them.

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
    ledger::Cause,
    transport::HintQueue,
};
use tokio::sync::Notify;

use super::{
    confirmed_here::ConfirmedHere,
    gone_answers::{GoneAnswers, HeldNow},
    limit::{Limit, LimitedCall, SOON},
    recent_calls::RecentCalls,
    shut_lane::ShutLane,
};

/// The gates of all lanes.
pub(crate) struct Gates {
    pub(super) lanes: BTreeMap<Lane, Gate>,
    /// The lanes that are shut, and why.
    shut: Mutex<HashMap<Lane, ShutLane>>,
    pub(super) hard_deletes_paused: AtomicBool,
    pub(super) confirmed_here: ConfirmedHere,
    /// There is word of a change.
    pub(super) changed: Notify,
    /// Changes of this process on their way to the ledger. What is read from it meanwhile is old.
    pub(super) changes_pending: AtomicUsize,
    /// Changes of this process that the ledger has.
    pub(super) changes_written: AtomicUsize,
}

/// A change of this process on its way to the ledger.
pub(super) struct PendingChange<'g>(&'g Gates);

impl Drop for PendingChange<'_> {
    fn drop(&mut self) {
        self.0.changes_written.fetch_add(1, Ordering::AcqRel);
        self.0.changes_pending.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The gate of one lane; that of a resource itself has no target.
pub(super) struct Gate {
    pub(super) target: Option<Target>,
    /// The longest that the target may ask to be spared.
    pub(super) longest_throttle: Duration,
    limit: Option<Arc<Limit>>,
    recent_calls: Mutex<RecentCalls>,
    gone_answers: Mutex<GoneAnswers>,
    /// What all processes hold in this lane.
    pub(super) held: Mutex<HeldNow>,
    /// When this process last explained what was held.
    pub(super) explained: Mutex<Option<Instant>>,
    /// Until when this process may make one call although the breaker is open.
    probe: Mutex<Option<Instant>>,
}

/// What a gate says to a call.
pub(crate) enum Admission {
    /// It may begin.
    Granted(CallPermit),
    /// It may not, and should not ask before this time has passed. The reason is a short code for logs.
    Wait(Duration, &'static str),
}

/// A call that may begin; it is over when this is dropped.
pub(crate) struct CallPermit {
    _limited: Option<LimitedCall>,
    /// Whether it is the one that tries whether the target works.
    pub(crate) is_probe: bool,
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
            lanes.insert(Lane::of_resource(name), Gate::new(None, Duration::ZERO, None));
            for target in &resource.targets {
                let lane = Lane::of_target(name, &target.name);
                let longest_throttle = config.retry.with(&target.retry).max_interval;
                let limit = Limit::new(&lane, target, queue);
                lanes.insert(lane, Gate::new(Some(target.clone()), longest_throttle, limit));
            }
        }
        Self {
            lanes,
            shut: Mutex::default(),
            hard_deletes_paused: AtomicBool::new(false),
            confirmed_here: ConfirmedHere::default(),
            changed: Notify::new(),
            changes_pending: AtomicUsize::new(0),
            changes_written: AtomicUsize::new(0),
        }
    }

    /// Begins a change, which ends when the answer is dropped.
    pub(super) fn begin_change(&self) -> PendingChange<'_> {
        self.changes_pending.fetch_add(1, Ordering::AcqRel);
        PendingChange(self)
    }

    /// The lanes that may be claimed from.
    pub(crate) fn open_lanes(&self) -> Vec<OpenLane> {
        self.lanes_with_room(Limit::available)
    }

    /// The lanes whose deletions may be hinted at.
    pub(crate) fn lanes_to_hint(&self) -> Vec<OpenLane> {
        self.lanes_with_room(Limit::available_to_hint)
    }

    /// Takes note of hints at deletions in `lane`.
    pub(crate) fn note_hints(&self, lane: &Lane, hints: usize) {
        if let Some(limit) = self.lanes.get(lane).and_then(|gate| gate.limit.as_ref()) {
            limit.note_hints(hints);
        }
    }

    fn lanes_with_room(&self, room: impl Fn(&Limit) -> usize) -> Vec<OpenLane> {
        let shut = self.shut();
        let open = self.lanes.iter().filter(|(name, _)| !shut.get(*name).is_some_and(ShutLane::lasts));
        open.map(|(name, gate)| OpenLane { name: name.clone(), room: gate.limit.as_ref().map(|limit| room(limit)) })
            .collect()
    }

    /// The names of the lanes that may be claimed from.
    pub(crate) fn open_lane_names(&self) -> Vec<Lane> {
        self.open_lanes().into_iter().map(|lane| lane.name).collect()
    }

    /// The names of the lanes that are open, or will open without an operator.
    pub(crate) fn lanes_without_operator(&self) -> Vec<Lane> {
        let shut = self.shut();
        let waits = |name: &Lane| shut.get(name).is_some_and(ShutLane::waits_for_operator);
        self.lanes.keys().filter(|name| !waits(name)).cloned().collect()
    }

    /// Whether rows stay although all targets confirmed.
    pub(crate) fn hard_deletes_paused(&self) -> bool {
        self.hard_deletes_paused.load(Ordering::Acquire)
    }

    /// Asks for a call for the deletion `id` in `lane`. What is let through soon is waited for.
    pub(crate) async fn admit(&self, lane: &Lane, id: DeletionId) -> Admission {
        let Some(gate) = self.lanes.get(lane) else { return Admission::unlimited(Purpose::Work) };
        let mut purpose = Purpose::Work;
        if let Some(shut) = self.shut().get(lane).filter(|shut| shut.lasts()) {
            if shut.waits_for_operator() || !gate.take_probe() {
                return Admission::Wait(Duration::ZERO, shut.reason());
            }
            purpose = Purpose::Probe;
        }
        let admission = gate.admit_within_limits(id, purpose).await;
        if purpose == Purpose::Probe && matches!(admission, Admission::Wait(..)) {
            gate.allow_probe();
        }
        admission
    }

    /// The same for a call that only looks: it is never a probe.
    pub(crate) async fn admit_look(&self, lane: &Lane, id: DeletionId) -> Admission {
        let Some(gate) = self.lanes.get(lane) else { return Admission::unlimited(Purpose::Work) };
        if let Some(shut) = self.shut().get(lane).filter(|shut| shut.lasts()) {
            return Admission::Wait(Duration::ZERO, shut.reason());
        }
        gate.admit_within_limits(id, Purpose::Work).await
    }

    pub(super) fn shut(&self) -> MutexGuard<'_, HashMap<Lane, ShutLane>> {
        // Nothing that holds the lock can panic half way through a change.
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Work,
    /// Also to see whether the target works, while its breaker is open.
    Probe,
}

impl Admission {
    fn unlimited(purpose: Purpose) -> Self {
        Self::Granted(CallPermit { _limited: None, is_probe: purpose == Purpose::Probe })
    }
}

impl Gate {
    fn new(target: Option<Target>, longest_throttle: Duration, limit: Option<Arc<Limit>>) -> Self {
        let interval = limit.as_ref().map_or(Duration::ZERO, |limit| limit.interval());
        Self {
            target,
            longest_throttle,
            limit,
            recent_calls: Mutex::default(),
            gone_answers: Mutex::new(GoneAnswers::new(interval)),
            held: Mutex::default(),
            explained: Mutex::default(),
            probe: Mutex::default(),
        }
    }

    /// Lets a call through as far as the target's limits do.
    async fn admit_within_limits(&self, id: DeletionId, purpose: Purpose) -> Admission {
        let Some(limit) = &self.limit else { return Admission::unlimited(purpose) };
        let patience = Instant::now() + 2 * SOON;
        loop {
            match limit.admit(id).await {
                Ok(call) => {
                    let permit = CallPermit { _limited: Some(call), is_probe: purpose == Purpose::Probe };
                    return Admission::Granted(permit);
                }
                Err(wait) if Instant::now() + wait <= patience => tokio::time::sleep(wait).await,
                Err(wait) => return Admission::Wait(wait, "rate_limited"),
            }
        }
    }

    /// Lets one call through although the breaker is open.
    pub(super) fn allow_probe(&self) {
        let longest = self.target.as_ref().map_or(Duration::ZERO, |target| target.timeout) + Duration::from_secs(5);
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + longest);
    }

    fn take_probe(&self) -> bool {
        let until = self.probe.lock().unwrap_or_else(PoisonError::into_inner).take();
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether a call may be made although the breaker is open.
    pub(super) fn may_probe(&self) -> bool {
        let until = *self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Another process or an operator opened the lane, which was shut because of `before`.
    pub(super) fn opened_elsewhere(&self, before: &ShutLane, now: Instant) {
        match before {
            ShutLane::NoRight | ShutLane::Breaker { cause: Cause::Throttled, .. } => {}
            ShutLane::Paused => self.recent_calls().clear(),
            // What it said of twins is as true as before.
            ShutLane::Breaker { cause: Cause::Failures | Cause::Unauthorized, .. } => {
                self.recent_calls().clear();
                self.recent_calls().note_answered(now);
            }
            // An operator has looked.
            ShutLane::Breaker { cause: Cause::Gone, .. } => {
                self.recent_calls().clear();
                self.gone_answers().clear(now);
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = HeldNow::default();
            }
        }
    }

    pub(super) fn gone_answers(&self) -> MutexGuard<'_, GoneAnswers> {
        self.gone_answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn recent_calls(&self) -> MutexGuard<'_, RecentCalls> {
        self.recent_calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
