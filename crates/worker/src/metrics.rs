//! What is counted. Names are `sexton_<noun>_<unit>`; labels come from the configuration and from enums.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use sexton_core::{
    ids::Lane,
    ledger::{Cause, Settlement, SweepState},
    outcome::{DeadKind, Outcome},
    state::Event,
};

use crate::hard_delete::HardDeleteOutcome;

/// Says what each metric means; called once, when the recorder is installed.
pub(crate) fn describe() {
    describe_counter!("sexton_claims_total", "Deletions claimed");
    describe_counter!("sexton_calls_total", "Calls to targets, by outcome");
    describe_histogram!("sexton_call_duration_seconds", "How long calls to targets took");
    describe_counter!("sexton_completions_total", "Deletions completed, by what became of the row");
    describe_counter!("sexton_retries_total", "Failed attempts that will be made again");
    describe_counter!("sexton_snoozes_total", "Deletions put off without costing an attempt");
    describe_counter!("sexton_dead_total", "Deletions that died, by kind");
    describe_counter!("sexton_rescues_total", "Expired leases taken back");
    describe_counter!("sexton_hints_pushed_total", "Hints pushed to Redis");
    describe_counter!("sexton_api_requests_total", "Requests to the HTTP API, by status of the answer");
    describe_counter!("sexton_breaker_openings_total", "Breakers opened, by lane and cause");
    describe_gauge!("sexton_breaker_open", "1 while the breaker of a lane is open");
    describe_gauge!("sexton_throttled", "1 while a lane is left alone because its target asked for patience");
    describe_gauge!("sexton_paused", "1 while a lane is paused");
    describe_gauge!("sexton_hard_deletes_paused", "1 while rows are not deleted although all targets confirmed");
    describe_counter!("sexton_looks_total", "Looks at twins that were deleted, by what was seen");
    describe_gauge!(
        "sexton_sweep_idle_seconds",
        "Time since the last run of a sweep ended, or since this process started"
    );
    describe_gauge!("sexton_sweep_overdue", "1 while nobody runs a sweep although it is time");
    describe_gauge!("sexton_sweep_stalled", "Passes one after the other that dealt with nothing of what they found");
    describe_gauge!("sexton_sweep_found", "What the last pass of a sweep found");
    describe_gauge!("sexton_sweep_backlog", "What it found and left as it is");
    describe_gauge!("sexton_sweep_oldest_seconds", "For how long the oldest of that has been so");
    describe_gauge!("sexton_sweep_cut_short", "Runs one after the other that ended because their budget was used up");
    describe_gauge!("sexton_sweep_failing", "1 if the last run of a sweep failed");
    describe_gauge!("sexton_in_flight_deletions", "Deletions this process holds a claim on");
    describe_gauge!("sexton_oldest_due_seconds", "Age of the oldest due deletion, by lane");
    describe_gauge!("sexton_dead_letters", "Dead deletions waiting for on-call, by kind");
    describe_gauge!("sexton_fed_by_redis", "1 while Redis feeds this process, 0 while it takes from the ledger");
}

pub(crate) fn claimed(resource: &str) {
    counter!("sexton_claims_total", "resource" => resource.to_owned()).increment(1);
}

pub(crate) fn called(resource: &str, target: &str, outcome: &Outcome, duration: Duration) {
    let outcome = match outcome {
        Outcome::Confirmed { .. } => "confirmed",
        Outcome::Retry(_) => "retry",
        Outcome::Lost(_) => "unknown",
        Outcome::NotVerified(_) => "not_verified",
        Outcome::Throttled { .. } => "throttled",
        Outcome::Unauthorized(_) => "unauthorized",
        Outcome::Rejected(_) => "rejected",
        Outcome::BadTemplate(_) => "bad_template",
    };
    let labels = [("resource", resource.to_owned()), ("target", target.to_owned())];
    histogram!("sexton_call_duration_seconds", &labels).record(duration);
    let [resource, target] = labels;
    counter!("sexton_calls_total", &[resource, target, ("outcome", outcome.to_owned())]).increment(1);
}

pub(crate) fn finished(resource: &str, completion: &HardDeleteOutcome) {
    let row = match completion {
        HardDeleteOutcome::Deleted => "deleted",
        HardDeleteOutcome::AlreadyGone => "already_gone",
        _ => "kept",
    };
    counter!("sexton_completions_total", "resource" => resource.to_owned(), "row" => row).increment(1);
}

pub(crate) fn settled(resource: &str, settlement: &Settlement) {
    let resource = resource.to_owned();
    match (settlement.dead, settlement.event) {
        (Some(kind), _) => died(&resource, kind),
        (None, Event::Failed) => counter!("sexton_retries_total", "resource" => resource).increment(1),
        (None, _) => counter!("sexton_snoozes_total", "resource" => resource).increment(1),
    }
}

pub(crate) fn died(resource: &str, kind: DeadKind) {
    counter!("sexton_dead_total", "resource" => resource.to_owned(), "kind" => kind.as_str()).increment(1);
}

pub(crate) fn rescued(resource: &str) {
    counter!("sexton_rescues_total", "resource" => resource.to_owned()).increment(1);
}

pub(crate) fn hints_pushed(hints: usize) {
    counter!("sexton_hints_pushed_total").increment(hints as u64);
}

pub(crate) fn api_answered(status: u16) {
    counter!("sexton_api_requests_total", "status" => status.to_string()).increment(1);
}

pub(crate) fn breaker_opened(lane: &Lane, cause: Cause) {
    counter!("sexton_breaker_openings_total", "lane" => lane.to_string(), "cause" => cause.as_str()).increment(1);
}

pub(crate) fn breaker(lane: &Lane, open: bool) {
    gauge!("sexton_breaker_open", "lane" => lane.to_string()).set(if open { 1.0 } else { 0.0 });
}

pub(crate) fn throttled(lane: &Lane, throttled: bool) {
    gauge!("sexton_throttled", "lane" => lane.to_string()).set(if throttled { 1.0 } else { 0.0 });
}

pub(crate) fn paused(lane: &Lane, paused: bool) {
    gauge!("sexton_paused", "lane" => lane.to_string()).set(if paused { 1.0 } else { 0.0 });
}

pub(crate) fn hard_deletes_paused(paused: bool) {
    gauge!("sexton_hard_deletes_paused").set(if paused { 1.0 } else { 0.0 });
}

pub(crate) fn looked(resource: &str, target: &str, outcome: &'static str) {
    let labels = [("resource", resource.to_owned()), ("target", target.to_owned()), ("outcome", outcome.to_owned())];
    counter!("sexton_looks_total", &labels).increment(1);
}

/// How a sweep stands that has not run for `idle`.
pub(crate) fn sweep(state: &SweepState, idle: Duration, overdue: bool) {
    let seconds = |ms: Option<i64>| ms.map_or(0.0, |ms| ms.max(0) as f64 / 1000.0);
    for (name, value) in [
        ("sexton_sweep_idle_seconds", idle.as_secs_f64()),
        ("sexton_sweep_found", state.found as f64),
        ("sexton_sweep_backlog", state.backlog as f64),
        ("sexton_sweep_oldest_seconds", seconds(state.oldest_ms)),
        ("sexton_sweep_cut_short", state.cut_short as f64),
        ("sexton_sweep_stalled", state.stalled as f64),
        ("sexton_sweep_overdue", if overdue { 1.0 } else { 0.0 }),
        ("sexton_sweep_failing", if state.error.is_some() { 1.0 } else { 0.0 }),
    ] {
        gauge!(name, "sweep" => state.name.clone()).set(value);
    }
}

pub(crate) fn in_flight(deletions: usize) {
    gauge!("sexton_in_flight_deletions").set(deletions as f64);
}

pub(crate) fn oldest_due(lane: &Lane, age: Duration) {
    gauge!("sexton_oldest_due_seconds", "lane" => lane.to_string()).set(age.as_secs_f64());
}

pub(crate) fn dead_letters(kind: &str, count: i64) {
    gauge!("sexton_dead_letters", "kind" => kind.to_owned()).set(count as f64);
}

pub(crate) fn fed_by_redis(fed: bool) {
    gauge!("sexton_fed_by_redis").set(if fed { 1.0 } else { 0.0 });
}
