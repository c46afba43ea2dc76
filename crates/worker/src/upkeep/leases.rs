//! Renewal: one statement a process, every third of a lease.

use sexton_core::db;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use crate::engine::{Context, Engine, InFlight};

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Renews the leases of what is in flight until `stop`.
pub(crate) async fn renew_leases(engine: Arc<Engine>, stop: CancellationToken) {
    let lease = engine.context.config.worker.lease;
    let mut pause = lease / 3;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let began = Instant::now();
        // A server that does not even answer must not keep us from asking the next one.
        let renewed = tokio::time::timeout(lease / 3, renew(&engine.context, &engine.in_flight)).await;
        let error = match renewed {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer".to_owned()),
        };
        pause = (lease / 3).saturating_sub(began.elapsed());
        if let Some(error) = error {
            // The leases run on; calls stop beginning when too little of them is left.
            tracing::warn!(error, leases = engine.in_flight.len(), "cannot renew leases");
            pause = AGAIN.min(lease / 10);
        }
    }
}

async fn renew(context: &Context, in_flight: &InFlight) -> Result<(), db::Error> {
    let leases = in_flight.leases();
    if leases.is_empty() {
        return Ok(());
    }
    let sent = Instant::now();
    let renewed = context.store.ledger.renew(&context.store.db, &leases, context.config.worker.lease).await?;
    in_flight.renewed(&leases, &renewed, sent);
    let lost = leases.len() - renewed.len();
    if lost > 0 {
        // Some of them may have been written down in the meantime; those are not in flight any more.
        tracing::debug!(lost, "leases were not renewed");
    }
    Ok(())
}
