//! From a payload to a handled hint.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use async_trait::async_trait;
use serde_json::Value;
use sexton_core::hint::Hint;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::Activity;

/// What the daemon does with a hint.
#[async_trait]
pub trait HintHandler: Send + Sync + 'static {
    /// Returns once the claim of the hinted deletion is committed or refused; the hint is acked then. Calls to targets
    /// run elsewhere, under the ledger's lease.
    ///
    /// * It has no error: what fails here stays due in the ledger.
    /// * Slowness is back-pressure: at most the intake's `concurrency` of these run at once, and no hints are fetched
    ///   meanwhile.
    /// * It always runs to its end, even when Redis fails or the intake stops. A panic is logged and the hint acked.
    async fn handle(&self, hint: Hint);
}

/// Receives the payloads of one process, across restarts of its apalis worker.
pub(super) struct Reception {
    handler: Arc<dyn HintHandler>,
    activity: Arc<Activity>,
    /// Bounds handlers across restarts: apalis' own limit begins anew with each worker.
    permits: Arc<Semaphore>,
    running: TaskTracker,
    warned: AtomicBool,
}

impl Reception {
    pub(super) fn new(handler: Arc<dyn HintHandler>, activity: Arc<Activity>, concurrency: usize) -> Self {
        let permits = Arc::new(Semaphore::new(concurrency.max(1)));
        Self { handler, activity, permits, running: TaskTracker::new(), warned: AtomicBool::default() }
    }

    /// Handles one payload. The handler runs on if this is dropped half-way.
    pub(super) async fn receive(&self, payload: Vec<u8>) {
        self.activity.note_hint();
        let hint = match serde_json::from_slice::<Hint>(&payload) {
            Ok(hint) => hint,
            Err(_) => return self.log_undecodable(&payload),
        };
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return; // Never: the semaphore is not closed.
        };
        let handler = Arc::clone(&self.handler);
        let handled = self.running.spawn(async move {
            handler.handle(hint).await;
            drop(permit);
        });
        if let Err(failure) = handled.await {
            let id = hint.id();
            error!(%id, "handling the hint of deletion {id} did not end: {failure}; the deletion stays due");
        }
    }

    /// Waits until no handler runs any more.
    pub(super) async fn finished(&self) {
        self.running.close();
        self.running.wait().await;
    }

    /// Warns once per process: in a rolling upgrade, a release ahead would fill the log. The payload itself is not
    /// logged.
    fn log_undecodable(&self, payload: &[u8]) {
        let version = serde_json::from_slice::<Value>(payload).ok().and_then(|value| match value.get("v") {
            Some(Value::String(version)) => Some(version.chars().take(16).collect::<String>()),
            _ => None,
        });
        let length = payload.len();
        let what =
            version.map_or_else(|| "something that is no hint".to_owned(), |v| format!("a hint of version {v:?}"));
        if self.warned.swap(true, Relaxed) {
            debug!("dropped {what} ({length} bytes)");
        } else {
            warn!(
                "dropped {what} ({length} bytes); further ones are dropped silently, and the ledger dispatches again"
            );
        }
    }
}
