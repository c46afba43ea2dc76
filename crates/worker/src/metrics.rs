//! All metrics: a list with their help, and a function for each that sets it.
//!
//! Names are `sexton_<noun>_<unit>`. Labels come from the configuration and from enums, so there are few of them.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sexton_core::{
    ids::Lane,
    ledger::{Cause, Settlement, SweepState},
    outcome::{DeadKind, Outcome},
    state::Event,
};

use crate::{gate::Fault, hard_delete::HardDeleteOutcome};

/// Declares metrics: a constant with the name of each, and `describe`, which tells the recorder their help.
macro_rules! declare {
    ($($kind:ident $constant:ident = $name:literal: $help:literal;)*) => {
        $(const $constant: &str = $name;)*

        #[cfg(test)]
        const NAMES: &[&str] = &[$($name),*];

        fn describe() {
            $($kind!($constant, $help);)*
        }
    };
}

declare! {
    describe_counter CLAIMS = "sexton_claims_total": "Deletions claimed";
    describe_counter CALLS = "sexton_calls_total": "Calls to targets, by outcome";
    describe_histogram CALL_DURATION = "sexton_call_duration_seconds": "How long calls to targets took";
    describe_counter COMPLETIONS = "sexton_completions_total": "Deletions completed, by what became of the row";
    describe_counter RETRIES = "sexton_retries_total": "Failed attempts that will be made again";
    describe_counter SNOOZES = "sexton_snoozes_total": "Deletions put off without costing an attempt";
    describe_counter DEAD = "sexton_dead_total": "Deletions that died, by kind";
    describe_counter RESCUES = "sexton_rescues_total": "Expired leases taken back";
    describe_counter HINTS_PUSHED = "sexton_hints_pushed_total": "Hints pushed to Redis";
    describe_counter API_REQUESTS = "sexton_api_requests_total": "Requests to the HTTP API, by status of the answer";
    describe_counter FAILED_LOGINS = "sexton_failed_logins_total":
        "Requests to the HTTP API or the console without the token they need";
    describe_counter BREAKER_OPENINGS = "sexton_breaker_openings_total": "Breakers opened, by lane and cause";
    describe_gauge BREAKER_OPEN = "sexton_breaker_open": "1 while the breaker of a lane is open";
    describe_gauge HELD = "sexton_held_deletions":
        "Deletions whose row waits until an unexpected \"gone\" is judged, by lane";
    describe_gauge THROTTLED = "sexton_throttled":
        "1 while the target of a lane is not called because it asked for patience";
    describe_gauge PAUSED = "sexton_paused": "1 while a lane is paused";
    describe_gauge HARD_DELETES_PAUSED = "sexton_hard_deletes_paused":
        "1 while rows are not deleted although all targets confirmed";
    describe_counter LOOKS = "sexton_looks_total": "Looks at twins that were deleted, by what was seen";
    describe_gauge SWEEP_IDLE = "sexton_sweep_idle_seconds":
        "Time since the last run of a sweep ended, or since this process started";
    describe_gauge SWEEP_OVERDUE = "sexton_sweep_overdue": "1 while no process runs a sweep although it is time";
    describe_gauge SWEEP_STALLED = "sexton_sweep_stalled":
        "Passes one after the other that changed nothing of what they should change";
    describe_gauge SWEEP_FOUND = "sexton_sweep_found": "What the last pass of a sweep found";
    describe_gauge SWEEP_BACKLOG = "sexton_sweep_backlog": "What it found and left as it is";
    describe_gauge SWEEP_OLDEST = "sexton_sweep_oldest_seconds": "Age of the oldest one that it left";
    describe_gauge SWEEP_CUT_SHORT = "sexton_sweep_cut_short":
        "Runs one after the other that ended because their budget was used up";
    describe_gauge SWEEP_FAILING = "sexton_sweep_failing": "1 if the last run of a sweep failed";
    describe_gauge GUARD_BROKEN = "sexton_guard_broken":
        "1 while a guard that was installed is lost, disabled or changed";
    describe_gauge IN_FLIGHT = "sexton_in_flight_deletions": "Deletions this process holds a claim on";
    describe_gauge OLDEST_DUE = "sexton_oldest_due_seconds": "Age of the oldest due deletion, by lane";
    describe_gauge DEAD_LETTERS = "sexton_dead_letters": "Dead deletions waiting for on-call, by kind";
    describe_gauge FED_BY_REDIS = "sexton_fed_by_redis":
        "1 while Redis feeds this process, 0 while it takes from the ledger";
}

/// Buckets from 5 ms to 60 s: the default timeout of a call is 10 s, and `Retry-After` rules beyond a minute.
const CALL_DURATION_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// Installs the process's recorder. None if the application around us has installed one already: the metrics go there.
pub(crate) fn install_recorder() -> Option<PrometheusHandle> {
    let calls = Matcher::Full(CALL_DURATION.to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(calls, &CALL_DURATION_BUCKETS).ok()?;
    let handle = builder.install_recorder().ok()?;
    describe();
    Some(handle)
}

pub(crate) fn count_claim(resource: &str) {
    counter!(CLAIMS, "resource" => resource.to_owned()).increment(1);
}

pub(crate) fn count_call(resource: &str, target: &str, outcome: &Outcome, fault: Fault, duration: Duration) {
    let outcome = match outcome {
        // Nothing is wrong with the credentials.
        Outcome::Unauthorized(_) if fault.refused_alone => "refused_alone",
        outcome => outcome.class(),
    };
    let labels = [("resource", resource.to_owned()), ("target", target.to_owned())];
    histogram!(CALL_DURATION, &labels).record(duration);
    let [resource, target] = labels;
    counter!(CALLS, &[resource, target, ("outcome", outcome.to_owned())]).increment(1);
}

pub(crate) fn count_completion(resource: &str, completion: &HardDeleteOutcome) {
    let row = match completion {
        HardDeleteOutcome::Deleted => "deleted",
        HardDeleteOutcome::AlreadyGone => "already_gone",
        _ => "kept",
    };
    counter!(COMPLETIONS, "resource" => resource.to_owned(), "row" => row).increment(1);
}

pub(crate) fn count_settlement(resource: &str, settlement: &Settlement) {
    match (settlement.dead, settlement.event) {
        (Some(kind), _) => count_dead(resource, kind),
        (None, Event::Failed) => counter!(RETRIES, "resource" => resource.to_owned()).increment(1),
        (None, _) => counter!(SNOOZES, "resource" => resource.to_owned()).increment(1),
    }
}

pub(crate) fn count_dead(resource: &str, kind: DeadKind) {
    counter!(DEAD, "resource" => resource.to_owned(), "kind" => kind.as_str()).increment(1);
}

pub(crate) fn count_rescue(resource: &str) {
    counter!(RESCUES, "resource" => resource.to_owned()).increment(1);
}

pub(crate) fn count_hints_pushed(hints: usize) {
    counter!(HINTS_PUSHED).increment(hints as u64);
}

pub(crate) fn count_api_request(status: u16) {
    counter!(API_REQUESTS, "status" => status.to_string()).increment(1);
}

/// Counts a request that was refused because of its token: `no_token`, `unknown_token` or `no_right`.
pub(crate) fn count_failed_login(reason: &'static str) {
    counter!(FAILED_LOGINS, "reason" => reason).increment(1);
}

pub(crate) fn count_breaker_opening(lane: &Lane, cause: Cause) {
    counter!(BREAKER_OPENINGS, "lane" => lane.to_string(), "cause" => cause.as_str()).increment(1);
}

pub(crate) fn count_look(resource: &str, target: &str, outcome: &'static str) {
    let labels = [("resource", resource.to_owned()), ("target", target.to_owned()), ("outcome", outcome.to_owned())];
    counter!(LOOKS, &labels).increment(1);
}

pub(crate) fn set_breaker_open(lane: &Lane, open: bool) {
    gauge!(BREAKER_OPEN, "lane" => lane.to_string()).set(one_if(open));
}

pub(crate) fn set_throttled(lane: &Lane, throttled: bool) {
    gauge!(THROTTLED, "lane" => lane.to_string()).set(one_if(throttled));
}

pub(crate) fn set_held(lane: &Lane, held: usize) {
    gauge!(HELD, "lane" => lane.to_string()).set(held as f64);
}

pub(crate) fn set_paused(lane: &Lane, paused: bool) {
    gauge!(PAUSED, "lane" => lane.to_string()).set(one_if(paused));
}

pub(crate) fn set_hard_deletes_paused(paused: bool) {
    gauge!(HARD_DELETES_PAUSED).set(one_if(paused));
}

/// How a sweep stands that has not run for `idle`.
pub(crate) fn set_sweep(state: &SweepState, idle: Duration, overdue: bool) {
    let seconds = |ms: Option<i64>| ms.map_or(0.0, |ms| ms.max(0) as f64 / 1000.0);
    for (name, value) in [
        (SWEEP_IDLE, idle.as_secs_f64()),
        (SWEEP_FOUND, state.found as f64),
        (SWEEP_BACKLOG, state.backlog as f64),
        (SWEEP_OLDEST, seconds(state.oldest_ms)),
        (SWEEP_CUT_SHORT, state.cut_short as f64),
        (SWEEP_STALLED, state.stalled as f64),
        (SWEEP_OVERDUE, one_if(overdue)),
        (SWEEP_FAILING, one_if(state.error.is_some())),
    ] {
        gauge!(name, "sweep" => state.name.clone()).set(value);
    }
}

pub(crate) fn set_guard_broken(resource: &str, guard: &str, broken: bool) {
    gauge!(GUARD_BROKEN, "resource" => resource.to_owned(), "guard" => guard.to_owned()).set(one_if(broken));
}

pub(crate) fn set_in_flight(deletions: usize) {
    gauge!(IN_FLIGHT).set(deletions as f64);
}

pub(crate) fn set_oldest_due(lane: &Lane, age: Duration) {
    gauge!(OLDEST_DUE, "lane" => lane.to_string()).set(age.as_secs_f64());
}

pub(crate) fn set_dead_letters(kind: &str, count: i64) {
    gauge!(DEAD_LETTERS, "kind" => kind.to_owned()).set(count as f64);
}

pub(crate) fn set_fed_by_redis(fed: bool) {
    gauge!(FED_BY_REDIS).set(one_if(fed));
}

fn one_if(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_metric_is_documented_and_every_documented_one_exists() {
        let page = include_str!("../../../docs/metrics.md");
        let documented: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        assert_eq!(documented, super::NAMES);
    }
}
