//! Keeping up with what operators and other processes decided, and probing what is left alone.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use sea_orm::DbErr;
use sexton_core::{
    db::Db,
    ledger::{Ledger, OpenBreaker},
};
use tokio_util::sync::CancellationToken;

use super::{Closure, Gates};
use crate::{engine::Engine, metrics};

/// How often the ledger is asked while nobody speaks of a change.
const EVERY: Duration = Duration::from_secs(1);
/// After word of a change: notifications also speak of new deletions, and one look is enough for many.
const GATHER: Duration = Duration::from_millis(100);

/// Keeps the gates of `engine` up to date until `stop`, and probes targets whose breaker is open.
pub(crate) async fn refresh(engine: Arc<Engine>, stop: CancellationToken) {
    let context = &engine.context;
    let gates = &context.gates;
    let mut failing = false;
    loop {
        match gates.read(&context.db, &context.ledger).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                tracing::warn!(%error, "cannot read what is paused; what was known before still holds");
                failing = true;
            }
            Err(error) => tracing::debug!(%error, "cannot read what is paused"),
        }
        for lane in gates.to_probe() {
            if let Err(error) = probe(&engine, &lane).await {
                tracing::debug!(%error, lane, "cannot probe {lane}");
            }
        }
        let pause = gates.next_probe_in().map_or(EVERY, |next| next.clamp(GATHER, EVERY));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = gates.changed.notified() => tokio::time::sleep(GATHER).await,
        }
    }
}

/// Tries with one deletion whether the target of `lane` is well again, if no other process does.
async fn probe(engine: &Arc<Engine>, lane: &str) -> Result<(), DbErr> {
    let context = &engine.context;
    let Some((gate, target)) = context.gates.lanes.get(lane).and_then(|gate| Some((gate, gate.target.as_ref()?)))
    else {
        return Ok(());
    };
    if context.ledger.next_due_in(&context.db, &[lane.to_owned()]).await? != Some(Duration::ZERO) {
        return Ok(());
    }
    let (interval, most) = (target.breaker.probe_interval, target.breaker.max_probe_interval);
    if context.ledger.take_probe(&context.db, lane, interval, most).await? {
        gate.allow_probe();
        let taken = engine.take_one(lane).await?;
        tracing::debug!(lane, taken, "probing {lane}");
    }
    Ok(())
}

impl Gates {
    /// Word of a change.
    pub(crate) fn look(&self) {
        self.changed.notify_one();
    }

    /// Reads what the ledger says.
    ///
    /// # Errors
    /// Whatever the database says; what was known before still holds.
    pub(crate) async fn read(&self, db: &Db, ledger: &Ledger) -> Result<(), DbErr> {
        let (now, changes) = (Instant::now(), self.changes.load(Ordering::Acquire));
        let (pauses, breakers) = (ledger.pauses(&db.conn).await?, ledger.breakers(&db.conn).await?);
        let mut shut: HashMap<String, Closure> = HashMap::new();
        for OpenBreaker { lane, cause, left_ms, .. } in breakers {
            shut.insert(lane, Closure::breaker(cause, left_ms, now));
        }
        for name in self.lanes.keys() {
            metrics::breaker(name, shut.get(name).is_some_and(Closure::is_open_breaker));
            metrics::throttled(name, shut.get(name).is_some_and(Closure::is_throttled));
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
        if self.changing.load(Ordering::Acquire) > 0 || self.changes.load(Ordering::Acquire) != changes {
            self.look();
            return Ok(());
        }
        let before = std::mem::replace(&mut *self.shut(), shut.clone());
        // Whoever closed a breaker starts from a clean slate.
        let closed = before.iter().filter(|(lane, before)| before.is_open_breaker() && !shut.contains_key(*lane));
        closed.filter_map(|(lane, _)| self.lanes.get(lane)).for_each(|gate| gate.window().clear());
        Ok(())
    }

    /// The lanes whose breaker may be probed now.
    fn to_probe(&self) -> Vec<String> {
        let now = Instant::now();
        let due = |closure: &Closure| closure.probe_at().is_some_and(|at| at <= now);
        self.shut().iter().filter(|(_, closure)| due(closure)).map(|(lane, _)| lane.clone()).collect()
    }

    fn next_probe_in(&self) -> Option<Duration> {
        let next = self.shut().values().filter_map(Closure::probe_at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }
}
