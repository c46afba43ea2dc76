//! Dropping acked tasks. apalis-redis 1.0.0 keeps them for ever, and its own `vacuum` reads everything at once.

use std::{sync::LazyLock, time::Duration};

use redis::Script;
use sexton_core::transport::{Error, HintQueue};

/// Ids dropped in one call of the script.
const CHUNK: usize = 500;

/// Most calls in one go, so that housekeeping gets back to its beat.
const MOST_CALLS: usize = 200;

/// How much longer doubles of an acked hint are damped. Only refused claims need it: one that was committed has raised
/// the fence. For longer, Redis would hold a key for every hint of the last minute.
const DAMP_ONCE_DONE: Duration = Duration::from_secs(5);

static DROP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("drop_acked_tasks.lua")));

/// Drops data and metadata of all done tasks, and returns how many. Also of those in `dead` and `scheduled`, where ours
/// never go: a fetch unpacks all that is due in `scheduled` at once.
///
/// # Errors
/// Any [`Error`] of the connection; some tasks may have been dropped before it.
pub(super) async fn drop_acked_tasks(queue: &HintQueue) -> Result<usize, Error> {
    let keys = queue.keys();
    let mut dropped = 0;
    for from in [keys.done(), keys.dead(), keys.scheduled()] {
        for _ in 0..MOST_CALLS {
            let mut call = DROP.prepare_invoke();
            call.key(&from).key(keys.data()).arg(keys.meta_prefix()).arg(CHUNK).arg(DAMP_ONCE_DONE.as_millis() as u64);
            let dropped_now: usize = queue.connection().invoke("drop acked tasks", &call).await?;
            dropped += dropped_now;
            if dropped_now < CHUNK {
                break;
            }
        }
    }
    Ok(dropped)
}
