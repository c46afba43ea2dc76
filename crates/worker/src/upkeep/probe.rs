//! Keeping up with what operators and other processes decided of the gates, and probing targets that are left alone.

use std::{sync::Arc, time::Duration};

use sexton_core::{config::Breaker, db, ids::Lane};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;

/// How often the ledger is asked while nobody speaks of a change.
const EVERY: Duration = Duration::from_secs(1);
/// After word of a change: notifications also speak of new deletions, and one look is enough for many.
const GATHER: Duration = Duration::from_millis(100);

/// Keeps the gates of `engine` up to date until `stop`, and probes targets whose breaker is open.
pub(crate) async fn probe(engine: Arc<Engine>, stop: CancellationToken) {
    let context = &engine.context;
    let gates = &context.gates;
    let mut failing = false;
    loop {
        match gates.read(&context.store).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                tracing::warn!(%error, "cannot read what is paused; what was known before still holds");
                failing = true;
            }
            Err(error) => tracing::debug!(%error, "cannot read what is paused"),
        }
        for (lane, breaker) in gates.to_probe() {
            if let Err(error) = probe_one(&engine, &lane, &breaker).await {
                tracing::debug!(%error, %lane, "cannot probe {lane}");
            }
        }
        let pause = gates.next_probe_in().map_or(EVERY, |next| next.clamp(GATHER, EVERY));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = gates.changed() => tokio::time::sleep(GATHER).await,
        }
    }
}

/// Tries with one deletion whether the target of `lane` is well again, if no other process does.
async fn probe_one(engine: &Arc<Engine>, lane: &Lane, breaker: &Breaker) -> Result<(), db::Error> {
    let context = &engine.context;
    if context.store.ledger.next_due_in(&context.store.db, &[lane.to_owned()]).await? != Some(Duration::ZERO) {
        return Ok(());
    }
    let (interval, most) = (breaker.probe_interval, breaker.max_probe_interval);
    if context.store.ledger.take_probe(&context.store.db, lane, interval, most).await? {
        context.gates.allow_probe(lane);
        let taken = engine.take_one(lane).await?;
        tracing::debug!(%lane, taken, "probing {lane}");
    }
    Ok(())
}
