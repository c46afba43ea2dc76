//! Taking due deletions from the ledger itself.

use std::{sync::Arc, time::Duration};

use sexton_core::{db, ids::Lane, ledger::Candidates};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Engine,
    claim::{BATCH, Claimed, claim_batch},
};
use crate::gate::OpenLane;

/// A deletion of a lane that has few slots is taken out of turn when it has been due for this long.
const NEGLECTED: Duration = Duration::from_secs(1);

impl Engine {
    /// Takes due deletions as far as slots are free. Returns how many.
    ///
    /// * Open slots take those that have been due for at least `overdue`.
    /// * Reserved slots take those that have been due for a second, in lanes that have few slots.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; what was taken before is worked on.
    pub(crate) async fn take_due(self: &Arc<Self>, overdue: Duration) -> Result<usize, db::Error> {
        let mut taken = 0;
        if self.in_flight.has_payload_room()
            && let Some(slots) = self.slots.take_open(BATCH)
        {
            taken += self.share_slots(slots, overdue, self.context.gates.open_lanes()).await?;
        }
        if let Some(slots) = self.slots.take_reserved(BATCH) {
            let mut lanes = self.context.gates.open_lanes();
            let names = lanes.iter().map(|lane| lane.name.clone()).collect();
            let below = self.slots.lanes_below_share(names, &self.in_flight.count_by_lane());
            lanes.retain(|lane| below.contains(&lane.name));
            taken += self.share_slots(slots, NEGLECTED, lanes).await?;
        }
        Ok(taken)
    }

    /// Resolves once a slot is free, and there is room for payloads.
    pub(crate) async fn slot_free(&self) {
        drop(self.slots.wait().await);
        self.in_flight.payload_room_free().await;
    }

    /// Gives a lane whose target has limits no more slots than it will let through soon; the others share the rest.
    async fn share_slots(
        self: &Arc<Self>,
        mut slots: OwnedSemaphorePermit,
        overdue: Duration,
        lanes: Vec<OpenLane>,
    ) -> Result<usize, db::Error> {
        let mut taken = 0;
        let mut unlimited = Vec::new();
        let mut lanes_left = lanes.len();
        for OpenLane { name, room } in lanes {
            let share = slots.num_permits().div_ceil(lanes_left.max(1));
            lanes_left -= 1;
            match room {
                None => unlimited.push(name),
                Some(room) => {
                    if let Some(slots) = slots.split(room.min(share)).filter(|slots| slots.num_permits() > 0) {
                        taken += self.fill_slots(slots, overdue, vec![name]).await?;
                    }
                }
            }
        }
        if !unlimited.is_empty() && slots.num_permits() > 0 {
            taken += self.fill_slots(slots, overdue, unlimited).await?;
        }
        Ok(taken)
    }

    /// Claims for all of `slots` in one statement, and executes what was claimed.
    async fn fill_slots(
        self: &Arc<Self>,
        slots: OwnedSemaphorePermit,
        overdue: Duration,
        lanes: Vec<Lane>,
    ) -> Result<usize, db::Error> {
        let _claiming = self.executions.token();
        if self.closing.is_cancelled() {
            return Ok(0);
        }
        let due = Candidates::Due { limit: slots.num_permits(), overdue };
        let claimed = claim_batch(&self.context, &self.in_flight, due, &lanes, None).await?;
        let taken = claimed.len();
        self.execute_all(claimed, slots).await;
        Ok(taken)
    }

    /// Executes each in a slot of its own, out of `slots` as long as there are any.
    pub(super) async fn execute_all(self: &Arc<Self>, claimed: Vec<Claimed>, mut slots: OwnedSemaphorePermit) {
        for claimed in claimed {
            let slot = match slots.split(1) {
                Some(slot) => Some(slot),
                None => self.slots.wait().await,
            };
            if let Some(slot) = slot {
                self.execute(claimed, slot);
            }
        }
    }
}
