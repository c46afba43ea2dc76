//! `prune`: finished deletions go when they are old enough.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sexton_core::{
    config::{Config, SweepBudget},
    db,
    ledger::{SweepProgress, SweepRun},
    sweep::prune::{Mode, PruneCheckpoint, prune},
};

use super::{
    Effect, Sweep, SweepContext,
    run::{finished_run, to_json},
};

pub(super) struct PruneSweep;

#[async_trait]
impl Sweep for PruneSweep {
    fn interval(&self, _config: &Config) -> Duration {
        Duration::from_secs(60 * 60)
    }

    async fn run(
        &self,
        context: SweepContext<'_>,
        cursor: Value,
        budget: SweepBudget,
        effect: Effect,
    ) -> Result<SweepRun, db::Error> {
        // A cursor that another release left in another form starts the pass anew.
        let checkpoint: PruneCheckpoint = serde_json::from_value(cursor).unwrap_or_default();
        let sync = &context.config.sync;
        let mode = if effect.is_dry_run() { Mode::DryRun } else { Mode::Delete };
        let checkpoint = prune(context.store, sync, checkpoint, budget, mode).await?;
        let done = &checkpoint.done;
        let found = done.deletions + done.attempts + done.refs;
        let deleted = if effect.is_dry_run() { 0 } else { found };
        // Deletions that are not old enough are no backlog.
        let progress = SweepProgress { found, wanted: found, done: deleted, oldest_at: None };
        let figures = to_json(done)?;
        if checkpoint.is_over() {
            return Ok(finished_run(figures, progress));
        }
        Ok(SweepRun { cursor: to_json(&checkpoint)?, figures, progress, over: false, error: None })
    }
}
