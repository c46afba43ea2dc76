//! Taking one deletion of a lane that is shut, to see what its target answers.

use std::sync::Arc;

use sexton_core::{
    db,
    ids::{DeletionId, Lane},
    ledger::Candidates,
};

use super::{Engine, claim::claim_batch};

impl Engine {
    /// Takes the first of the `drawn` deletions of `lane` that can be claimed. False if there is none, or no slot is
    /// free.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing is taken then.
    pub(crate) async fn take_probe(self: &Arc<Self>, lane: &Lane, drawn: &[DeletionId]) -> Result<bool, db::Error> {
        let Some(slot) = self.slots.wait().await else { return Ok(false) };
        let _claiming = self.executions.token();
        if self.closing.is_cancelled() {
            return Ok(false);
        }
        let lanes = [lane.to_owned()];
        for id in drawn {
            let candidates = Candidates::Hinted(std::slice::from_ref(id));
            // One that was rescued before is taken only if no other is in flight.
            let permit = self.in_flight.try_rescue_permit();
            let claimed = claim_batch(&self.context, &self.in_flight, candidates, &lanes, permit).await?;
            if let Some(claimed) = claimed.into_iter().next() {
                self.execute(claimed, slot);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
