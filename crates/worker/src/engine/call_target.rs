//! One call to a target: through its gate, while the lease leaves room for it.

use std::{time::Duration, time::Instant};

use sexton_core::{
    config::Target,
    ids::{DeletionId, Lane},
    ledger::LastError,
    outcome::{Answer, Failure, Look, Outcome},
    template::Values,
};

use super::{
    ask_targets::{TargetConfirmation, TargetReply},
    execution::Execution,
    failed_calls::{FailedCall, describe},
    gone_expected::Trace,
    targets_outcome::{Snooze, TargetsOutcome},
    write_back::WRITE_TIME,
};
use crate::{
    connector::{Call, Connector},
    gate::{Admission, CallReport},
    metrics,
};

/// Deletions that wait for the same gate should not come back together: the random part of the id spreads them.
fn spread(id: DeletionId, wait: Duration) -> Duration {
    let part = (id.as_uuid().as_u128() % 1000) as u32;
    wait.clamp(Duration::from_millis(100), Duration::from_secs(5)) * part / 1000
}

/// What the next call may find although this one was not confirmed.
fn trace_of(outcome: &Result<Outcome, TargetsOutcome>) -> Option<Trace> {
    match outcome {
        // Without a delay it did a part, and there is more to do.
        Ok(Outcome::Throttled { retry_after: Some(Duration::ZERO), .. }) => Some(Trace::Acted),
        // Or interrupted in mid-call.
        Ok(Outcome::Lost(_)) | Err(TargetsOutcome::HandBack) => Some(Trace::Lost),
        Ok(_) | Err(_) => None,
    }
}

/// How long a slot rests after a call for which this process lacked something.
const BREATH: Duration = Duration::from_millis(500);

impl Execution<'_> {
    /// Calls `target` for the twin that `values` name.
    pub(super) async fn call_target(
        &mut self,
        target: &Target,
        values: &Values,
    ) -> Result<TargetReply, TargetsOutcome> {
        let context = &self.engine.context;
        let Some(connector) = context.connectors.get(&self.claim.resource, target.name.as_str()) else {
            return Err(TargetsOutcome::NotConfigured(target.name.to_string()));
        };
        let lane = Lane::of_target(&self.table.name, &target.name);
        let permit = match context.gates.admit(&lane, self.claim.id).await {
            Admission::Granted(permit) => permit,
            Admission::Wait(wait, why) => {
                let delay = wait + spread(self.claim.id, wait);
                tracing::trace!(id = %self.claim.id, %lane, why, "deletion {} waits for its gate", self.claim.id);
                return Ok(TargetReply::Snooze(Snooze { delay, error: None }));
            }
        };
        // Admission may have taken a moment.
        self.may_begin(target)?;
        if !target.repeatable {
            self.begin_call(target).await?;
        }
        let called_before = std::mem::replace(&mut self.called, true);
        let started = Instant::now();
        // What this call comes to is no reason to expect its own answer.
        let gone_evidence = self.gone_evidence(&lane, target, values);
        let outcome = self.call_and_verify(target, connector, Call { id: self.claim.id, row: values }).await;
        let duration = started.elapsed();
        if let Some(trace) = trace_of(&outcome) {
            self.expect_gone(target, values, trace);
        }
        let outcome = match outcome?.without_values(values) {
            Outcome::Lost(failure) if target.repeatable => Outcome::Retry(failure),
            outcome => outcome,
        }
        .knowing_own_lack();
        let report =
            CallReport { lane: &lane, id: self.claim.id, outcome: &outcome, gone_evidence, probe: permit.is_probe };
        let fault = context.gates.note_call(&context.store, &report).await;
        if matches!(outcome, Outcome::BadTemplate(_)) {
            // There was nothing to call, so it may still be restored.
            self.called = called_before;
        } else {
            metrics::count_call(&self.claim.resource, target.name.as_str(), &outcome, fault, duration);
        }
        drop(permit);
        if matches!(outcome, Outcome::Starved(_)) {
            // With the slot in hand: else claims would go round as fast as the system refuses.
            tokio::time::sleep(BREATH).await;
        }
        Ok(match outcome {
            Outcome::Confirmed { answer } => {
                let was_gone = matches!(answer, Answer::Gone { .. });
                let doubted = was_gone && context.gates.doubts_gone(&lane, gone_evidence);
                TargetReply::Confirmed(TargetConfirmation { answer, doubted })
            }
            // It is not this deletion's fault that the target is away, but it does not wait for it for ever.
            Outcome::Retry(ref failure) | Outcome::Unauthorized(ref failure)
                if fault.breaker_is_open && !self.has_expired(target) =>
            {
                let text = describe(target.name.as_str(), failure);
                let error = Some(LastError { class: outcome.class().to_owned(), text });
                TargetReply::Snooze(Snooze { delay: Duration::ZERO, error })
            }
            outcome => {
                let retry = context.config.retry.with(&target.retry);
                TargetReply::Failed(FailedCall {
                    target: target.name.to_string(),
                    outcome,
                    refused_alone: fault.refused_alone,
                    duration,
                    retry,
                })
            }
        })
    }

    /// Sends the request and, if the target says so and is verified, looks whether the twin is gone. Both count for the
    /// call's duration: a target is as slow as everything that its confirmation needs.
    async fn call_and_verify(
        &mut self,
        target: &Target,
        connector: &dyn Connector,
        call: Call<'_>,
    ) -> Result<Outcome, TargetsOutcome> {
        let outcome = tokio::select! {
            outcome = connector.delete(call) => {
                let outcome = outcome.knowing_not_done(&target.not_done);
                if target.repeatable { outcome } else { outcome.of_unrepeatable_request(&target.not_done) }
            }
            () = self.lease.lost() => return Err(TargetsOutcome::LeaseLost),
            () = self.lease.interrupted() => match target.repeatable {
                true => return Err(TargetsOutcome::HandBack),
                false => Outcome::Lost(Failure { status: None, reason: "interrupted".to_owned() }),
            },
        };
        if !matches!(outcome, Outcome::Confirmed { .. }) || !target.is_verified() {
            return Ok(outcome);
        }
        if !matches!(outcome, Outcome::Confirmed { answer: Answer::Gone { .. } }) {
            // The target acted: whatever the look finds, the next call may find nothing.
            self.expect_gone(target, call.row, Trace::Acted);
        }
        Ok(match self.look_at_twin(target, connector, call).await? {
            Look::Gone => outcome,
            Look::Differs(failure) => Outcome::NotVerified(failure),
            Look::Failed(failed) => failed,
        })
    }

    /// Looks whether a twin is gone that the target says it deleted.
    async fn look_at_twin(
        &self,
        target: &Target,
        connector: &dyn Connector,
        call: Call<'_>,
    ) -> Result<Look, TargetsOutcome> {
        // Also while the process is shutting down: it is the end of what was begun.
        self.has_time_for(target)?;
        tokio::select! {
            look = connector.look(call) => Ok(look),
            () = self.lease.lost() => Err(TargetsOutcome::LeaseLost),
            () = self.lease.interrupted() => Err(TargetsOutcome::HandBack),
        }
    }

    /// A call begins only while the process is not shutting down and [there is time](Self::has_time_for) for it.
    pub(super) fn may_begin(&self, target: &Target) -> Result<(), TargetsOutcome> {
        if self.engine.closing.is_cancelled() { Err(TargetsOutcome::HandBack) } else { self.has_time_for(target) }
    }

    /// The lease must leave room for a call, its timeout and the write-back.
    fn has_time_for(&self, target: &Target) -> Result<(), TargetsOutcome> {
        let write_time = WRITE_TIME.min(self.engine.context.config.worker.lease / 10);
        let is_time = self.lease.remaining() >= target.timeout + write_time;
        if is_time { Ok(()) } else { Err(TargetsOutcome::HandBack) }
    }

    pub(super) fn has_expired(&self, target: &Target) -> bool {
        let retry = self.engine.context.config.retry.with(&target.retry);
        self.claim.age + self.since.elapsed() >= retry.give_up_after
    }
}
