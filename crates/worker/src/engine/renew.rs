//! Renewing leases of this process.

use std::time::Instant;

use sexton_core::{
    db,
    ledger::{Lease, Renewal},
};

use super::Engine;

impl Engine {
    /// Renews these leases, and takes note of those that were lost.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the leases run on then.
    pub(crate) async fn renew(&self, leases: &[Lease]) -> Result<Renewal, db::Error> {
        let (store, sent) = (&self.context.store, Instant::now());
        let renewal = store.ledger.renew(&store.db, leases, self.context.config.worker.lease).await?;
        self.in_flight.note_renewal(leases, &renewal, sent);
        Ok(renewal)
    }
}
