//! What a pass of `verify` found and did.

use serde::{Deserialize, Serialize};

/// The field names are part of the contract of `--json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct VerifyFigures {
    /// Finished deletions that the pass came by, whatever their end was.
    pub(super) finished: u64,
    /// Those of them that are completed and in the share.
    pub(super) sampled: u64,
    /// Twins that were looked at.
    pub(super) looked: u64,
    /// Those that are gone.
    pub(super) gone: u64,
    /// Twins that are back and, as far as is known, belong to no other row. Twins of earlier passes count as well if
    /// they are still back or could not be looked at.
    pub(super) returned: u64,
    /// Those of them that a new deletion deletes.
    pub(super) deleted_again: u64,
    /// Those that are there again but are not touched: another row has them by now, or they have a deletion of their
    /// own.
    pub(super) owned: u64,
    /// Those that returned but are not touched, because another row may have them.
    pub(super) unsure: u64,
    /// Twins that cannot be looked at: the target does not tell, or the ledger no longer knows where they were.
    pub(super) unverifiable: u64,
    /// Looks without an answer, or with one that does not tell.
    pub(super) unanswered: u64,
    /// Lanes that were shut before the pass reached their end.
    pub(super) held: u64,
}
