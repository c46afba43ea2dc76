//! `sexton status`.

use std::path::Path;

use serde::Serialize;
use sexton_core::{
    catalog, guard,
    ledger::{Cause, OpenBreaker, Pause, Status, SweepState},
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
struct Report<'s> {
    #[serde(flatten)]
    status: &'s Status,
    guards: Vec<GuardLine>,
}

#[derive(Debug, Serialize)]
struct GuardLine {
    resource: String,
    trigger: String,
    state: guard::State,
}

pub(super) async fn run(path: &Path, args: Args) -> Result {
    let opened = open::installation(path).await?;
    let mut status = opened.ledger.status(&opened.db.conn).await?;
    status.sweeps = with_health(status.sweeps, &opened.config);
    let guards = guards(&opened).await?;
    if args.json {
        return output::json(&Report { status: &status, guards });
    }
    let count = |(name, count): (&String, &i64)| [name.clone(), count.to_string()];
    output::table(["STATE", "DELETIONS"], &status.states.iter().map(count).collect::<Vec<_>>());
    if !status.dead.is_empty() {
        println!();
        output::table(["DEAD LETTERS", "DELETIONS"], &status.dead.iter().map(count).collect::<Vec<_>>());
    }
    if !status.paused.is_empty() {
        println!();
        let row = |pause: &Pause| {
            [pause.scope.clone(), pause.since.clone(), pause.by.clone(), pause.reason.clone().unwrap_or_default()]
        };
        output::table(["PAUSED", "SINCE", "BY", "REASON"], &status.paused.iter().map(row).collect::<Vec<_>>());
    }
    if !status.breakers.is_empty() {
        println!();
        let row = |open: &OpenBreaker| {
            let next = match (open.cause, open.left_ms) {
                (_, None) => format!("when somebody runs `sexton resume {}`", open.lane),
                (Cause::Throttled, Some(ms)) => format!("in {}", output::age(ms.max(0))),
                (_, Some(ms)) => format!("probe {} in {}", open.probes + 1, output::age(ms.max(0))),
            };
            [open.lane.to_string(), open.cause.as_str().to_owned(), open.since.clone(), next, open.reason.clone()]
        };
        let rows: Vec<_> = status.breakers.iter().map(row).collect();
        output::table(["LEFT ALONE", "CAUSE", "SINCE", "AGAIN", "REASON"], &rows);
    }
    if !status.lanes.is_empty() {
        println!();
        let known = opened.config.lanes();
        let rows: Vec<_> = status
            .lanes
            .iter()
            .map(|lane| {
                let name = if known.contains(&lane.lane) {
                    lane.lane.to_string()
                } else {
                    format!("{} (not configured)", lane.lane)
                };
                let oldest = lane.oldest_due_ms.map_or_else(|| "-".to_owned(), output::age);
                [name, lane.due.to_string(), lane.later.to_string(), lane.running.to_string(), oldest]
            })
            .collect();
        output::table(["LANE", "DUE", "LATER", "RUNNING", "OLDEST DUE FOR"], &rows);
    }
    if !status.sweeps.is_empty() {
        println!();
        let rows: Vec<_> = status.sweeps.iter().map(sweep_row).collect();
        output::table(["SWEEP", "STATE", "LAST RUN", "TOOK", "FOUND", "DONE", "LEFT", "OLDEST", "NOTE"], &rows);
    }
    if !guards.is_empty() {
        println!();
        let row = |guard: &GuardLine| [guard.resource.clone(), guard.trigger.clone(), guard.state.as_str().to_owned()];
        output::table(["GUARDED", "BY", "STATE"], &guards.iter().map(row).collect::<Vec<_>>());
    }
    Ok(())
}

/// The guards that are installed. If tables do not fit the configuration, none are listed; `sexton check` says why.
async fn guards(opened: &Installation) -> Result<Vec<GuardLine>> {
    let store = match Store::load(opened.db.clone(), opened.ledger.clone(), &opened.config).await {
        Ok(store) => store,
        Err(catalog::Error::Problems(_)) => return Ok(Vec::new()),
        Err(error) => return Err(anyhow::Error::from(error).into()),
    };
    let guards = guard::guards(&store.db.conn, &store).await?.into_iter();
    let there = guards.filter(|guard| guard.state != guard::State::Missing);
    let line = |guard: guard::Guard| GuardLine {
        resource: guard.resource.to_string(),
        trigger: guard.trigger.name,
        state: guard.state,
    };
    Ok(there.map(line).collect())
}

fn sweep_row(state: &SweepState) -> [String; 9] {
    let age = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), |ms| output::age(ms.max(0)));
    let note = match (&state.error, &state.leader, state.cut_short) {
        (Some(error), ..) => error.clone(),
        (None, Some(leader), _) => format!("being run by {leader}"),
        (None, None, 0) if state.stalled > 0 => {
            format!("nothing of what was found was dealt with, {} times in a row", state.stalled)
        }
        (None, None, 0) => String::new(),
        (None, None, runs) => format!("{runs} runs used up their budget; the pass goes on"),
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
