//! When sweeps run: in one process at a time, judged by the database's clock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use sexton_core::{
    db,
    ledger::{BEHIND_AFTER_RUNS, STUCK_AFTER_PASSES, SweepRun, UnfinishedRuns},
};
use tokio_util::sync::CancellationToken;

use super::{Ground, LEASE, Sweep, Targets, all};
use crate::engine::Context;

/// A process that has just started has better things to do.
const FIRST: Duration = Duration::from_secs(5);

/// Runs the sweeps that are due, until `stop`.
pub(crate) async fn schedule(context: Arc<Context>, stop: CancellationToken) {
    let sweeps = all();
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let Context { store, config, worker, connectors, gates } = &*context;
        // A pass that used up its budget goes on after this, too.
        pause = config.sync.interval;
        let ground = Ground { store, config, targets: Some(Targets { connectors, gates }) };
        for sweep in &sweeps {
            let name = sweep.name();
            let run = run_once(&**sweep, ground, worker, sweep.interval(config));
            let result = tokio::select! {
                // What it was at is rolled back, and its lead ends with its lease.
                () = stop.cancelled() => return,
                result = run => result,
            };
            match result {
                Ok(Some(run)) if run.over => tracing::info!(sweep = name, figures = %run.figures, "{name} is done"),
                Ok(Some(run)) => tracing::info!(sweep = name, figures = %run.figures, "{name} goes on later"),
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, sweep = name, "{name} failed; it is tried again"),
            }
        }
    }
}

/// One run within the budget, if the sweep's last pass was at least `every` ago and nobody else is at it.
///
/// # Errors
/// Whatever the database says; the lead is given back then.
pub(crate) async fn run_once(
    sweep: &dyn Sweep,
    ground: Ground<'_>,
    leader: &str,
    every: Duration,
) -> Result<Option<SweepRun>, db::Error> {
    let Ground { store, config, .. } = ground;
    let (name, start) = (sweep.name(), Instant::now());
    let cursor: Option<Value> = store.ledger.lead_sweep(&store.db, name, leader, LEASE, every).await?;
    let Some(cursor) = cursor else { return Ok(None) };
    match sweep.run(ground, cursor, config.sync.budget, false).await {
        Ok(run) => {
            let unfinished = store.ledger.end_sweep(&store.db, name, leader, &run, start.elapsed()).await?;
            warn_of(name, unfinished.unwrap_or_default());
            Ok(Some(run))
        }
        Err(error) => {
            if let Err(why) = store.ledger.leave_sweep(&store.db, name, leader, Some(&error.to_string())).await {
                tracing::debug!(error = %why, "cannot give the lead of {name} back; it ends with its lease");
            }
            Err(error)
        }
    }
}

/// Says so when runs have ended in the same way for long, and now and then while they go on to.
fn warn_of(name: &str, unfinished: UnfinishedRuns) {
    let UnfinishedRuns { cut_short, stalled } = unfinished;
    if cut_short > 0 && cut_short % BEHIND_AFTER_RUNS == 0 {
        tracing::warn!(
            sweep = name,
            cut_short,
            "{name} has used up its budget {cut_short} times in a row, and its pass is not over"
        );
    }
    if stalled > 0 && stalled % STUCK_AFTER_PASSES == 0 {
        tracing::warn!(
            sweep = name,
            stalled,
            "{name} has dealt with nothing of what it found {stalled} times in a row"
        );
    }
}
