//! Who requests deletions, why, and how soon.

use std::time::Duration;

use sexton_core::{ids::BatchId, soft_remove};

/// What is recorded with a deletion besides the row; see [`Producer::with`](crate::Producer::with).
///
/// ```
/// use std::time::Duration;
/// use sexton_producer::Request;
///
/// let request = Request::by("alice").reason("account closed").after(Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    by: String,
    reason: Option<String>,
    after: Duration,
    batch: Option<BatchId>,
    trace_context: Option<String>,
}

impl Request {
    /// A request by `who`: a user, or a part of the application. It is kept with the proof of the deletion.
    #[must_use]
    pub fn by(who: impl Into<String>) -> Self {
        Self { by: who.into(), reason: None, after: Duration::ZERO, batch: None, trace_context: None }
    }

    /// Why. It is kept with the proof of the deletion, so it should not hold personal data.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// No external call is made before this time has passed, so that the request can be taken back; the resource's own
    /// `grace` counts if it is longer.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// Records everything under this batch id, so that several calls can be taken back together by
    /// [`restore_batch`](crate::Scope::restore_batch). Without it every call is a batch of its own.
    #[must_use]
    pub const fn batch(mut self, batch: BatchId) -> Self {
        self.batch = Some(batch);
        self
    }

    /// The caller's W3C `traceparent`, so that the daemon's work joins its trace.
    #[must_use]
    pub fn trace_context(mut self, traceparent: impl Into<String>) -> Self {
        self.trace_context = Some(traceparent.into());
        self
    }

    pub(crate) const fn batch_id(&self) -> Option<BatchId> {
        self.batch
    }

    /// As the ledger wants it, under `batch` if that is given.
    pub(crate) fn for_ledger(&self, batch: Option<BatchId>) -> soft_remove::DeletionRequest {
        let mut request = soft_remove::DeletionRequest::by(&self.by);
        if let Some(batch) = batch.or(self.batch) {
            request.batch = batch;
        }
        request.reason.clone_from(&self.reason);
        request.after = self.after;
        request.trace_context.clone_from(&self.trace_context);
        request
    }
}

impl Default for Request {
    /// By "application", at once, for no stated reason.
    fn default() -> Self {
        Self::by("application")
    }
}
