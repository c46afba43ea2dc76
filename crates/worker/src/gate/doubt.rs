//! Whether an answer "gone" is in doubt, and what is held because of that.

use std::{
    collections::HashMap,
    sync::PoisonError,
    time::{Duration, Instant},
};

use sexton_core::{
    db,
    ids::{DeletionId, Lane},
    ledger::HeldDeletion,
    store::Store,
};

use super::{
    confirmed_here::ConfirmedHere,
    gates::{Gate, Gates},
    gone_answers::{Doubted, GoneEvidence, Judgement, WINDOW},
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
    /// Takes note that `lane` deleted this twin of the deletion `id`.
    pub(crate) fn note_confirmed(&self, lane: &Lane, id: DeletionId, twin: &str) {
        self.confirmed_here.note_confirmed(lane, id, twin);
    }

    /// Whether "gone" would be no surprise for this twin of the deletion `id`: `lane` has confirmed it to this process
    /// before.
    pub(crate) fn has_confirmed_before(&self, lane: &Lane, id: DeletionId, twin: &str) -> bool {
        self.confirmed_here.contains(lane, id, twin)
    }

    /// Whether "gone" is in doubt that `lane` just said. After a lost answer it is none as long as the target deletes:
    /// each time that a deletion is claimed once more, a process may vanish with it. What is known is doubted only in a
    /// run.
    pub(crate) fn doubts_gone(&self, lane: &Lane, evidence: GoneEvidence) -> bool {
        let Some((gate, target)) = self.lanes.get(lane).and_then(|gate| Some((gate, gate.target.as_ref()?))) else {
            return false;
        };
        let now = Instant::now();
        let answers = gate.gone_answers();
        target.gone_limit < 1.0
            && match evidence {
                GoneEvidence::Deleted => false,
                GoneEvidence::Gone => true,
                GoneEvidence::GoneAfterLoss => !answers.deletes(now) || answers.is_run_now(target.gone_limit, now),
                GoneEvidence::Known => answers.is_run_now(target.gone_limit, now),
            }
    }

    /// Judges a doubted "gone" of `lane`.
    pub(crate) fn judge_gone(&self, lane: &Lane, doubted: Doubted) -> Judgement {
        let now = Instant::now();
        let again = Judgement::AskAgain { in_run: doubted.in_run };
        let Some((gate, target)) = self.lanes.get(lane).and_then(|gate| Some((gate, gate.target.as_ref()?))) else {
            return again;
        };
        if target.gone_limit >= 1.0 {
            return Judgement::Believe;
        }
        if self.shut().get(lane).is_some_and(ShutLane::lasts) {
            // There may be no other deletion to probe the target with.
            if gate.may_probe() {
                return again;
            }
            return Judgement::Wait { time: WINDOW, in_run: doubted.in_run };
        }
        let held = *gate.held.lock().unwrap_or_else(PoisonError::into_inner);
        gate.gone_answers().judge(doubted, target.gone_limit, held, now)
    }

    /// Reads what all processes hold, and lets go on what this process can explain.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; what was known before still holds.
    pub(super) async fn refresh_held(&self, store: &Store) -> Result<(), db::Error> {
        let held = store.ledger.count_held(&store.db.conn).await?;
        let now = Instant::now();
        let by_lane: HashMap<_, _> = held.iter().map(|held| (&held.lane, held)).collect();
        for (lane, gate) in self.lanes.iter().filter(|(_, gate)| gate.target.is_some()) {
            let held = by_lane.get(lane);
            let count = held.map_or(0, |held| held.count);
            metrics::set_held(lane, count);
            let newest = held.and_then(|held| now.checked_sub(held.newest));
            gate.held.lock().unwrap_or_else(PoisonError::into_inner).note_held(count, newest, now);
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
    let Some(target) = &gate.target else { return Ok(()) };
    let is_known = |held: &HeldDeletion| {
        let mut twins = held.former.iter().chain([&held.payload]);
        twins.all(|twin| known.contains(lane, held.id, &target.twin_name(twin)))
    };
    let held = store.ledger.held_in_lane(&store.db, lane, MOST_HELD).await?;
    let known: Vec<_> = held.iter().filter(|held| is_known(held)).map(|held| held.id).collect();
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
