//! Where a pass stands, and what it came to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sexton_core::{
    catalog::Cursor,
    db,
    ids::ResourceName,
    ledger::Progress,
    sweep::unreferenced::{Observation, Step},
};

use super::covered::Covered;

/// What a pass found and did; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Figures {
    /// Rows that were looked at.
    pub(super) looked: u64,
    /// Those that nothing references.
    pub(super) unreferenced: u64,
    /// Those of them that can no longer be chosen.
    pub(super) hidden: u64,
    /// Those of which it was written down that they are unreferenced.
    pub(super) deprecated: u64,
    /// Those of which that was written down anew, since nobody looked for too long.
    pub(super) restarted: u64,
    /// Those that are referenced again.
    pub(super) cleared: u64,
    /// Those whose time has come.
    pub(super) old: u64,
    /// Those of them that were deleted.
    pub(super) deleted: u64,
    /// Those of them whose deletion was requested.
    pub(super) requested: u64,
    /// Those that somebody had locked, or that changed meanwhile: the next pass comes by again.
    pub(super) missed: u64,
    /// Those that the database refused to change.
    pub(super) refused: u64,
}

/// Where a pass stands; kept as JSON in `sexton_sweep.cursor`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    pub(super) resource: Option<ResourceName>,
    /// The key columns for which `after` is good.
    pub(super) shape: String,
    pub(super) after: Option<Cursor>,
    pub(super) figures: Figures,
    pub(super) progress: Progress,
    pub(super) error: Option<String>,
    /// Whether that is more than a report.
    pub(super) acts: bool,
    pub(super) covered: BTreeMap<ResourceName, Covered>,
}

impl Place {
    /// One table that cannot be read keeps no other from it.
    pub(super) fn failed(&mut self, name: &ResourceName, error: db::Error) -> Result<(), db::Error> {
        if error.refusal().is_none() {
            return Err(error);
        }
        tracing::warn!(%error, resource = %name, "cannot look for unreferenced rows");
        self.error = Some(format!("{name}: {error}"));
        if let Some(covered) = self.covered.remove(name).and_then(Covered::give_up) {
            self.covered.insert(name.clone(), covered);
        }
        Ok(())
    }

    pub(super) fn missed(&mut self, seen: &[&Observation]) {
        self.figures.missed += seen.len() as u64;
        self.left(seen);
    }

    pub(super) fn left(&mut self, seen: &[&Observation]) {
        seen.iter().for_each(|one| self.progress.note_backlog_since(one.since.as_deref()));
    }

    pub(super) fn done(&mut self, step: Step, count: usize, requested: bool) {
        let count = count as u64;
        self.progress.done += count;
        let figure = match step {
            Step::Clear => &mut self.figures.cleared,
            Step::Deprecate => &mut self.figures.deprecated,
            Step::Restart => &mut self.figures.restarted,
            Step::Delete if requested => &mut self.figures.requested,
            Step::Delete => &mut self.figures.deleted,
        };
        *figure += count;
    }
}
