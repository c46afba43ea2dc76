//! `verify`: a share of the completed deletions is looked at once more, some time later: are the twins still gone?
//!
//! - Each deletion of the share is looked at once, in the order in which they finished.
//! - Each lane goes through that order by itself, so that a lane that is shut stops no other.
//! - A twin that returned and was not deleted is looked at in each pass, as long as its deletion knows where it was.
//!
//! The cursor remembers what was looked at, and a run writes it when it ends. The run after one that died looks at the
//! same deletions once more, which does no harm.

mod checkpoint;
mod figures;
mod lanes;
mod notes;
mod observe;
mod run;
mod share;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sexton_core::{
    config::{Config, SweepBudget},
    db,
    ledger::SweepRun,
};

use self::{checkpoint::VerifyCheckpoint, run::VerifyRun};
use super::{
    Effect, Sweep, SweepContext,
    run::{finished_run, to_json},
};

pub(super) struct VerifySweep;

#[async_trait]
impl Sweep for VerifySweep {
    fn interval(&self, _config: &Config) -> Duration {
        Duration::from_secs(10 * 60)
    }

    fn calls_targets(&self, config: &Config) -> bool {
        config.sync.verify.switched_on().is_some()
    }

    async fn run(
        &self,
        context: SweepContext<'_>,
        cursor: Value,
        budget: SweepBudget,
        effect: Effect,
    ) -> Result<SweepRun, db::Error> {
        let Some(mode) = context.config.sync.verify.switched_on() else {
            let checkpoint = VerifyCheckpoint::default();
            return Ok(finished_run(to_json(&checkpoint.figures)?, checkpoint.progress));
        };
        let Some(targets) = context.targets else {
            return Err(db::Error::other("look at twins", "nothing was set up to call targets with"));
        };
        // Pauses may have changed, and in a process that runs nothing else no other task reads them.
        targets.gates.refresh(context.store).await?;
        // A cursor that another release left in another form starts the pass anew.
        let checkpoint: VerifyCheckpoint = serde_json::from_value(cursor).unwrap_or_default();
        VerifyRun::new(context, targets, mode, budget, effect).await?.run(checkpoint).await
    }
}
