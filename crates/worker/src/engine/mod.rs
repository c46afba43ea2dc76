//! What one process does with deletions: claim them, call their targets, and write down what came of it.
//!
//! ```text
//! feed (hints, or the ledger itself) ─► claims ─► execution ─► completions   (all targets confirmed)
//!                                          │          └──────► settlements   (anything else)
//!                                          └ in flight: leases renewed until written down
//! ```
//! Claims, completions and settlements are micro-batched. No transaction is open while a target is called.

mod asked;
pub(crate) mod batcher;
mod calls;
mod children;
mod claims;
mod completions;
mod ended;
mod execution;
mod in_flight;
mod settlements;
mod slots;
mod taking;
mod verdict;

pub(crate) use in_flight::InFlight;
pub(crate) use taking::Rescued;

use std::{sync::Arc, time::Duration};

use sexton_core::{config::Config, ids::DeletionId, store::Store};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{claims::Claims, completions::Completions, ended::Ended, settlements::Settlements, slots::Slots};
use crate::{connector::Connectors, gate::Gates};

/// Everything that the parts of a process share.
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) config: Config,
    /// The name under which this process claims.
    pub(crate) worker: String,
    pub(crate) connectors: Connectors,
    pub(crate) gates: Gates,
}

/// The claims, calls and write-backs of one process.
pub(crate) struct Engine {
    pub(crate) context: Arc<Context>,
    slots: Slots,
    pub(crate) in_flight: InFlight,
    claims: Claims,
    completions: Completions,
    settlements: Settlements,
    executions: TaskTracker,
    /// Deletions that ended, or began to wait, and with which others may move on.
    pub(crate) ended: Ended,
    /// No new calls begin once it is cancelled.
    closing: CancellationToken,
}

impl Engine {
    /// Starts the batchers. Leases are renewed by [`crate::upkeep`].
    pub(crate) fn start(context: Arc<Context>) -> Arc<Self> {
        let in_flight = InFlight::new(context.config.worker.lease);
        let concurrency = context.config.worker.concurrency;
        // A deletion is in the lane of its first unconfirmed target.
        let lanes = context.store.catalog.tables().map(|table| table.resource.targets.len().max(1)).sum();
        Arc::new(Self {
            slots: Slots::new(concurrency, lanes),
            claims: Claims::start(&context, &in_flight),
            completions: Completions::start(&context),
            settlements: Settlements::start(&context),
            executions: TaskTracker::new(),
            ended: Ended::default(),
            closing: CancellationToken::new(),
            in_flight,
            context,
        })
    }

    /// Deletions that this process holds a claim on.
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
            // Handing back is one statement; if even that does not come through, the leases expire.
            tokio::time::timeout(Duration::from_secs(3), self.executions.wait()).await.ok();
        }
        self.in_flight.ids()
    }
}
