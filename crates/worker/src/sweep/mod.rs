//! Sweeps: work that is done now and then, by one process at a time, over everything there is.
//!
//! Each is a file of its own with the interface [`Sweep`]. Who runs it, how far it came and what it did are in
//! `sexton_sweep`: a run that uses up its budget, or whose process dies, is gone on with by whoever comes next.

mod adopt;
mod dangling;
mod prune;
mod schedule;
mod unreferenced;
mod verify;
mod watch;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use sexton_core::{
    catalog::Rows,
    config::{Config, SweepBudget},
    db,
    ledger::{Progress, SweepRun},
    store::Store,
};

pub(crate) use schedule::{run_once, schedule};
pub(crate) use watch::{Watch, judged};

use crate::{connector::Connectors, gate::Gates};

/// For how long a process leads: longer than a run within the longest budget can take.
const LEASE: Duration = Duration::from_secs(120);

/// What a sweep works with.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) store: &'a Store,
    pub(crate) config: &'a Config,
    /// None where no sweep that calls targets is run.
    pub(crate) targets: Option<Targets<'a>>,
}

/// What targets are called with.
#[derive(Clone, Copy)]
pub(crate) struct Targets<'a> {
    pub(crate) connectors: &'a Connectors,
    pub(crate) gates: &'a Gates,
}

/// A sweep.
#[async_trait]
pub(crate) trait Sweep: Send + Sync {
    /// Its name, in `sexton_sweep` and on the command line.
    fn name(&self) -> &'static str;

    /// The time between two passes.
    fn interval(&self, config: &Config) -> Duration;

    /// What of a cursor is good for a pass that begins at the beginning.
    fn memory(&self, _cursor: &Value) -> Value {
        Value::Object(serde_json::Map::new())
    }

    /// Goes on at `cursor` (an empty object at the beginning of a pass) until the budget is used up or the pass is over.
    /// A dry run changes nothing.
    async fn run(
        &self,
        ground: Ground<'_>,
        cursor: Value,
        budget: SweepBudget,
        dry: bool,
    ) -> Result<SweepRun, db::Error>;
}

/// What is left of a run's budget.
struct Allowance {
    rows: u64,
    deadline: Instant,
}

impl Allowance {
    fn new(budget: SweepBudget) -> Self {
        Self { rows: budget.rows, deadline: Instant::now() + budget.time }
    }

    fn is_used_up(&self) -> bool {
        self.rows == 0 || Instant::now() >= self.deadline
    }

    /// How many rows the next statement may look at.
    fn batch(&self, most: usize) -> usize {
        most.min(usize::try_from(self.rows).unwrap_or(usize::MAX))
    }

    fn looked_at(&mut self, rows: usize) {
        self.rows = self.rows.saturating_sub(rows as u64);
    }
}

/// The key columns of a table, by which it is seen that a place in it is still one.
fn shape(rows: &Rows) -> String {
    let columns = rows.key.iter().map(|(column, _)| format!("{} {}", column.name, column.base_type));
    columns.collect::<Vec<_>>().join(", ")
}

/// All sweeps, in the order in which they run: `prune` forgets what `verify` needs.
pub(crate) fn all() -> Vec<Box<dyn Sweep>> {
    vec![
        Box::new(adopt::Adopt),
        Box::new(dangling::Dangling),
        Box::new(unreferenced::UnreferencedRows),
        Box::new(verify::Verify),
        Box::new(prune::Prune),
    ]
}

/// A run whose budget was used up at `place`.
fn paused(
    place: &impl Serialize,
    figures: &impl Serialize,
    progress: &Progress,
    error: Option<String>,
) -> Result<SweepRun, db::Error> {
    Ok(SweepRun { cursor: json(place)?, figures: json(figures)?, progress: progress.clone(), over: false, error })
}

/// A run of which nothing is left to go on with.
fn over(figures: Value, progress: Progress) -> SweepRun {
    SweepRun { cursor: Value::Object(serde_json::Map::new()), figures, progress, over: true, error: None }
}

fn json(value: &impl Serialize) -> Result<Value, db::Error> {
    serde_json::to_value(value).map_err(|error| db::Error::unreadable(error.to_string()))
}
