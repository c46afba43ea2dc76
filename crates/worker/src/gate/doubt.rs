//! Whether an answer "gone" is in doubt, and what is held because of that.

use std::{
    collections::HashMap,
    sync::PoisonError,
    time::{Duration, Instant},
};

use sexton_core::{
    db,
    ids::{DeletionId, Lane},
    store::Store,
};

use super::{
    confirmed_here::ConfirmedHere,
    gates::{Gate, Gates},
    gone_answers::{HeldNow, Judgement, WINDOW},
    shut_lane::ShutLane,
};
use crate::metrics;

/// Most held deletions of a lane that are looked at in one round; the breaker is open long before there are more.
const MOST_HELD: u32 = 1000;
/// A breaker is withdrawn no sooner than this after it opened: what was answered before must be written down first.
const SETTLED: Duration = Duration::from_secs(5);
/// For how long it is tried, because other processes may have to explain the rest.
const EXPLAINED: Duration = Duration::from_secs(60);

impl Gates {
    /// Takes note that `lane` deleted all twins of the deletion `id`.
    pub(crate) fn note_confirmed(&self, lane: &Lane, id: DeletionId) {
        self.confirmed_here.note(lane, id);
    }

    /// Whether `lane` would not surprise anybody by "gone" for the deletion `id`: it has confirmed it to this process before.
    pub(crate) fn has_confirmed_before(&self, lane: &Lane, id: DeletionId) -> bool {
        self.confirmed_here.contains(lane, id)
    }

    /// Whether "gone" is in doubt that `lane` just said. What was expected is doubted only while it says "gone" to all.
    pub(crate) fn doubts_gone(&self, lane: &Lane, was_expected: bool) -> bool {
        let Some((gate, target)) = self.lanes.get(lane).and_then(|gate| Some((gate, gate.target.as_ref()?))) else {
            return false;
        };
        let is_checked = target.gone_limit < 1.0;
        is_checked && (!was_expected || gate.gone_answers().is_run(target.gone_limit, Instant::now()))
    }

    /// Judges the doubted "gone" that `lane` said so long ago.
    pub(crate) fn judge_gone(&self, lane: &Lane, age: Duration) -> Judgement {
        let now = Instant::now();
        let Some((gate, target)) = self.lanes.get(lane).and_then(|gate| Some((gate, gate.target.as_ref()?))) else {
            return Judgement::AskAgain { believe: false };
        };
        if target.gone_limit >= 1.0 {
            return Judgement::Believe;
        }
        if self.shut().get(lane).is_some_and(ShutLane::lasts) {
            return Judgement::Wait(WINDOW);
        }
        let Some(at) = now.checked_sub(age) else { return Judgement::AskAgain { believe: false } };
        let held = *gate.held.lock().unwrap_or_else(PoisonError::into_inner);
        gate.gone_answers().judge(at, target.gone_limit, held, now)
    }

    /// Reads what all processes hold, and lets go on what this process can explain.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; what was known before still holds.
    pub(super) async fn refresh_held(&self, store: &Store) -> Result<(), db::Error> {
        let held = store.ledger.held(&store.db.conn).await?;
        let now = Instant::now();
        let by_lane: HashMap<_, _> = held.iter().map(|held| (&held.lane, held)).collect();
        for (lane, gate) in self.lanes.iter().filter(|(_, gate)| gate.target.is_some()) {
            let held = by_lane.get(lane);
            let count = held.map_or(0, |held| held.count);
            metrics::set_held(lane, count);
            let newest = held.and_then(|held| now.checked_sub(held.newest));
            *gate.held.lock().unwrap_or_else(PoisonError::into_inner) = HeldNow { count, newest };
        }
        for held in &held {
            if let Some(gate) = self.lanes.get(&held.lane) {
                explain_held(&self.confirmed_here, gate, store, &held.lane).await?;
            }
        }
        for (lane, gate) in &self.lanes {
            withdraw_breaker(gate, store, lane).await?;
        }
        Ok(())
    }
}

/// What was confirmed to this process before is asked once more, without surprise.
async fn explain_held(known: &ConfirmedHere, gate: &Gate, store: &Store, lane: &Lane) -> Result<(), db::Error> {
    let ids = store.ledger.held_in_lane(&store.db, lane, MOST_HELD).await?;
    let known: Vec<_> = ids.into_iter().filter(|id| known.contains(lane, *id)).collect();
    if known.is_empty() {
        return Ok(());
    }
    let explained = store.ledger.ask_again(&store.db.conn, lane, Some(&known)).await?;
    tracing::info!(%lane, explained, "{lane} said \"gone\" about what it had confirmed to this process before");
    *gate.explained.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    Ok(())
}

/// A breaker that opened because of "gone" closes if each was explained, by this process or by another.
async fn withdraw_breaker(gate: &Gate, store: &Store, lane: &Lane) -> Result<(), db::Error> {
    let explained = *gate.explained.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(explained) = explained else { return Ok(()) };
    if store.ledger.withdraw_breaker(&store.db, lane, SETTLED).await? {
        tracing::info!(%lane, "the breaker of {lane} is closed: each \"gone\" is explained");
    } else if explained.elapsed() < EXPLAINED {
        return Ok(());
    }
    *gate.explained.lock().unwrap_or_else(PoisonError::into_inner) = None;
    Ok(())
}
