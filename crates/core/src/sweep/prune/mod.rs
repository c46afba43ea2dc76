//! Pruning: finished deletions go when they are old enough, whole months at once where the database can.
//!
//! The newest entry of a row that is still there with its marker stays, however old it is: it is what says that the row
//! was dealt with (kept, or its deletion discarded), so that it is not taken for one that was marked by hand.
//!
//! A pass goes through four stages; a run does as much of them as its budget allows, and leaves its place to the next.
//! Every batch is a transaction of its own, and doing one twice does no harm.

mod attempts;
mod entries;
mod partitions;
mod refs;
mod stays;

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{
    config::{SweepBudget, Sync},
    db,
    ledger::FinishedAt,
    store::Store,
};

/// Rows in one transaction.
const BATCH: usize = 1000;

/// What pruning did, or with a dry run would do; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pruned {
    /// Months that were dropped whole.
    pub partitions: u64,
    /// Finished deletions that went, those of dropped months included.
    pub deletions: u64,
    /// Finished deletions that are old enough, but stay: their rows are still there with their markers.
    pub kept: u64,
    /// Failed attempts that went.
    pub attempts: u64,
    /// Finished deletions whose `refs` were scrubbed.
    pub refs: u64,
}

/// Where a pass stands; kept as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PrunePlace {
    stage: Stage,
    after: Option<FinishedAt>,
    /// What the pass did so far.
    pub done: Pruned,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    #[default]
    Partitions,
    Entries,
    Attempts,
    Refs,
    Over,
}

impl PrunePlace {
    /// Whether the pass is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }
}

/// What a run works with.
struct Run<'a> {
    store: &'a Store,
    /// What finished earlier goes, as the database writes times.
    cutoff: String,
    refs_cutoff: String,
    dry: bool,
}

/// Goes on with a pass from `place` until it is over or the budget is used up, and returns where it stands then.
/// A dry run counts and changes nothing.
///
/// # Errors
/// Whatever the database says; what was committed before stays done.
pub async fn prune(
    store: &Store,
    sync: &Sync,
    mut place: PrunePlace,
    budget: SweepBudget,
    dry: bool,
) -> Result<PrunePlace, db::Error> {
    let run = Run {
        store,
        cutoff: store.ledger.ago(&store.db, sync.keep_completed).await?,
        refs_cutoff: store.ledger.ago(&store.db, sync.keep_refs).await?,
        dry,
    };
    let (start, mut rows) = (Instant::now(), 0);
    while !place.is_over() && rows < budget.rows && start.elapsed() < budget.time {
        let (seen, over) = match place.stage {
            Stage::Partitions => run.drop_months(&mut place.done).await?,
            Stage::Entries => run.entries(&mut place).await?,
            Stage::Attempts => run.attempts(&mut place).await?,
            Stage::Refs => run.refs(&mut place).await?,
            Stage::Over => (0, true),
        };
        rows += seen;
        if over {
            place.after = None;
            place.stage = match place.stage {
                Stage::Partitions => Stage::Entries,
                Stage::Entries => Stage::Attempts,
                Stage::Attempts => Stage::Refs,
                Stage::Refs | Stage::Over => Stage::Over,
            };
        }
    }
    Ok(place)
}
