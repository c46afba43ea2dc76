//! Writing back what did not complete: a retry, a snooze, a dead letter, a changed row; many in one statement.

use std::time::Duration;

use sexton_core::{
    db,
    ledger::{LastError, Settlement, has_confirmed},
    outcome::DeadKind,
    state::Event,
};

use super::{
    execution::Execution,
    failed_calls::{FailedCall, Verdict, decide_by_worst},
};
use crate::metrics;

/// Kept free at the end of a lease for writing down what a call came to.
pub(super) const WRITE_TIME: Duration = Duration::from_millis(500);
/// Between two attempts to write while the database is away.
const DATABASE_PAUSE: Duration = Duration::from_millis(200);

impl Execution<'_> {
    /// Writes back what failed calls come to. `dead` is what the deletion dies of when its attempts are used up, if
    /// that says more than `exhausted`.
    pub(super) async fn calls_failed(self, calls: &[FailedCall], dead: Option<DeadKind>) {
        let claims = u32::try_from(self.claim.fence.0).unwrap_or(u32::MAX);
        let age = self.claim.age + self.since.elapsed();
        let Some(verdict) = decide_by_worst(calls, self.claim.attempts, claims, age) else { return };
        let Verdict { event, dead: died_of, delay, give_back, error, attempt } = verdict;
        let mut settlement = self.settlement(event, delay);
        settlement.dead = died_of.map(|died_of| dead.unwrap_or(died_of));
        settlement.give_back = give_back;
        settlement.error = Some(error);
        settlement.attempt = attempt;
        self.write_back(settlement).await;
    }

    /// Makes a dead letter of the deletion; `why` is for on-call.
    pub(super) async fn die(self, kind: DeadKind, why: &str) {
        let mut settlement = self.settlement(Event::Died, Duration::ZERO);
        settlement.dead = Some(kind);
        settlement.error = Some(LastError { class: kind.to_string(), text: why.to_owned() });
        self.write_back(settlement).await;
    }

    /// Puts the deletion off without costing an attempt.
    pub(super) async fn snooze(self, delay: Duration, error: Option<LastError>) {
        let mut settlement = self.settlement(Event::Snoozed, delay);
        settlement.give_back = true;
        settlement.error = error;
        self.write_back(settlement).await;
    }

    /// What is written back for `event`: the deletion as it is now, due after `delay`, at the cost of an attempt.
    pub(super) fn settlement(&self, event: Event, delay: Duration) -> Settlement {
        Settlement {
            id: self.claim.id,
            fence: self.claim.fence,
            event,
            phase: self.claim.phase,
            delay,
            give_back: false,
            uncalled: self.claim.uncalled && !self.called,
            lane: self.table.lane(|target| has_confirmed(&self.confirmations, target)),
            confirmations: self.confirmations.clone(),
            gone_expected: self.gone_expected.clone(),
            payload: self.payload_is_new.then(|| self.payload.clone()),
            error: None,
            dead: None,
            delete_limit: self.delete_limit,
            attempt: None,
        }
    }

    /// Writes a settlement, for as long as the lease lasts.
    pub(super) async fn write_back(self, mut settlement: Settlement) {
        if settlement.dead.is_some() {
            // Once on-call retries it, the answers around this one are forgotten.
            settlement.confirmations.retain(|_, confirmation| !confirmation.doubted);
        }
        loop {
            match self.engine.settlements.settle(settlement.clone()).await {
                Ok(true) => break,
                Ok(false) => return self.log_lost_lease(),
                Err(_) if self.wait_for_database().await => {}
                Err(error) => return self.abandon(&error),
            }
        }
        metrics::count_settlement(&self.claim.resource, &settlement);
        if settlement.dead.is_some() {
            self.tell_parent();
        }
        let id = settlement.id;
        let error = settlement.error.as_ref().map_or("", |error| error.text.as_str());
        match settlement.dead {
            Some(kind) => tracing::warn!(%id, %kind, error, "deletion {id} is dead: {kind}"),
            None => {
                let delay_ms = settlement.delay.as_millis();
                tracing::debug!(%id, event = ?settlement.event, error, delay_ms, "deletion {id} continues later");
            }
        }
    }

    /// Waits a little for the database to come back; false when the lease leaves no more time.
    pub(super) async fn wait_for_database(&self) -> bool {
        if self.lease.remaining() < WRITE_TIME {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(DATABASE_PAUSE) => true,
            () = self.lease.lost() => false,
            () = self.lease.interrupted() => false,
        }
    }

    /// Nothing may be written any more.
    pub(super) fn log_lost_lease(&self) {
        let id = self.claim.id;
        tracing::warn!(%id, "the lease of deletion {id} was lost; another worker takes it");
    }

    /// Nothing can be written.
    pub(super) fn abandon(&self, error: &db::Error) {
        let id = self.claim.id;
        tracing::error!(%id, %error, "cannot write down what became of deletion {id}; its lease will free it");
    }
}
