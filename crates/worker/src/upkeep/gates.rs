//! The gates: keeping up with what operators and other processes decided, and probing targets whose breaker is open.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sexton_core::db;

use super::Service;
use crate::{engine::Engine, gate::LaneToProbe};

const INTERVAL: Duration = Duration::from_secs(1);
/// After word of a change: notifications also speak of new deletions, and one look is enough for many.
const GATHER: Duration = Duration::from_millis(100);
/// Deletions that are drawn for one probe: several, because one may be gone or locked by the time it is claimed.
const CANDIDATES: u32 = 4;

/// Keeps the gates up to date, and probes. Every second, upon word of a change, and when a probe is due: two small
/// statements, and two or three more a probe.
pub(crate) struct GateWatch {
    engine: Arc<Engine>,
    /// Whether the ledger could not be read the last time.
    is_failing: bool,
}

impl GateWatch {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, is_failing: false }
    }

    async fn refresh(&mut self) {
        let context = &self.engine.context;
        match context.gates.refresh(&context.store).await {
            Ok(()) => self.is_failing = false,
            Err(error) if !self.is_failing => {
                tracing::warn!(%error, "cannot read what is paused; what was known before still holds");
                self.is_failing = true;
            }
            Err(error) => tracing::debug!(%error, "cannot read what is paused"),
        }
    }

    /// Tries with one deletion whether the target of a lane works, if no other process does.
    async fn probe(&self, to_probe: &LaneToProbe) -> Result<(), db::Error> {
        let LaneToProbe { lane, interval, most } = to_probe;
        let context = &self.engine.context;
        let store = &context.store;
        let drawn = store.ledger.draw_probes(&store.db, lane, CANDIDATES).await?;
        if drawn.is_empty() {
            return Ok(());
        }
        if store.ledger.take_probe(&store.db, lane, *interval, *most).await? {
            context.gates.allow_probe(lane);
            let taken = self.engine.take_probe(lane, &drawn).await?;
            tracing::debug!(%lane, taken, "probing {lane}");
        }
        Ok(())
    }
}

#[async_trait]
impl Service for GateWatch {
    async fn run_once(&mut self) -> Duration {
        self.refresh().await;
        let gates = &self.engine.context.gates;
        for to_probe in gates.lanes_to_probe() {
            if let Err(error) = self.probe(&to_probe).await {
                let lane = &to_probe.lane;
                tracing::debug!(%error, %lane, "cannot probe {lane}");
            }
        }
        gates.next_probe_in().map_or(INTERVAL, |next| next.clamp(GATHER, INTERVAL))
    }

    async fn woken(&mut self) {
        self.engine.context.gates.wait_for_change().await;
        tokio::time::sleep(GATHER).await;
    }
}
