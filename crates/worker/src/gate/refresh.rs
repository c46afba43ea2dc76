//! Reading what operators and other processes decided of the gates, and what may be probed.

use std::{
    collections::HashMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use sexton_core::{
    catalog::ConfigProblem, config::Breaker, db, ids::Lane, ledger::OpenBreaker, rights::missing_rights, store::Store,
};

use super::{breaker::PATIENCE, gates::Gates, shut_lane::ShutLane};
use crate::metrics;

/// A lane that may be probed.
pub(crate) struct LaneToProbe {
    pub(crate) lane: Lane,
    /// How long until the next probe, doubled with each so far.
    pub(crate) interval: Duration,
    /// The longest time between two.
    pub(crate) most: Duration,
}

impl Gates {
    /// Resolves upon word of a change.
    pub(crate) async fn wait_for_change(&self) {
        self.changed.notified().await;
    }

    /// Says that the ledger may have a change.
    pub(crate) fn note_change(&self) {
        self.changed.notify_one();
    }

    /// Reads what the ledger says.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; what was known before still holds.
    pub(crate) async fn refresh(&self, store: &Store) -> Result<(), db::Error> {
        let written = self.changes_written.load(Ordering::Acquire);
        let (pauses, breakers) =
            (store.ledger.pauses(&store.db.conn).await?, store.ledger.breakers(&store.db.conn).await?);
        let unfit = lanes_without_rights(store).await?;
        // After the answer, which may have taken a while: no target should be called too early.
        let now = Instant::now();
        let mut shut: HashMap<Lane, ShutLane> = HashMap::new();
        for OpenBreaker { lane, cause, left_ms, .. } in breakers {
            shut.insert(lane, ShutLane::from_ledger(cause, left_ms, now));
        }
        shut.extend(unfit.keys().map(|lane| (lane.clone(), ShutLane::NoRight)));
        for name in self.lanes.keys() {
            let paused = pauses.iter().any(|pause| pause.covers(name));
            metrics::set_paused(name, paused);
            if paused {
                shut.insert(name.clone(), ShutLane::Paused);
            }
        }
        let hard_deletes_paused = pauses.iter().any(sexton_core::ledger::Pause::is_of_hard_deletes);
        metrics::set_hard_deletes_paused(hard_deletes_paused);
        self.hard_deletes_paused.store(hard_deletes_paused, Ordering::Release);
        if hard_deletes_paused {
            // Deletions that all targets confirmed are in the lane of the resource itself.
            for (name, _) in self.lanes.iter().filter(|(_, gate)| gate.target.is_none()) {
                shut.insert(name.clone(), ShutLane::Paused);
            }
        }
        let before = {
            let mut known = self.shut();
            // Checked under the lock that a change takes after it began. So if none is noted, what was read is not
            // older than a change.
            let is_old = self.changes_pending.load(Ordering::Acquire) > 0
                || self.changes_written.load(Ordering::Acquire) != written;
            if is_old {
                drop(known);
                self.note_change();
                return Ok(());
            }
            std::mem::replace(&mut *known, shut.clone())
        };
        for name in self.lanes.keys() {
            let is = |what: fn(&ShutLane) -> bool| shut.get(name).is_some_and(what);
            metrics::set_breaker_open(name, is(ShutLane::is_open_breaker));
            metrics::set_throttled(name, is(ShutLane::is_throttled));
        }
        self.refresh_held(store).await?;
        for (lane, why) in unfit.iter().filter(|(lane, _)| before.get(*lane) != Some(&ShutLane::NoRight)) {
            tracing::warn!(%lane, "nothing is deleted: {why}");
        }
        for (lane, before) in before.iter().filter(|(lane, _)| !shut.contains_key(*lane)) {
            if let Some(gate) = self.lanes.get(lane) {
                gate.opened_elsewhere(before, now);
            }
        }
        Ok(())
    }

    /// The lanes that may be probed now.
    pub(crate) fn lanes_to_probe(&self) -> Vec<LaneToProbe> {
        let now = Instant::now();
        let shut = self.shut();
        let due = shut.iter().filter(|(_, shut)| shut.lasts() && shut.probe_at().is_some_and(|at| at <= now));
        let to_probe = |(lane, shut): (&Lane, &ShutLane)| {
            let gate = self.lanes.get(lane)?;
            let Breaker { probe_interval, max_probe_interval, .. } = gate.target.as_ref()?.breaker;
            let (interval, most) = match shut.is_throttled() {
                true => (PATIENCE, gate.longest_throttle),
                false => (probe_interval, max_probe_interval),
            };
            Some(LaneToProbe { lane: lane.clone(), interval, most })
        };
        due.filter_map(to_probe).collect()
    }

    /// Lets one call in this lane through although the breaker is open.
    pub(crate) fn allow_probe(&self, lane: &Lane) {
        if let Some(gate) = self.lanes.get(lane) {
            gate.allow_probe();
        }
    }

    /// Until the next probe; none if no lane waits for one.
    pub(crate) fn next_probe_in(&self) -> Option<Duration> {
        let next = self.shut().values().filter(|shut| shut.lasts()).filter_map(ShutLane::probe_at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }
}

/// The lanes of resources whose rows cannot be deleted, with the reason. It is found out before a call is made.
async fn lanes_without_rights(store: &Store) -> Result<HashMap<Lane, ConfigProblem>, db::Error> {
    let mut lanes = HashMap::new();
    for right in missing_rights(store).await? {
        let table = right.resource.as_deref().and_then(|name| store.catalog.by_name(name));
        lanes.extend(table.iter().flat_map(|table| table.lanes()).map(|lane| (lane, right.problem.clone())));
    }
    Ok(lanes)
}
