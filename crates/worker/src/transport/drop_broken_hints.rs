//! Dropping ids from the list that would stop every worker that fetches them.

use std::sync::LazyLock;

use redis::Script;
use sexton_core::transport::{Error, HintQueue};

/// Ids looked at in one call of the script.
const CHUNK: usize = 500;

/// The most ids looked at: several times the largest window.
const MOST: usize = 50_000;

static DROP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("drop_broken_hints.lua")));

/// Drops ids from the list that have no data or no usable metadata, and returns how many.
///
/// A fetch of apalis-redis 1.0.0 fails as a whole when it meets one, and the fetched ids stay in flight.
///
/// # Errors
/// Any [`Error`] of the connection; some ids may have been dropped before it.
pub(super) async fn drop_broken_hints(queue: &HintQueue) -> Result<usize, Error> {
    let keys = queue.keys();
    let (mut at, mut dropped) = (0, 0);
    while at < MOST {
        let mut call = DROP.prepare_invoke();
        call.key(keys.active()).key(keys.data()).arg(keys.meta_prefix()).arg(at).arg(CHUNK);
        let (looked_at, dropped_now): (usize, usize) = queue.connection().invoke("drop broken hints", &call).await?;
        dropped += dropped_now;
        at += looked_at - dropped_now;
        if looked_at < CHUNK {
            break;
        }
    }
    Ok(dropped)
}
