//! Gauges, from statements whose cost does not grow with the backlog.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use sexton_core::outcome::DeadKind;

use super::Service;
use crate::{engine::Engine, metrics, sweep::Watch};

const INTERVAL: Duration = Duration::from_secs(5);

/// Refreshes gauges. Every five seconds: three small statements.
pub(crate) struct GaugeRefresh {
    engine: Arc<Engine>,
    watch: Watch,
}

impl GaugeRefresh {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, watch: Watch::new() }
    }
}

#[async_trait]
impl Service for GaugeRefresh {
    async fn run_once(&mut self) -> Duration {
        let context = &self.engine.context;
        let store = &context.store;
        metrics::set_in_flight(self.engine.in_flight());
        match store.ledger.oldest_due(&store.db, &store.catalog.lanes()).await {
            Ok(ages) => ages.iter().for_each(|(lane, age)| metrics::set_oldest_due(lane, *age)),
            Err(error) => tracing::debug!(%error, "cannot read the age of the oldest due deletions"),
        }
        match store.ledger.dead_by_kind(&store.db).await {
            Ok(counts) => {
                counts.iter().for_each(|(kind, count)| metrics::set_dead_letters(kind, *count));
                // A kind whose last letter was dealt with must fall back to zero.
                let counted: BTreeSet<_> = counts.iter().map(|(kind, _)| kind.as_str()).collect();
                let empty = DeadKind::ALL.iter().filter(|kind| !counted.contains(kind.as_str()));
                empty.for_each(|kind| metrics::set_dead_letters(kind.as_str(), 0));
            }
            Err(error) => tracing::debug!(%error, "cannot count the dead letters"),
        }
        match store.ledger.sweeps(&store.db.conn).await {
            Ok(states) => self.watch.report(states, &context.config),
            Err(error) => tracing::debug!(%error, "cannot read how the sweeps stand"),
        }
        INTERVAL
    }
}
