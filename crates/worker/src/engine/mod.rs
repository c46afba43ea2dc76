//! What one process does with deletions: claim them, call their targets, and write down what came of it.
//!
//! ```text
//! feed (hints, or the ledger itself) ─► claims ─► execution ─► completions   (all targets confirmed)
//!                                          │          └──────► settlements   (anything else)
//!                                          └ in flight: leases renewed until written down
//! ```
//! Claims, completions and settlements are micro-batched. No transaction is open while a target is called.

mod claims;
mod completions;
mod execution;
mod in_flight;
mod leases;
mod settlements;
mod verdict;

use std::{sync::Arc, time::Duration};

use sea_orm::DbErr;
use sexton_core::{
    catalog::Catalog,
    config::Config,
    db::Db,
    hint::Hint,
    ids::DeletionId,
    ledger::{Ledger, Pick},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{claims::Claims, completions::Completions, in_flight::InFlight, settlements::Settlements};
use crate::connector::Connector;

/// Everything that the parts of a process share.
pub(crate) struct Context {
    pub(crate) db: Db,
    pub(crate) ledger: Ledger,
    pub(crate) catalog: Catalog,
    pub(crate) config: Config,
    /// The name under which this process claims.
    pub(crate) worker: String,
    pub(crate) connector: Box<dyn Connector>,
}

/// The claims, calls and write-backs of one process.
pub(crate) struct Engine {
    pub(crate) context: Arc<Context>,
    slots: Arc<Semaphore>,
    in_flight: InFlight,
    claims: Claims,
    completions: Completions,
    settlements: Settlements,
    executions: TaskTracker,
    /// No new calls begin once it is cancelled.
    closing: CancellationToken,
}

impl Engine {
    /// Starts the batchers and the renewal of leases, which end when `stopped` is cancelled.
    pub(crate) fn start(context: Arc<Context>, stopped: CancellationToken) -> Arc<Self> {
        let in_flight = InFlight::new(context.config.worker.lease);
        let engine = Arc::new(Self {
            slots: Arc::new(Semaphore::new(context.config.worker.concurrency)),
            claims: Claims::start(&context, &in_flight),
            completions: Completions::start(&context),
            settlements: Settlements::start(&context),
            executions: TaskTracker::new(),
            closing: CancellationToken::new(),
            in_flight,
            context,
        });
        tokio::spawn(leases::renew(Arc::clone(&engine.context), engine.in_flight.clone(), stopped));
        engine
    }

    /// Works on the deletion that a hint speaks of, if it can be claimed. Returns when the claim is committed or
    /// refused: from then on the ledger's lease counts, and the hint can be forgotten.
    pub(crate) async fn offer(self: &Arc<Self>, hint: Hint) {
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
        if self.closing.is_cancelled() || self.in_flight.contains(hint.id()) {
            return;
        }
        match self.claims.claim(hint.id()).await {
            Ok(Some(claimed)) => self.execute(claimed, slot),
            Ok(None) => tracing::trace!(id = %hint.id(), "the hint was stale"),
            // The hint is lost, but not the deletion: the ledger is asked again.
            Err(error) => tracing::warn!(id = %hint.id(), %error, "cannot claim deletion {}", hint.id()),
        }
    }

    /// Takes due deletions from the ledger itself, as many as there are free slots, if they have been due for at least
    /// `overdue`. Returns how many were taken.
    ///
    /// # Errors
    /// Whatever the database says.
    pub(crate) async fn take_due(self: &Arc<Self>, overdue: Duration) -> Result<usize, DbErr> {
        let free = self.slots.available_permits().min(claims::BATCH);
        let Ok(free_slots) = u32::try_from(free) else { return Ok(0) };
        let Ok(mut slots) = Arc::clone(&self.slots).try_acquire_many_owned(free_slots) else { return Ok(0) };
        if free == 0 || self.closing.is_cancelled() {
            return Ok(0);
        }
        let claimed = claims::take(&self.context, &self.in_flight, Pick::Due { limit: free, overdue }).await?;
        let taken = claimed.len();
        for claimed in claimed {
            match slots.split(1) {
                Some(slot) => self.execute(claimed, slot),
                // Equal shares are rounded up, so a few more than asked may come; they wait for their slot here.
                None => match Arc::clone(&self.slots).acquire_owned().await {
                    Ok(slot) => self.execute(claimed, slot),
                    Err(_) => break,
                },
            }
        }
        Ok(taken)
    }

    /// Resolves once a slot is free.
    pub(crate) async fn slot_free(&self) {
        // An error would mean that the semaphore was closed, which nobody does.
        drop(self.slots.acquire().await);
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
