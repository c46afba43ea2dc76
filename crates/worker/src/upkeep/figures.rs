//! Gauges, refreshed every few seconds from statements whose cost does not grow with the backlog.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sexton_core::outcome::DeadKind;
use tokio_util::sync::CancellationToken;

use crate::{engine::Engine, metrics, sweep::Watch};

const EVERY: Duration = Duration::from_secs(5);

/// Refreshes gauges until `stop`.
pub(crate) async fn refresh_gauges(engine: Arc<Engine>, stop: CancellationToken) {
    let context = Arc::clone(&engine.context);
    let mut watch = Watch::new();
    loop {
        metrics::in_flight(engine.in_flight());
        match context.store.ledger.oldest_due(&context.store.db, &context.store.catalog.lanes()).await {
            Ok(ages) => ages.iter().for_each(|(lane, age)| metrics::oldest_due(lane, *age)),
            Err(error) => tracing::debug!(%error, "cannot read the age of the oldest due deletions"),
        }
        match context.store.ledger.dead_by_kind(&context.store.db).await {
            Ok(counts) => {
                let seen: BTreeSet<_> = counts.iter().map(|(kind, _)| kind.as_str()).collect();
                counts.iter().for_each(|(kind, count)| metrics::dead_letters(kind, *count));
                // A kind whose last letter was dealt with must fall back to zero.
                DeadKind::ALL.iter().filter(|kind| !seen.contains(kind.as_str())).for_each(|kind| {
                    metrics::dead_letters(kind.as_str(), 0);
                });
            }
            Err(error) => tracing::debug!(%error, "cannot count the dead letters"),
        }
        match context.store.ledger.sweeps(&context.store.db.conn).await {
            Ok(states) => watch.report(states, &context.config),
            Err(error) => tracing::debug!(%error, "cannot read how the sweeps stand"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
