//! What a sweep is.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use sexton_core::{
    config::{Config, SweepBudget},
    db,
    ledger::SweepRun,
};

use super::SweepContext;

/// A sweep with its entry in the registry.
#[derive(Clone, Copy)]
pub(crate) struct RegisteredSweep {
    /// Its name, in `sexton_sweep` and on the command line.
    pub(crate) name: &'static str,
    /// One line for `sexton sweep --help`.
    pub(crate) help: &'static str,
    /// What runs it.
    pub(crate) sweep: &'static dyn Sweep,
}

/// Whether a run changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It does what the configuration says.
    Act,
    /// It only counts.
    DryRun,
}

impl Effect {
    pub(crate) fn is_dry_run(self) -> bool {
        self == Self::DryRun
    }
}

/// A sweep.
#[async_trait]
pub(crate) trait Sweep: Send + Sync {
    /// The time between two passes.
    fn interval(&self, config: &Config) -> Duration;

    /// Whether it calls targets, and so needs their connectors.
    fn calls_targets(&self, _config: &Config) -> bool {
        false
    }

    /// The part of a cursor that a pass from the beginning still needs.
    fn memory(&self, _cursor: &Value) -> Value {
        Value::Object(serde_json::Map::new())
    }

    /// Continues at `cursor` until the budget is used up or the pass is over. At the beginning of a pass, `cursor` is
    /// an empty object or what [`Self::memory`] gave.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer, or refuses what no single row or table is the reason of.
    async fn run(
        &self,
        context: SweepContext<'_>,
        cursor: Value,
        budget: SweepBudget,
        effect: Effect,
    ) -> Result<SweepRun, db::Error>;
}
