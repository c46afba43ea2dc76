//! Sweeps: work that is done now and then, by one process at a time, over everything there is.
//!
//! Each is a file of its own with the interface [`Sweep`]. Who runs it, how far it came and what it did are in
//! `sexton_sweep`: a run that uses up its budget, or whose process dies, is gone on with by whoever comes next.

mod prune;
mod schedule;

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::DbErr;
use serde_json::Value;
use sexton_core::{
    catalog::Catalog,
    config::Config,
    db::Db,
    ledger::{Budget, Ledger},
};

pub(crate) use schedule::{run_once, schedule};

/// A run ends when it looked at so much, or took so long.
const BUDGET: Budget = Budget { rows: 50_000, time: Duration::from_secs(20) };
/// For how long a process leads: longer than a run within its budget can take.
const LEASE: Duration = Duration::from_secs(120);

/// What a sweep works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) db: &'a Db,
    pub(crate) ledger: &'a Ledger,
    pub(crate) catalog: &'a Catalog,
    pub(crate) config: &'a Config,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Where the next run begins.
    pub(crate) cursor: Value,
    /// What the pass did so far; the field names are part of the contract of `--json`.
    pub(crate) figures: Value,
    /// Whether the pass is over, so that the next begins after the interval.
    pub(crate) over: bool,
}

/// A sweep.
#[async_trait]
pub(crate) trait Sweep: Send + Sync {
    /// Its name, in `sexton_sweep` and on the command line.
    fn name(&self) -> &'static str;

    /// The time between two passes.
    fn interval(&self) -> Duration;

    /// Goes on at `cursor` (an empty object at the beginning of a pass) until the budget is used up or the pass is over.
    /// A dry run changes nothing.
    async fn run(&self, ground: Ground<'_>, cursor: Value, budget: Budget, dry: bool) -> Result<Run, DbErr>;
}

/// All sweeps.
pub(crate) fn all() -> Vec<Box<dyn Sweep>> {
    vec![Box::new(prune::Prune)]
}
