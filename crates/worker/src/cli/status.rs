//! `sexton status`: counts of deletions, and what is paused, open or running.

use std::path::Path;

use serde::Serialize;
use sexton_core::{
    catalog::{self, ConfigProblem},
    guard,
    ids::Lane,
    ledger::{Cause, LaneStatus, OpenBreaker, Pause, SlowDelete, Status, SweepState},
    rights::{MissingRight, missing_rights},
    store::Store,
};

use super::{
    error::Result,
    open::{self, Installation},
    output,
};
use crate::sweep::with_health;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sexton status\n  sexton status --json | jq .oldest_due_ms")]
pub(super) struct Args {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct StatusReport<'s> {
    #[serde(flatten)]
    status: &'s Status,
    guards: Vec<GuardLine>,
    missing_rights: Vec<ConfigProblem>,
}

#[derive(Debug, Serialize)]
struct GuardLine {
    resource: String,
    trigger: String,
    state: guard::GuardState,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let mut status = opened.ledger.status(&opened.db.conn).await?;
    status.sweeps = with_health(status.sweeps, &opened.config);
    let (guards, missing_rights) = match tables(&opened).await? {
        Some(store) => (guards(&store).await?, rights(&store).await?),
        None => (Vec::new(), Vec::new()),
    };
    if args.json {
        return output::json(&StatusReport { status: &status, guards, missing_rights });
    }
    print_states(&status);
    print_pauses(&status.paused);
    print_breakers(&status.breakers);
    print_lanes(&status, &opened.config.lanes());
    print_slow_deletes(&status.slow_deletes);
    print_section(
        ["SWEEP", "STATE", "LAST RUN", "TOOK", "FOUND", "DONE", "LEFT", "OLDEST", "NOTE"],
        &status.sweeps.iter().map(sweep_row).collect::<Vec<_>>(),
    );
    let row = |guard: &GuardLine| [guard.resource.clone(), guard.trigger.clone(), guard.state.as_str().to_owned()];
    print_section(["GUARDED", "BY", "STATE"], &guards.iter().map(row).collect::<Vec<_>>());
    let row = |right: &ConfigProblem| [right.path.clone(), right.message.clone()];
    print_section(["RIGHT MISSING", "WHAT"], &missing_rights.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

/// Prints a table after an empty line, unless it has no rows.
fn print_section<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    if !rows.is_empty() {
        println!();
        output::table(head, rows);
    }
}

fn print_states(status: &Status) {
    let row = |(name, count): (&String, &i64)| [name.clone(), count.to_string()];
    output::table(["STATE", "DELETIONS"], &status.states.iter().map(row).collect::<Vec<_>>());
    print_section(["DEAD LETTERS", "DELETIONS"], &status.dead.iter().map(row).collect::<Vec<_>>());
}

fn print_pauses(pauses: &[Pause]) {
    let row = |pause: &Pause| {
        [pause.scope.clone(), pause.since.clone(), pause.by.clone(), pause.reason.clone().unwrap_or_default()]
    };
    print_section(["PAUSED", "SINCE", "BY", "REASON"], &pauses.iter().map(row).collect::<Vec<_>>());
}

fn print_breakers(breakers: &[OpenBreaker]) {
    let row = |open: &OpenBreaker| {
        let next = match (open.cause, open.left_ms) {
            (_, None) => format!("after `sexton resume {}`", open.lane),
            (Cause::Throttled, Some(ms)) if ms > 0 => format!("in {}", output::age(ms)),
            (Cause::Throttled, Some(_)) => "with the next deletion".to_owned(),
            (_, Some(ms)) => format!("probe {} in {}", open.probes + 1, output::age(ms.max(0))),
        };
        [open.lane.to_string(), open.cause.as_str().to_owned(), open.since.clone(), next, open.reason.clone()]
    };
    let rows: Vec<_> = breakers.iter().map(row).collect();
    print_section(["BREAKER OPEN", "CAUSE", "SINCE", "NEXT CALL", "REASON"], &rows);
}

fn print_lanes(status: &Status, configured: &[Lane]) {
    let row = |lane: &LaneStatus| {
        let is_configured = configured.contains(&lane.lane);
        let name = if is_configured { lane.lane.to_string() } else { format!("{} (not configured)", lane.lane) };
        let oldest = lane.oldest_due_ms.map_or_else(|| "-".to_owned(), output::age);
        [name, lane.due.to_string(), lane.later.to_string(), lane.running.to_string(), lane.held.to_string(), oldest]
    };
    let rows: Vec<_> = status.lanes.iter().map(row).collect();
    print_section(["LANE", "DUE", "LATER", "RUNNING", "HELD", "OLDEST DUE FOR"], &rows);
}

fn print_slow_deletes(slow: &[SlowDelete]) {
    let row = |one: &SlowDelete| {
        let reason = one.reason.clone().unwrap_or_default();
        [one.id.to_string(), one.resource.clone(), output::age(one.limit_ms), reason]
    };
    print_section(["SLOW DELETE", "RESOURCE", "LIMIT", "REASON"], &slow.iter().map(row).collect::<Vec<_>>());
}

/// The configured tables. If they do not fit the configuration there are none; `sexton check` says why.
async fn tables(opened: &Installation) -> Result<Option<Store>> {
    match Store::load(opened.db.clone(), opened.ledger.clone(), &opened.config).await {
        Ok(store) => Ok(Some(store)),
        Err(catalog::Error::Problems(_)) => Ok(None),
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}

/// The guards that are or were installed.
async fn guards(store: &Store) -> Result<Vec<GuardLine>> {
    let guards = guard::guards(&store.db.conn, store).await?.into_iter();
    let there = guards.filter(|guard| guard.standing.state != guard::GuardState::Missing);
    let line = |guard: guard::Guard| GuardLine {
        resource: guard.resource.to_string(),
        trigger: guard.trigger.name,
        state: guard.standing.state,
    };
    Ok(there.map(line).collect())
}

/// What workers lack, as far as the role of this command is theirs.
async fn rights(store: &Store) -> Result<Vec<ConfigProblem>> {
    let missing = missing_rights(store).await?.into_iter();
    Ok(missing.map(|MissingRight { problem, .. }| problem).collect())
}

fn sweep_row(state: &SweepState) -> [String; 9] {
    let age = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), |ms| output::age(ms.max(0)));
    let note = match (&state.error, &state.leader, state.cut_short) {
        (Some(error), ..) => error.clone(),
        (None, Some(leader), _) => format!("being run by {leader}"),
        (None, None, 0) if state.stalled > 0 => {
            format!("nothing of what was found was changed, {} times in a row", state.stalled)
        }
        (None, None, 0) => String::new(),
        (None, None, runs) => format!("{runs} runs used up their budget; the pass continues"),
    };
    [
        state.name.clone(),
        state.health.as_str().to_owned(),
        state.idle_ms.map_or_else(|| "-".to_owned(), |ms| format!("{} ago", output::age(ms.max(0)))),
        age(state.took_ms),
        state.found.to_string(),
        state.done.to_string(),
        state.backlog.to_string(),
        age(state.oldest_ms),
        note,
    ]
}
