//! When sweeps run: in one process at a time, judged by the database's clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use sexton_core::{
    db,
    ledger::{BEHIND_AFTER_RUNS, STUCK_AFTER_PASSES, SweepLead, SweepRun, UnfinishedRuns},
};
use tokio_util::sync::CancellationToken;

use super::{Effect, RegisteredSweep, SWEEPS, SweepContext, TargetAccess};
use crate::engine::Context;

/// How long a process leads a sweep: longer than a run within the longest budget can take.
const LEASE: Duration = Duration::from_secs(120);

/// Before the first sweep of a process that has just started: claims come first.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Runs the sweeps that are due, until `stop`.
pub(crate) async fn schedule(context: Arc<Context>, stop: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let Context { store, config, worker, connectors, gates } = &*context;
        // A pass that used up its budget is continued after this pause as well.
        pause = config.sync.interval;
        let targets = Some(TargetAccess { connectors, gates });
        let sweep_context = SweepContext { store, config, targets };
        for sweep in &SWEEPS {
            let name = sweep.name;
            let run = run_once(sweep, sweep_context, worker, sweep.sweep.interval(config));
            let result = tokio::select! {
                // The open transaction is rolled back, and the lead ends with its lease.
                () = stop.cancelled() => return,
                result = run => result,
            };
            match result {
                Ok(Some(run)) if run.over => tracing::info!(sweep = name, figures = %run.figures, "{name} is done"),
                Ok(Some(run)) => tracing::info!(sweep = name, figures = %run.figures, "{name} continues later"),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, sweep = name, "{name} failed; it is tried again"),
            }
        }
    }
}

/// One run within the budget, if the sweep's last pass was at least `every` ago and no other process leads it.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; the lead is given back then.
pub(crate) async fn run_once(
    sweep: &RegisteredSweep,
    context: SweepContext<'_>,
    leader: &str,
    every: Duration,
) -> Result<Option<SweepRun>, db::Error> {
    let SweepContext { store, config, .. } = context;
    let (name, start) = (sweep.name, Instant::now());
    let lead = SweepLead { sweep: name, leader };
    let cursor: Option<Value> = store.ledger.lead_sweep(&store.db, lead, LEASE, every).await?;
    let Some(cursor) = cursor else { return Ok(None) };
    match sweep.sweep.run(context, cursor, config.sync.budget, Effect::Act).await {
        Ok(run) => {
            let unfinished = store.ledger.end_sweep(&store.db, lead, &run, start.elapsed()).await?;
            warn_of_unfinished(name, unfinished.unwrap_or_default());
            Ok(Some(run))
        }
        Err(error) => {
            if let Err(why) = store.ledger.leave_sweep(&store.db, lead, Some(&error.to_string())).await {
                tracing::debug!(error = %why, "cannot give the lead of {name} back; it ends with its lease");
            }
            Err(error)
        }
    }
}

/// Warns when many runs in a row ended in the same way, and now and then as long as they do.
fn warn_of_unfinished(name: &str, unfinished: UnfinishedRuns) {
    let UnfinishedRuns { cut_short, stalled } = unfinished;
    if cut_short > 0 && cut_short % BEHIND_AFTER_RUNS == 0 {
        tracing::warn!(
            sweep = name,
            cut_short,
            "{name} has used up its budget {cut_short} times in a row, and its pass is not over"
        );
    }
    if stalled > 0 && stalled % STUCK_AFTER_PASSES == 0 {
        tracing::warn!(sweep = name, stalled, "{name} has changed nothing of what it found {stalled} times in a row");
    }
}
