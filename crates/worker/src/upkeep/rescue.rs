//! Rescue, in every process: what a vanished worker had claimed goes back a quarter of a lease after its lease ended
//! at the latest.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{engine::Context, metrics};

/// Most leases in one statement; more are taken back in further ones at once.
const BATCH: u32 = 500;

/// Takes back expired leases until `stop`.
pub(crate) async fn rescue(context: Arc<Context>, stop: CancellationToken) {
    let mut ticks = interval(context.config.worker.lease / 4);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        loop {
            match context.store.ledger.rescue(&context.store.db, context.config.worker.max_rescues, BATCH).await {
                Ok(rescued) => {
                    for one in &rescued {
                        metrics::rescued(&one.resource);
                        let (id, rescues) = (one.id, one.rescues);
                        match one.dead {
                            Some(kind) => tracing::warn!(%id, rescues, %kind, "deletion {id} is dead: {kind}"),
                            None => tracing::warn!(%id, rescues, "the lease of deletion {id} expired; it is due again"),
                        }
                    }
                    if rescued.len() < BATCH as usize {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot take back expired leases");
                    break;
                }
            }
        }
    }
}
