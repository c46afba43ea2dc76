//! Deletions that wait for those of their children: moved on when the last is finished, or when one is dead. In every
//! process; the ledger says who waits for whom, so it does not matter who notices.

use std::sync::Arc;

use sexton_core::{outcome::DeadKind, state::State};
use tokio_util::sync::CancellationToken;

use crate::{engine::Engine, metrics};

/// Most deletions in one statement; more are moved on in further ones at once.
const BATCH: u32 = 500;

/// Moves on what waits until `stop`: whenever this process ended the deletion of a child, and every quarter of a lease,
/// because the process that ended one may have died right after.
pub(crate) async fn follow_children(engine: Arc<Engine>, stop: CancellationToken) {
    let context = Arc::clone(&engine.context);
    loop {
        match context.ledger.follow_children(&context.db, BATCH).await {
            // A parent that died may have a parent of its own.
            Ok(followed) if !followed.is_empty() => {
                for one in followed {
                    let id = one.id;
                    if one.state == State::Dead {
                        metrics::died(&one.resource, DeadKind::ChildDead);
                        tracing::warn!(%id, kind = %DeadKind::ChildDead, "deletion {id} is dead: a child's deletion is");
                    } else {
                        tracing::debug!(%id, "the children of deletion {id} are finished");
                    }
                }
                continue;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "cannot move on deletions that wait for their children"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = engine.child_ended() => {}
            () = tokio::time::sleep(context.config.worker.lease / 4) => {}
        }
    }
}
