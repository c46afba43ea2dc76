//! Taking deletions that were rescued before, one at a time.

use std::sync::Arc;

use sexton_core::{db, ledger::Candidates};
use tokio::sync::OwnedSemaphorePermit;

use super::{Engine, claim::claim_batch};

/// Candidates in one look: several, because other processes look at the same time.
const CANDIDATES: u32 = 8;

/// What came of an attempt to take a rescued deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RescuedTake {
    /// One is being worked on.
    Taken,
    /// There are some, but other processes were faster.
    OthersWereFaster,
    /// None is due.
    NoneDue,
}

impl Engine {
    /// Resolves when the last rescued deletion is written back: one that kills its process should not take others of
    /// its kind along. None would mean that the semaphore was closed, which never happens.
    pub(crate) async fn rescue_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.in_flight.rescue_permit().await
    }

    /// Takes a deletion that was rescued before, if one is due.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing is taken then.
    pub(crate) async fn take_rescued(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<RescuedTake, db::Error> {
        let lanes = self.context.gates.open_lane_names();
        let candidates = self.context.store.ledger.list_rescued(&self.context.store.db, &lanes, CANDIDATES).await?;
        if candidates.is_empty() {
            return Ok(RescuedTake::NoneDue);
        }
        let Some(slot) = self.slots.wait().await else { return Ok(RescuedTake::NoneDue) };
        let _claiming = self.executions.token();
        if self.closing.is_cancelled() {
            return Ok(RescuedTake::NoneDue);
        }
        let claimed =
            claim_batch(&self.context, &self.in_flight, Candidates::Hinted(&candidates), &lanes, Some(permit)).await?;
        match claimed.into_iter().next() {
            Some(claimed) => {
                self.execute(claimed, slot);
                Ok(RescuedTake::Taken)
            }
            None => Ok(RescuedTake::OthersWereFaster),
        }
    }
}
