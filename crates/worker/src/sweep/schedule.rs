//! When sweeps run: in one process at a time, judged by the database's clock.

use std::{sync::Arc, time::Duration};

use sea_orm::DbErr;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{BUDGET, Ground, LEASE, Run, Sweep, all};
use crate::engine::Context;

/// How often a process asks whether a sweep is due; a pass that used up its budget goes on after this, too.
const TICK: Duration = Duration::from_secs(60);
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
        pause = TICK;
        let Context { db, ledger, catalog, config, worker, .. } = &*context;
        let ground = Ground { db, ledger, catalog, config };
        for sweep in &sweeps {
            let name = sweep.name();
            let run = run_once(&**sweep, ground, worker, sweep.interval());
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
) -> Result<Option<Run>, DbErr> {
    let Ground { db, ledger, .. } = ground;
    let name = sweep.name();
    let cursor: Option<Value> = ledger.lead_sweep(db, name, leader, LEASE, every).await?;
    let Some(cursor) = cursor else { return Ok(None) };
    match sweep.run(ground, cursor, BUDGET, false).await {
        Ok(run) => {
            ledger.end_sweep(db, name, leader, &run.cursor, run.over.then_some(&run.figures)).await?;
            Ok(Some(run))
        }
        Err(error) => {
            if let Err(why) = ledger.leave_sweep(db, name, leader).await {
                tracing::debug!(error = %why, "cannot give the lead of {name} back; it ends with its lease");
            }
            Err(error)
        }
    }
}
