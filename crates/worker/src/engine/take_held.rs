//! Taking what this process holds, when its doubts can be judged: no other process saw the answers around them.

use std::{collections::HashSet, sync::Arc};

use sexton_core::{db, ledger::Candidates};

use super::{
    Engine,
    claim::{BATCH, claim_batch},
};

impl Engine {
    /// Takes what this process holds and can judge by now.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; it is tried once more later.
    pub(crate) async fn take_held(self: &Arc<Self>) -> Result<(), db::Error> {
        let slots = self.slots.take_open(BATCH).or_else(|| self.slots.take_reserved(BATCH));
        let Some(slots) = slots else { return Ok(()) };
        let ready = self.held.take(slots.num_permits());
        if ready.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = ready.iter().map(|(id, _)| *id).filter(|id| !self.in_flight.contains(*id)).collect();
        let _claiming = self.executions.token();
        if self.closing.is_cancelled() {
            return Ok(());
        }
        let lanes = self.context.gates.open_lane_names();
        let claimed = claim_batch(&self.context, &self.in_flight, Candidates::Hinted(&ids), &lanes, None).await;
        let taken: HashSet<_> = claimed.iter().flatten().map(|claimed| claimed.claim.id).collect();
        for (id, tries) in ready.into_iter().filter(|(id, _)| !taken.contains(id)) {
            self.held.try_later(id, tries);
        }
        self.execute_all(claimed?, slots).await;
        Ok(())
    }
}
