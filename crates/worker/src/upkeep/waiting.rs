//! Deletions that wait for those of their children: moved on when the last is finished, or when one is dead. In every
//! process; the ledger says who waits for whom, so it does not matter who notices.

use std::sync::Arc;

use sexton_core::{ids::DeletionId, outcome::DeadKind, state::State};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{Context, Engine},
    metrics,
};

/// Most deletions in one statement; more are moved on in further ones at once.
const BATCH: u32 = 500;

/// Moves on what waits until `stop`: at once what waited for deletions that this process ended, and all every quarter of a
/// lease, because the process that ended one may have died right after.
pub(crate) async fn advance_waiting(engine: Arc<Engine>, stop: CancellationToken) {
    let context = Arc::clone(&engine.context);
    loop {
        move_on(&context, None).await;
        let next = Instant::now() + context.config.worker.lease / 4;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                ended = engine.ended.take() => move_on(&context, Some(ended)).await,
                () = sleep_until(next) => break,
            }
        }
    }
}

async fn move_on(context: &Context, mut near: Option<Vec<DeletionId>>) {
    loop {
        let advanced = match context.store.ledger.advance_waiting(&context.store.db, near.as_deref(), BATCH).await {
            Ok(advanced) if advanced.is_empty() => return,
            Ok(advanced) => advanced,
            Err(error) => return tracing::warn!(%error, "cannot move on deletions that wait for their children"),
        };
        for one in &advanced {
            let id = one.id;
            if one.state == State::Dead {
                metrics::died(&one.resource, DeadKind::ChildDead);
                tracing::warn!(%id, kind = %DeadKind::ChildDead, "deletion {id} is dead: a child's deletion is");
            } else {
                tracing::debug!(%id, "the children of deletion {id} are finished");
            }
        }
        // A parent that died may have a parent of its own.
        near.iter_mut().for_each(|near| near.extend(advanced.iter().map(|one| one.id)));
    }
}
