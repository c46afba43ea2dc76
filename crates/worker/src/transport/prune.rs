//! Removing acked tasks. apalis-redis 1.0.0 keeps them for ever, and its own `vacuum` reads everything at once.

use std::{sync::LazyLock, time::Duration};

use redis::Script;
use sexton_core::transport::{Error, HintQueue};

/// Ids removed in one call of the script.
const CHUNK: usize = 500;

/// Calls in one go, so that housekeeping always gets back to its beat.
const MOST_CALLS: usize = 200;

/// How much longer doubles of an acked hint are damped. A claim that was committed has raised the fence, so only
/// refused ones are concerned; and Redis would otherwise hold a key for every hint of the last minute.
const DAMP_ONCE_DONE: Duration = Duration::from_secs(5);

static PRUNE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("prune.lua")));

/// Removes data and metadata of all done tasks, and of whatever there is in `dead` and `scheduled`, where nothing of
/// ours ever goes: a fetch unpacks all that is due in `scheduled` at once. Returns how many tasks were removed.
pub(super) async fn prune(queue: &HintQueue) -> Result<usize, Error> {
    let keys = queue.keys();
    let mut pruned = 0;
    for from in [keys.done(), keys.dead(), keys.scheduled()] {
        for _ in 0..MOST_CALLS {
            let mut call = PRUNE.prepare_invoke();
            call.key(&from).key(keys.data()).arg(keys.meta_prefix()).arg(CHUNK).arg(DAMP_ONCE_DONE.as_millis() as u64);
            let removed: usize = queue.connection().invoke("prune done tasks", &call).await?;
            pruned += removed;
            if removed < CHUNK {
                break;
            }
        }
    }
    Ok(pruned)
}
