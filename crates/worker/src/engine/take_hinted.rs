//! Taking the deletion that a hint names.

use std::sync::Arc;

use async_trait::async_trait;
use sexton_core::hint::Hint;

use super::Engine;
use crate::transport::HintHandler;

#[async_trait]
impl HintHandler for Arc<Engine> {
    /// Works on the hinted deletion, if it can be claimed. Returns when the claim is committed or refused: from then on
    /// the ledger's lease counts, and the hint can be acked.
    async fn handle(&self, hint: Hint) {
        let slot = tokio::select! {
            biased;
            () = self.closing.cancelled() => return,
            slot = self.slots.wait() => slot,
        };
        tokio::select! {
            biased;
            () = self.closing.cancelled() => return,
            () = self.in_flight.payload_room_free() => {}
        }
        // Closing waits for this too: a claim under way may yet be committed, and is handed back then.
        let _claiming = self.executions.token();
        let Some(slot) = slot.filter(|_| !self.closing.is_cancelled() && !self.in_flight.contains(hint.id())) else {
            return;
        };
        match self.claims.claim(hint.id()).await {
            Ok(Some(claimed)) => self.execute(claimed, slot),
            Ok(None) => tracing::trace!(id = %hint.id(), "the hint was stale"),
            // The hint is lost, but not the deletion: it stays due in the ledger.
            Err(error) => tracing::warn!(id = %hint.id(), %error, "cannot claim deletion {}", hint.id()),
        }
    }
}
