//! What asking the targets of a deletion came to.

use std::time::Duration;

use super::verdict::Miss;

/// How asking the targets ended.
pub(super) enum Asked {
    /// All confirmed.
    Confirmed,
    /// Some did not.
    Missed(Vec<Miss>),
    /// The gate of one is shut, or too narrow for now.
    Held(Held),
    /// A target that was required is not configured any more.
    NotConfigured(String),
    /// There is no time left, or the process is shutting down.
    HandBack,
    /// The lease is lost: nothing may be written.
    Lost,
}

/// A call that may not begin now, or failed while its target was left alone.
pub(super) struct Held {
    /// When to ask again, if the lane is open then.
    pub(super) wait: Duration,
    /// The class of what happened, and what on-call is told; none if there is nothing to tell.
    pub(super) error: Option<(String, String)>,
}
