//! Pruning: finished deletions go when they are old enough, whole months at once where the database can.
//!
//! The newest entry of a row that is still there with its marker stays, however old it is. It says that the row was
//! dealt with (kept, or its deletion discarded), so that no sweep takes it for one that was marked by hand.
//!
//! A pass goes through four stages; a run does as much of them as its budget allows, and leaves a checkpoint to the
//! next. Every batch is a transaction of its own, and doing one twice does no harm.

mod attempts;
mod entries;
mod partitions;
mod refs;
mod still_marked;

use std::{sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use crate::{
    config::{SweepBudget, Sync},
    db::{self, Words},
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

/// How far a pass came; kept as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PruneCheckpoint {
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

impl PruneCheckpoint {
    /// Whether the pass is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What is old is deleted.
    Delete,
    /// What would be deleted is counted.
    DryRun,
}

/// What a run works with.
struct Run<'a> {
    store: &'a Store,
    sql: Arc<Statements>,
    /// The words of `sql`, for statements on a partition.
    words: Words,
    /// What finished earlier goes, as the database writes times.
    cutoff: String,
    refs_cutoff: String,
    mode: Mode,
}

struct Statements {
    attempts: attempts::Statements,
    entries: entries::Statements,
    partitions: partitions::Statements,
    refs: refs::Statements,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let words = &with_conditions(words);
        Self {
            attempts: attempts::Statements::render(words),
            entries: entries::Statements::render(words),
            partitions: partitions::Statements::render(words),
            refs: refs::Statements::render(words),
        }
    }
}

fn with_conditions(words: &Words) -> Words {
    let conditions = [
        ("may_leave_row", words.expand(still_marked::MAY_LEAVE_ROW)),
        ("is_newest", words.expand(still_marked::IS_NEWEST)),
    ];
    words.clone().with(conditions)
}

/// What a batch came to.
struct Scanned {
    rows: u64,
    /// Whether nothing is left for its stage.
    is_last: bool,
}

impl Scanned {
    const fn page(rows: usize, limit: usize) -> Self {
        Self { rows: rows as u64, is_last: rows < limit }
    }

    const fn nothing_more() -> Self {
        Self { rows: 0, is_last: true }
    }
}

/// Continues a pass from `checkpoint` until it is over or the budget is used up, and returns how far it came then.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; what was committed before stays done.
pub async fn prune(
    store: &Store,
    sync: &Sync,
    mut checkpoint: PruneCheckpoint,
    budget: SweepBudget,
    mode: Mode,
) -> Result<PruneCheckpoint, db::Error> {
    let run = Run {
        store,
        sql: store.ledger.statements(),
        words: with_conditions(&store.ledger.words),
        cutoff: store.ledger.time_ago(&store.db, sync.keep_completed).await?,
        refs_cutoff: store.ledger.time_ago(&store.db, sync.keep_refs).await?,
        mode,
    };
    let (start, mut rows) = (Instant::now(), 0);
    while !checkpoint.is_over() && rows < budget.rows && start.elapsed() < budget.time {
        let scanned = match checkpoint.stage {
            Stage::Partitions => run.drop_months(&mut checkpoint.done).await?,
            Stage::Entries => run.prune_entries(&mut checkpoint).await?,
            Stage::Attempts => run.prune_attempts(&mut checkpoint).await?,
            Stage::Refs => run.scrub_refs(&mut checkpoint).await?,
            Stage::Over => Scanned::nothing_more(),
        };
        rows += scanned.rows;
        if scanned.is_last {
            checkpoint.after = None;
            checkpoint.stage = match checkpoint.stage {
                Stage::Partitions => Stage::Entries,
                Stage::Entries => Stage::Attempts,
                Stage::Attempts => Stage::Refs,
                Stage::Refs | Stage::Over => Stage::Over,
            };
        }
    }
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_have_no_unknown_words() {
        crate::ledger::Ledger::render_for_every_dialect::<super::Statements>();
    }
}
