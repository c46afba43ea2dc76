//! Asking the targets of a claimed deletion, one after the other, while its lease leaves room for it.

use std::{sync::Arc, time::Duration, time::Instant};

use sexton_core::{
    config::Target,
    ids::DeletionId,
    ledger::Confirmation,
    outcome::{Answer, Outcome},
    template::Values,
};

use super::{
    execution::{Execution, WRITE_TIME},
    verdict::{Miss, describe},
};
use crate::{
    gate::{Admission, Called},
    metrics,
};

/// Those that are held together should not all come back together: the random part of the id spreads them.
fn spread(id: DeletionId, wait: Duration) -> Duration {
    let part = (id.as_uuid().as_u128() % 1000) as u32;
    wait.clamp(Duration::from_millis(100), Duration::from_secs(5)) * part / 1000
}

/// How asking the targets ended.
pub(super) enum Asked {
    /// All confirmed.
    Confirmed,
    /// Some did not.
    Missed(Vec<Miss>),
    /// The gate of one is shut, or too narrow for now.
    Held(Held),
    /// A target that was required is not configured any more.
    NotConfigured(String),
    /// There is no time left, or the process is shutting down.
    HandBack,
    /// The lease is lost: nothing may be written.
    Lost,
}

/// A call that may not begin now, or failed while its target was left alone.
pub(super) struct Held {
    /// When to ask again, if the lane is open then.
    pub(super) wait: Duration,
    /// The class of what happened, and what on-call is told; none if there is nothing to tell.
    pub(super) error: Option<(String, String)>,
}

/// What a call came to, if its deletion is still ours.
enum Call {
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
            match self.ask(target).await {
                Ok(Call::Confirmed(answer)) => self.confirm(target, answer),
                Ok(Call::Missed(miss)) => misses.push(miss),
                // The first in order is the lane in which it waits.
                Ok(Call::Held(by)) => held = held.or(Some(by)),
                Err(asked) => return asked,
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
    async fn ask(&mut self, target: &Target) -> Result<Call, Asked> {
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
                Call::Confirmed(confirmed) => answer = confirmed,
                other => return Ok(other),
            }
        }
        Ok(Call::Confirmed(answer))
    }

    async fn call(&mut self, target: &Target, values: &Values) -> Result<Call, Asked> {
        let context = Arc::clone(&self.engine.context);
        let lane = format!("{}.{}", self.claim.resource, target.name);
        let pass = match context.gates.admit(&lane, self.claim.id).await {
            Admission::Go(pass) => pass,
            Admission::Wait(wait, why) => {
                let wait = wait + spread(self.claim.id, wait);
                tracing::trace!(id = %self.claim.id, lane, why, "deletion {} is held", self.claim.id);
                return Ok(Call::Held(Held { wait, error: None }));
            }
        };
        let write_time = WRITE_TIME.min(self.engine.context.config.worker.lease / 10);
        // A call starts only while the lease leaves room for it, its timeout and the write-back.
        if self.held.remaining() < target.timeout + write_time || self.engine.closing.is_cancelled() {
            return Err(Asked::HandBack);
        }
        let Some(connector) = self.engine.context.connectors.of(&self.claim.resource, target.name.as_str()) else {
            return Err(Asked::NotConfigured(target.name.to_string()));
        };
        let called_before = std::mem::replace(&mut self.called, true);
        let started = Instant::now();
        let outcome = tokio::select! {
            outcome = connector.delete(values) => outcome.without_values(values),
            () = self.held.lost() => return Err(Asked::Lost),
            () = self.held.interrupted() => return Err(Asked::HandBack),
        };
        let duration = started.elapsed();
        if matches!(outcome, Outcome::BadTemplate(_)) {
            // There was nothing to call, so it may still be restored.
            self.called = called_before;
        } else {
            metrics::called(&self.claim.resource, target.name.as_str(), &outcome, duration);
        }
        let first = self.claim.uncalled && self.claim.attempts == 1;
        let called = Called { lane: &lane, id: self.claim.id, outcome: &outcome, first, probe: pass.probe };
        let shut = context.gates.called(&context.db, &context.ledger, &called).await;
        drop(pass);
        Ok(match outcome {
            Outcome::Confirmed { answer } => Call::Confirmed(answer),
            // That the target is away is not this deletion's fault, but it does not wait for it for ever.
            Outcome::Retry(failure) | Outcome::Unauthorized(failure) if shut && !self.has_expired(target) => {
                let error = Some(("breaker_open".to_owned(), describe(target.name.as_str(), &failure)));
                Call::Held(Held { wait: Duration::ZERO, error })
            }
            outcome => {
                let retry = context.config.retry.with(&target.retry);
                Call::Missed(Miss { target: target.name.to_string(), outcome, duration, retry })
            }
        })
    }

    fn has_expired(&self, target: &Target) -> bool {
        let retry = self.engine.context.config.retry.with(&target.retry);
        self.claim.age + self.since.elapsed() >= retry.give_up_after
    }

    fn confirm(&mut self, target: &Target, answer: Answer) {
        let elapsed = i64::try_from(self.since.elapsed().as_millis()).unwrap_or_default();
        // The database's clock, carried on: this machine's own may be wrong.
        let at_ms = u64::try_from(self.claim.claimed_at_ms + elapsed).unwrap_or_default();
        let at = std::time::UNIX_EPOCH + Duration::from_millis(at_ms);
        let at = humantime::format_rfc3339_millis(at).to_string();
        self.confirmations.insert(target.name.to_string(), Confirmation { at, answer });
    }
}
