//! The ways in which work gets into the engine: hints, due deletions, rescued ones.

use std::{sync::Arc, time::Duration};

use sexton_core::{db, hint::Hint, ids::Lane, ledger::Candidates};
use tokio::sync::OwnedSemaphorePermit;

use super::{Engine, claims};
use crate::gate::OpenLane;

/// A deletion of a lane that has few places is taken out of turn when it has been due for this long.
const NEGLECTED: Duration = Duration::from_secs(1);
/// Candidates among the rescued: several, because other processes look for some at the same time.
const RESCUED: u32 = 8;

/// What looking for a rescued deletion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rescued {
    /// One is being worked on.
    Taken,
    /// There are some, but other processes were faster.
    Missed,
    /// None is due.
    None,
}

impl Engine {
    /// Works on the deletion that a hint speaks of, if it can be claimed. Returns when the claim is committed or
    /// refused: from then on the ledger's lease counts, and the hint can be forgotten.
    pub(crate) async fn offer(self: &Arc<Self>, hint: Hint) {
        let slot = tokio::select! {
            biased;
            () = self.closing.cancelled() => return,
            slot = self.slots.wait() => slot,
        };
        // Closing waits for this too: a claim under way may yet be committed, and is handed back then.
        let _claiming = self.executions.token();
        let Some(slot) = slot.filter(|_| !self.closing.is_cancelled() && !self.in_flight.contains(hint.id())) else {
            return;
        };
        match self.claims.claim(hint.id()).await {
            Ok(Some(claimed)) => self.execute(claimed, slot),
            Ok(None) => tracing::trace!(id = %hint.id(), "the hint was stale"),
            // The hint is lost, but not the deletion: the ledger is asked again.
            Err(error) => tracing::warn!(id = %hint.id(), %error, "cannot claim deletion {}", hint.id()),
        }
    }

    /// Takes due deletions from the ledger itself, as many as there are free slots, if they have been due for at least
    /// `overdue`; for the reserved slots, those that have been due for a second in lanes that have few. Returns how many
    /// were taken.
    ///
    /// # Errors
    /// Whatever the database says.
    pub(crate) async fn take_due(self: &Arc<Self>, overdue: Duration) -> Result<usize, db::Error> {
        let mut taken = 0;
        if let Some(slots) = self.slots.take_open(claims::BATCH) {
            taken += self.fill_lanes(slots, overdue, self.context.gates.open_lanes()).await?;
        }
        if let Some(slots) = self.slots.take_reserved(claims::BATCH) {
            let mut lanes = self.context.gates.open_lanes();
            let names = lanes.iter().map(|lane| lane.name.clone()).collect();
            let below = self.slots.below_share(names, &self.in_flight.by_lane());
            lanes.retain(|lane| below.contains(&lane.name));
            taken += self.fill_lanes(slots, NEGLECTED, lanes).await?;
        }
        Ok(taken)
    }

    /// Takes one due deletion of `lane`, to see what its target answers. False if there is none, or no free slot.
    ///
    /// # Errors
    /// Whatever the database says.
    pub(crate) async fn take_one(self: &Arc<Self>, lane: &Lane) -> Result<bool, db::Error> {
        match self.slots.wait().await {
            Some(slot) => Ok(self.fill(slot, Duration::ZERO, vec![lane.to_owned()]).await? > 0),
            None => Ok(false),
        }
    }

    /// Of a lane whose target has limits no more is taken than it will let through soon; the others share the rest.
    async fn fill_lanes(
        self: &Arc<Self>,
        mut slots: OwnedSemaphorePermit,
        overdue: Duration,
        lanes: Vec<OpenLane>,
    ) -> Result<usize, db::Error> {
        let mut taken = 0;
        let mut unlimited = Vec::new();
        let mut left = lanes.len();
        for OpenLane { name, room } in lanes {
            let share = slots.num_permits().div_ceil(left.max(1));
            left -= 1;
            match room {
                None => unlimited.push(name),
                Some(room) => {
                    if let Some(slots) = slots.split(room.min(share)).filter(|slots| slots.num_permits() > 0) {
                        taken += self.fill(slots, overdue, vec![name]).await?;
                    }
                }
            }
        }
        if !unlimited.is_empty() && slots.num_permits() > 0 {
            taken += self.fill(slots, overdue, unlimited).await?;
        }
        Ok(taken)
    }

    async fn fill(
        self: &Arc<Self>,
        mut slots: OwnedSemaphorePermit,
        overdue: Duration,
        lanes: Vec<Lane>,
    ) -> Result<usize, db::Error> {
        let _claiming = self.executions.token();
        if self.closing.is_cancelled() {
            return Ok(0);
        }
        let due = Candidates::Due { limit: slots.num_permits(), overdue };
        let claimed = claims::take(&self.context, &self.in_flight, due, &lanes, None).await?;
        let taken = claimed.len();
        for claimed in claimed {
            let slot = match slots.split(1) {
                Some(slot) => Some(slot),
                None => self.slots.wait().await,
            };
            if let Some(slot) = slot {
                self.execute(claimed, slot);
            }
        }
        Ok(taken)
    }

    /// Resolves when the last rescued deletion is written down: one that kills its process should not take others of
    /// its kind along. None would mean that the semaphore was closed, which nobody does.
    pub(crate) async fn may_take_rescued(&self) -> Option<OwnedSemaphorePermit> {
        self.in_flight.next_rescued().await
    }

    /// Takes a deletion that was rescued before, if one is due.
    ///
    /// # Errors
    /// Whatever the database says.
    pub(crate) async fn take_rescued(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Result<Rescued, db::Error> {
        let lanes = self.context.gates.open_names();
        let candidates = self.context.store.ledger.rescued(&self.context.store.db, &lanes, RESCUED).await?;
        if candidates.is_empty() {
            return Ok(Rescued::None);
        }
        let Some(slot) = self.slots.wait().await else { return Ok(Rescued::None) };
        let _claiming = self.executions.token();
        if self.closing.is_cancelled() {
            return Ok(Rescued::None);
        }
        let claimed =
            claims::take(&self.context, &self.in_flight, Candidates::Hinted(&candidates), &lanes, Some(permit)).await?;
        match claimed.into_iter().next() {
            Some(claimed) => {
                self.execute(claimed, slot);
                Ok(Rescued::Taken)
            }
            None => Ok(Rescued::Missed),
        }
    }

    /// Resolves once a slot is free.
    pub(crate) async fn slot_free(&self) {
        drop(self.slots.wait().await);
    }
}
