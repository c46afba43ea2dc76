//! How far a pass has come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sexton_core::{
    catalog::{Cursor, Table},
    db,
    ids::ResourceName,
    ledger::SweepProgress,
    sweep::unreferenced::{RowObservation, Step},
};

use super::{
    coverage::Coverage,
    figures::{RowEnd, UnreferencedFigures},
};

/// How far a pass has come; stored as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct UnreferencedCheckpoint {
    pub(super) resource: Option<ResourceName>,
    /// The key columns that `after` belongs to.
    pub(super) shape: String,
    pub(super) after: Option<Cursor>,
    pub(super) figures: UnreferencedFigures,
    pub(super) progress: SweepProgress,
    pub(super) error: Option<String>,
    /// Whether the resource's mode is "on".
    pub(super) acts: bool,
    pub(super) covered: BTreeMap<ResourceName, Coverage>,
}

impl UnreferencedCheckpoint {
    /// Notes what the database refused for one table, which does not stop the others; any other error ends the run.
    pub(super) fn record_refusal(
        &mut self,
        name: &ResourceName,
        table: Option<&Table>,
        error: db::Error,
    ) -> Result<(), db::Error> {
        if error.refusal().is_none() {
            return Err(error);
        }
        let error = table.map_or_else(|| error.to_string(), |table| table.loggable_error(&error));
        tracing::warn!(error, resource = %name, "cannot look for unreferenced rows");
        self.error = Some(format!("{name}: {error}"));
        if let Some(covered) = self.covered.remove(name).and_then(Coverage::give_up) {
            self.covered.insert(name.clone(), covered);
        }
        Ok(())
    }

    /// Rows that were to be changed and were not.
    pub(super) fn count_missed(&mut self, seen: &[&RowObservation]) {
        self.figures.missed += seen.len() as u64;
        self.count_left(seen);
    }

    /// Rows that are not to be changed.
    pub(super) fn count_left(&mut self, seen: &[&RowObservation]) {
        seen.iter().for_each(|one| self.progress.note_backlog_since(one.since.as_deref()));
    }

    /// Rows with which a step was done.
    pub(super) fn count_done(&mut self, step: Step, count: usize, end: RowEnd) {
        self.progress.done += count as u64;
        self.figures.count_done(step, count as u64, end);
    }
}
