//! Renewal: one statement a process, every third of a lease.

use std::{sync::Arc, time::Instant};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Context, in_flight::InFlight};

pub(super) async fn renew(context: Arc<Context>, in_flight: InFlight, stopped: CancellationToken) {
    let lease = context.config.worker.lease;
    let mut ticks = interval(lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let leases = in_flight.leases();
        if leases.is_empty() {
            continue;
        }
        let sent = Instant::now();
        match context.ledger.renew(&context.db, &leases, lease).await {
            Ok(renewed) => {
                in_flight.renewed(&leases, &renewed, sent);
                let lost = leases.len() - renewed.len();
                if lost > 0 {
                    // Some of them may have been written down in the meantime; those are not in flight any more.
                    tracing::debug!(lost, "leases were not renewed");
                }
            }
            // The leases run on; calls stop beginning when too little of them is left.
            Err(error) => tracing::warn!(%error, leases = leases.len(), "cannot renew leases"),
        }
    }
}
