//! What a pass over unreferenced rows found and did.

use serde::{Deserialize, Serialize};
use sexton_core::sweep::unreferenced::Step;

/// The field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct UnreferencedFigures {
    /// Rows that were looked at.
    pub(super) looked: u64,
    /// Those that nothing references.
    pub(super) unreferenced: u64,
    /// Those of them that can no longer be chosen.
    pub(super) hidden: u64,
    /// Those that were deprecated: the row says since when it is unreferenced.
    pub(super) deprecated: u64,
    /// Those whose age began anew, because too much time passed between two looks.
    pub(super) restarted: u64,
    /// Those that are referenced again.
    pub(super) cleared: u64,
    /// Those that are old enough to be deleted.
    pub(super) old: u64,
    /// Those of them that were deleted.
    pub(super) deleted: u64,
    /// Those of them whose deletion was requested.
    pub(super) requested: u64,
    /// Those that were locked, or that changed meanwhile: the next pass looks at them again.
    pub(super) missed: u64,
    /// Those that the database refused to change.
    pub(super) refused: u64,
}

/// How rows that are old enough went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowEnd {
    /// They were deleted at once.
    Deleted,
    /// Their deletion was requested.
    Requested,
}

impl UnreferencedFigures {
    /// Counts rows with which a step was done.
    pub(super) fn count_done(&mut self, step: Step, count: u64, end: RowEnd) {
        let figure = match (step, end) {
            (Step::Clear, _) => &mut self.cleared,
            (Step::Deprecate, _) => &mut self.deprecated,
            (Step::Restart, _) => &mut self.restarted,
            (Step::Delete, RowEnd::Requested) => &mut self.requested,
            (Step::Delete, RowEnd::Deleted) => &mut self.deleted,
        };
        *figure += count;
    }
}
