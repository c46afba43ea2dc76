//! Reading what operators and other processes decided, and what may be probed.

use std::{
    collections::HashMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use sexton_core::{config::Breaker, db, ids::Lane, ledger::OpenBreaker, store::Store};

use super::{Closure, Gates};
use crate::metrics;

impl Gates {
    /// Resolves upon word of a change.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Word of a change.
    pub(crate) fn look(&self) {
        self.changed.notify_one();
    }

    /// Reads what the ledger says.
    ///
    /// # Errors
    /// Whatever the database says; what was known before still holds.
    pub(crate) async fn read(&self, store: &Store) -> Result<(), db::Error> {
        let changes = self.changes.load(Ordering::Acquire);
        let (pauses, breakers) =
            (store.ledger.pauses(&store.db.conn).await?, store.ledger.breakers(&store.db.conn).await?);
        // After the answer: it may have taken a while, and nobody should be called too early.
        let now = Instant::now();
        let mut shut: HashMap<Lane, Closure> = HashMap::new();
        for OpenBreaker { lane, cause, left_ms, .. } in breakers {
            shut.insert(lane, Closure::breaker(cause, left_ms, now));
        }
        for name in self.lanes.keys() {
            let paused = pauses.iter().any(|pause| pause.holds(name));
            metrics::paused(name, paused);
            if paused {
                shut.insert(name.clone(), Closure::Paused);
            }
        }
        let hard_deletes_paused = pauses.iter().any(sexton_core::ledger::Pause::is_of_hard_deletes);
        metrics::hard_deletes_paused(hard_deletes_paused);
        self.hard_deletes_paused.store(hard_deletes_paused, Ordering::Release);
        if hard_deletes_paused {
            // In the lane of a resource itself is what all targets confirmed.
            for (name, _) in self.lanes.iter().filter(|(_, gate)| gate.target.is_none()) {
                shut.insert(name.clone(), Closure::Paused);
            }
        }
        let before = {
            let mut known = self.shut();
            // Under the lock: a change begins before it takes it.
            if self.changing.load(Ordering::Acquire) > 0 || self.changes.load(Ordering::Acquire) != changes {
                drop(known);
                self.look();
                return Ok(());
            }
            std::mem::replace(&mut *known, shut.clone())
        };
        for name in self.lanes.keys() {
            let is = |what: fn(&Closure) -> bool| shut.get(name).is_some_and(what);
            metrics::breaker(name, is(Closure::is_open_breaker));
            metrics::throttled(name, is(Closure::is_throttled));
        }
        // Whoever closed a breaker starts from a clean slate.
        let closed = before.iter().filter(|(lane, before)| before.is_open_breaker() && !shut.contains_key(*lane));
        closed.filter_map(|(lane, _)| self.lanes.get(lane)).for_each(|gate| gate.window().clear());
        Ok(())
    }

    /// The lanes whose breaker may be probed now, and how its target wants it.
    pub(crate) fn to_probe(&self) -> Vec<(Lane, Breaker)> {
        let now = Instant::now();
        let due = |closure: &Closure| closure.probe_at().is_some_and(|at| at <= now);
        let shut = self.shut();
        let due = shut.iter().filter(|(_, closure)| due(closure)).map(|(lane, _)| lane);
        due.filter_map(|lane| Some((lane.clone(), self.lanes.get(lane)?.target.as_ref()?.breaker))).collect()
    }

    /// Lets one call in this lane through although the breaker is open.
    pub(crate) fn allow_probe(&self, lane: &Lane) {
        if let Some(gate) = self.lanes.get(lane) {
            gate.allow_probe();
        }
    }

    pub(crate) fn next_probe_in(&self) -> Option<Duration> {
        let next = self.shut().values().filter_map(Closure::probe_at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }
}
