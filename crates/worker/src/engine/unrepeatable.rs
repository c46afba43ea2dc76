//! Calls that must not be repeated. The ledger records each before it begins and after it ended. If the worker vanishes
//! in between, the call is not made again.

use sexton_core::config::Target;

use super::{execution::Execution, targets_outcome::TargetsOutcome};

impl Execution<'_> {
    /// Commits that a call begins; only then may it begin.
    pub(super) async fn begin_call(&self, target: &Target) -> Result<(), TargetsOutcome> {
        let context = &self.engine.context;
        let (id, lease) = (self.claim.id, self.claim.lease());
        loop {
            match context.store.ledger.begin_call(&context.store.db, lease, target.name.as_str()).await {
                // Writing took its time.
                Ok(true) => return self.may_begin(target),
                Ok(false) => return Err(TargetsOutcome::LeaseLost),
                Err(_) if self.wait_for_database().await => {}
                Err(error) => {
                    tracing::warn!(%id, %error, "cannot note the call for deletion {id}, so it is not made");
                    return Err(TargetsOutcome::HandBack);
                }
            }
        }
    }

    /// Commits what is confirmed, and that no call is in flight.
    pub(super) async fn end_call(&self) -> Result<(), TargetsOutcome> {
        let context = &self.engine.context;
        let (id, lease) = (self.claim.id, self.claim.lease());
        loop {
            match context.store.ledger.end_call(&context.store.db, lease, &self.confirmations).await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(TargetsOutcome::LeaseLost),
                Err(_) if self.wait_for_database().await => {}
                Err(error) => {
                    // Completing or settling it writes the same; only a worker that vanishes before leaves it open.
                    tracing::warn!(%id, %error, "cannot note the confirmation of deletion {id} yet");
                    return Ok(());
                }
            }
        }
    }
}
