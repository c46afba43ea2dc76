//! What asking the targets of a deletion came to.

use std::time::Duration;

use sexton_core::ledger::LastError;

use super::failed_calls::FailedCall;

/// What asking the targets came to.
pub(super) enum TargetsOutcome {
    /// All confirmed.
    Confirmed,
    /// All confirmed, but the answer of one is still to be judged.
    Doubted,
    /// Some calls failed.
    Failed(Vec<FailedCall>),
    /// The gate of a target is shut, or lets nothing more through for now.
    Snooze(Snooze),
    /// This target was required, and is not configured any more.
    NotConfigured(String),
    /// There is no time left, or the process is shutting down.
    HandBack,
    /// The lease is lost: nothing may be written.
    LeaseLost,
}

/// A call that may not begin now, or that failed while the breaker of its target was open.
pub(super) struct Snooze {
    /// When to ask the target, if its lane is open then.
    pub(super) delay: Duration,
    /// None if no call was made.
    pub(super) error: Option<LastError>,
}
