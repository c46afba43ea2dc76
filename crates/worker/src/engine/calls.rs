//! Asking the targets of a claimed deletion, one after the other, while its lease leaves room for it.

use std::{sync::Arc, time::Duration, time::Instant};

use sexton_core::{
    config::Target,
    ids::{DeletionId, Lane},
    ledger::Confirmation,
    outcome::{Answer, Failure, Look, Outcome},
    template::Values,
};

use super::{
    asked::{Asked, Held},
    execution::{Execution, WRITE_TIME},
    verdict::{Miss, describe},
};
use crate::{
    connector::{Call, Connector},
    gate::{Admission, Called},
    metrics,
};

/// Those that are held together should not all come back together: the random part of the id spreads them.
fn spread(id: DeletionId, wait: Duration) -> Duration {
    let part = (id.as_uuid().as_u128() % 1000) as u32;
    wait.clamp(Duration::from_millis(100), Duration::from_secs(5)) * part / 1000
}

/// What a call came to, if its deletion is still ours.
enum Reply {
    Confirmed(Answer),
    Missed(Miss),
    Held(Held),
}

impl Execution<'_> {
    /// Asks each target that has not confirmed, in their order.
    pub(super) async fn ask_targets(&mut self) -> Asked {
        let table = Arc::clone(&self.table);
        let mut misses = Vec::new();
        let mut held = None;
        for target in &table.resource.targets {
            if self.confirmations.contains_key(target.name.as_str()) {
                continue;
            }
            // One that did not confirm just now is among the misses, so this is not taken for the end.
            if !target.after.iter().all(|before| self.confirmations.contains_key(before.as_str())) {
                continue;
            }
            let answered = match self.ask(target).await {
                Ok(Reply::Confirmed(Answer::Skipped)) => {
                    self.confirm(target, Answer::Skipped);
                    continue;
                }
                Ok(Reply::Confirmed(answer)) => {
                    self.confirm(target, answer);
                    true
                }
                // The first in order is the lane in which it waits.
                Ok(Reply::Held(by)) => {
                    let called = by.error.is_some();
                    held = held.or(Some(by));
                    if !called {
                        continue;
                    }
                    true
                }
                Ok(Reply::Missed(miss)) => {
                    misses.push(miss);
                    !misses.iter().any(|miss| matches!(miss.outcome, Outcome::Lost(_)))
                }
                Err(asked) => return asked,
            };
            // What must not be asked again is the end of it: nothing else may be noted over it.
            if !answered {
                break;
            }
            if !target.repeatable
                && let Err(asked) = self.end_call().await
            {
                return asked;
            }
        }
        if !misses.is_empty() {
            return Asked::Missed(misses);
        }
        if let Some(held) = held {
            return Asked::Held(held);
        }
        let unknown = self.claim.targets.iter().find(|name| !self.confirmations.contains_key(*name));
        unknown.map_or(Asked::Confirmed, |name| Asked::NotConfigured(name.clone()))
    }

    /// Asks a target to delete the row's twin, and before it the twins of rows that had its key before.
    async fn ask(&mut self, target: &Target) -> Result<Reply, Asked> {
        let mut twins: Vec<&Values> = Vec::new();
        for values in self.claim.former.iter().chain([&self.payload]) {
            twins.retain(|known| !target.same_twin(known, values));
            twins.push(values);
        }
        let twins: Vec<Values> = twins.into_iter().cloned().collect();
        let mut answer = Answer::Skipped;
        for values in &twins {
            if target.skip_when_null.iter().any(|column| values.get(column).is_none_or(Option::is_none)) {
                answer = Answer::Skipped;
                continue;
            }
            match self.call(target, values).await? {
                Reply::Confirmed(confirmed) => answer = confirmed,
                other => return Ok(other),
            }
        }
        Ok(Reply::Confirmed(answer))
    }

    async fn call(&mut self, target: &Target, values: &Values) -> Result<Reply, Asked> {
        let engine = self.engine;
        let context = &engine.context;
        let Some(connector) = context.connectors.get(&self.claim.resource, target.name.as_str()) else {
            return Err(Asked::NotConfigured(target.name.to_string()));
        };
        let lane = Lane::of_target(&self.table.name, &target.name);
        let pass = match context.gates.admit(&lane, self.claim.id).await {
            Admission::Go(pass) => pass,
            Admission::Wait(wait, why) => {
                let wait = wait + spread(self.claim.id, wait);
                tracing::trace!(id = %self.claim.id, %lane, why, "deletion {} is held", self.claim.id);
                return Ok(Reply::Held(Held { wait, error: None }));
            }
        };
        // Being admitted may have taken a moment.
        self.may_begin(target)?;
        if !target.repeatable {
            self.begin_call(target).await?;
        }
        let call = Call { id: self.claim.id, row: values };
        let called_before = std::mem::replace(&mut self.called, true);
        let started = Instant::now();
        let mut outcome = tokio::select! {
            outcome = connector.delete(call) => outcome,
            () = self.held.lost() => return Err(Asked::Lost),
            () = self.held.interrupted() => match target.repeatable {
                true => return Err(Asked::HandBack),
                false => Outcome::Lost(Failure { status: None, reason: "interrupted".to_owned() }),
            },
        };
        // Before the duration is taken: a target is as slow as everything that its confirmation needs.
        if matches!(outcome, Outcome::Confirmed { .. }) && target.is_verified() {
            outcome = match self.look(target, connector, call).await? {
                Look::Gone => outcome,
                Look::Differs(failure) => Outcome::NotVerified(failure),
                Look::Failed(failed) => failed,
            };
        }
        let duration = started.elapsed();
        let outcome = match outcome.without_values(values) {
            Outcome::Lost(failure) if target.repeatable => Outcome::Retry(failure),
            outcome => outcome,
        };
        if matches!(outcome, Outcome::BadTemplate(_)) {
            // There was nothing to call, so it may still be restored.
            self.called = called_before;
        } else {
            metrics::called(&self.claim.resource, target.name.as_str(), &outcome, duration);
        }
        let first = self.claim.uncalled && self.claim.attempts == 1;
        let called = Called { lane: &lane, id: self.claim.id, outcome: &outcome, first, probe: pass.probe };
        let shut = context.gates.called(&context.store, &called).await;
        drop(pass);
        Ok(match outcome {
            Outcome::Confirmed { answer } => Reply::Confirmed(answer),
            // That the target is away is not this deletion's fault, but it does not wait for it for ever.
            Outcome::Retry(ref failure) | Outcome::Unauthorized(ref failure) if shut && !self.has_expired(target) => {
                let class = if matches!(outcome, Outcome::Retry(_)) { "retry" } else { "unauthorized" };
                let error = Some((class.to_owned(), describe(target.name.as_str(), failure)));
                Reply::Held(Held { wait: Duration::ZERO, error })
            }
            outcome => {
                let retry = context.config.retry.with(&target.retry);
                Reply::Missed(Miss { target: target.name.to_string(), outcome, duration, retry })
            }
        })
    }

    fn has_expired(&self, target: &Target) -> bool {
        let retry = self.engine.context.config.retry.with(&target.retry);
        self.claim.age + self.since.elapsed() >= retry.give_up_after
    }

    /// A call starts only while the process is not shutting down and [there is time](Self::has_time_for) for it.
    fn may_begin(&self, target: &Target) -> Result<(), Asked> {
        if self.engine.closing.is_cancelled() { Err(Asked::HandBack) } else { self.has_time_for(target) }
    }

    /// The lease must leave room for a call, its timeout and the write-back.
    fn has_time_for(&self, target: &Target) -> Result<(), Asked> {
        let write_time = WRITE_TIME.min(self.engine.context.config.worker.lease / 10);
        let is_time = self.held.remaining() >= target.timeout + write_time;
        if is_time { Ok(()) } else { Err(Asked::HandBack) }
    }

    /// Looks whether a twin is gone that the target says it deleted.
    async fn look(&self, target: &Target, connector: &dyn Connector, call: Call<'_>) -> Result<Look, Asked> {
        // Also while the process is shutting down: it is the end of what was begun.
        self.has_time_for(target)?;
        tokio::select! {
            look = connector.look(call) => Ok(look),
            () = self.held.lost() => Err(Asked::Lost),
            () = self.held.interrupted() => Err(Asked::HandBack),
        }
    }

    /// Commits that a call begins which must not be repeated; only then may it begin.
    async fn begin_call(&self, target: &Target) -> Result<(), Asked> {
        let context = &self.engine.context;
        let (id, fence) = (self.claim.id, self.claim.fence);
        loop {
            match context.store.ledger.begin_call(&context.store.db, id, fence, target.name.as_str()).await {
                // Writing took its time.
                Ok(true) => return self.may_begin(target),
                Ok(false) => return Err(Asked::Lost),
                Err(_) if self.pause().await => {}
                Err(error) => {
                    tracing::warn!(%id, %error, "cannot note the call for deletion {id}, so it is not made");
                    return Err(Asked::HandBack);
                }
            }
        }
    }

    /// Commits what is confirmed, and that no call is in flight.
    async fn end_call(&self) -> Result<(), Asked> {
        let context = &self.engine.context;
        let (id, fence) = (self.claim.id, self.claim.fence);
        loop {
            match context.store.ledger.end_call(&context.store.db, id, fence, &self.confirmations).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(Asked::Lost),
                Err(_) if self.pause().await => {}
                Err(error) => {
                    // What completes or settles it writes the same; only a worker that vanishes before leaves it open.
                    tracing::warn!(%id, %error, "cannot note the confirmation of deletion {id} yet");
                    return Ok(());
                }
            }
        }
    }

    fn confirm(&mut self, target: &Target, answer: Answer) {
        let elapsed = i64::try_from(self.since.elapsed().as_millis()).unwrap_or_default();
        // The database's clock, carried on: this machine's own may be wrong.
        let at_ms = u64::try_from(self.claim.claimed_at_ms + elapsed).unwrap_or_default();
        let at = std::time::UNIX_EPOCH + Duration::from_millis(at_ms);
        let at = humantime::format_rfc3339_millis(at).to_string();
        let verified = target.is_verified() && answer != Answer::Skipped;
        self.confirmations.insert(target.name.to_string(), Confirmation { at, answer, verified });
    }
}
