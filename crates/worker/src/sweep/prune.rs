//! `prune`: finished deletions go when they are old enough.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sexton_core::{
    config::{Config, SweepBudget},
    db,
    ledger::{Progress, SweepRun},
    sweep::prune::{Checkpoint, Mode, prune},
};

use super::{Ground, Sweep, json, over};

pub(super) struct Prune;

#[async_trait]
impl Sweep for Prune {
    fn name(&self) -> &'static str {
        "prune"
    }

    fn interval(&self, _config: &Config) -> Duration {
        Duration::from_secs(60 * 60)
    }

    async fn run(
        &self,
        ground: Ground<'_>,
        cursor: Value,
        budget: SweepBudget,
        dry: bool,
    ) -> Result<SweepRun, db::Error> {
        // A cursor that another release left in another form is no reason never to prune again.
        let checkpoint: Checkpoint = serde_json::from_value(cursor).unwrap_or_default();
        let mode = if dry { Mode::DryRun } else { Mode::Delete };
        let checkpoint = prune(ground.store, &ground.config.sync, checkpoint, budget, mode).await?;
        let done = &checkpoint.done;
        let went = done.deletions + done.attempts + done.refs;
        // What stays for a good reason is no backlog.
        let progress = Progress { found: went, wanted: went, done: if dry { 0 } else { went }, oldest_at: None };
        let figures = json(done)?;
        if checkpoint.is_over() {
            return Ok(over(figures, progress));
        }
        Ok(SweepRun { cursor: json(&checkpoint)?, figures, progress, over: false, error: None })
    }
}
