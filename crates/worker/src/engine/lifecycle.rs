//! The engine: how it starts, and how it ends with nothing in flight.

use std::{sync::Arc, time::Duration};

use sexton_core::ids::DeletionId;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Context, InFlight, claim::ClaimBatcher, completions::Completions, ended_deletions::EndedDeletions,
    held_queue::HeldQueue, settlements::Settlements, slots::Slots,
};

/// How long handing back may take. It is one statement; if even that fails, the leases expire.
const HAND_BACK: Duration = Duration::from_secs(3);

/// The claims, calls and write-backs of one process.
pub(crate) struct Engine {
    pub(crate) context: Arc<Context>,
    pub(super) slots: Slots,
    pub(crate) in_flight: InFlight,
    pub(super) claims: ClaimBatcher,
    pub(super) completions: Completions,
    pub(super) settlements: Settlements,
    pub(super) executions: TaskTracker,
    pub(super) held: HeldQueue,
    /// Deletions that ended, or began to wait: others may move on now.
    pub(crate) ended: EndedDeletions,
    /// No new calls begin once it is cancelled.
    pub(super) closing: CancellationToken,
}

impl Engine {
    /// Starts the batchers. Leases are renewed by [`crate::upkeep`].
    pub(crate) fn start(context: Arc<Context>) -> Arc<Self> {
        let in_flight = InFlight::new(context.config.worker.lease, context.config.worker.payload_memory_mib << 20);
        let concurrency = context.config.worker.concurrency;
        // A deletion is in the lane of its first unconfirmed target.
        let lanes = context.store.catalog.tables().map(|table| table.resource.targets.len().max(1)).sum();
        Arc::new(Self {
            slots: Slots::new(concurrency, lanes),
            claims: ClaimBatcher::start(&context, &in_flight),
            completions: Completions::start(&context),
            settlements: Settlements::start(&context),
            executions: TaskTracker::new(),
            held: HeldQueue::default(),
            ended: EndedDeletions::default(),
            closing: CancellationToken::new(),
            in_flight,
            context,
        })
    }

    /// How many deletions this process holds a claim on.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Stops claiming and waits at most `grace` for what is in flight; the rest is handed back. Returns the deletions
    /// that could not be handed back, which their leases will free.
    pub(crate) async fn close(&self, grace: Duration) -> Vec<DeletionId> {
        self.closing.cancel();
        self.executions.close();
        if tokio::time::timeout(grace, self.executions.wait()).await.is_err() {
            tracing::warn!(
                in_flight = self.in_flight.len(),
                "calls in flight did not finish in time; handing them back"
            );
            self.in_flight.interrupt_all();
            tokio::time::timeout(HAND_BACK, self.executions.wait()).await.ok();
        }
        self.in_flight.ids()
    }
}
