//! Which processes are alive, by Redis's own clock.
//!
//! apalis' registry compares the clocks of different machines. Ours has each process beat once a second in a script
//! that reads `TIME`, so machines' clocks do not matter.

use std::{sync::LazyLock, time::Duration};

use redis::Script;
use sexton_core::transport::{Error, HintQueue};
use uuid::Uuid;

/// A process that has not beaten for this long is dead.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(60);

/// Separates a process's name from the rest of an apalis worker's name.
const SEPARATOR: char = '#';

static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("beat.lua")));
static LEAVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("leave.lua")));
static DEPARTED: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("departed_workers.lua")));

/// A name for a run of an apalis worker within `process`, never used before.
pub(super) fn new_worker_name(process: &str) -> String {
    format!("{process}{SEPARATOR}{}", Uuid::now_v7().simple())
}

/// Says that `process` lives and handles `concurrency` hints at once; returns the sum over all live processes.
pub(super) async fn beat(queue: &HintQueue, process: &str, concurrency: usize) -> Result<usize, Error> {
    let keys = queue.keys();
    let mut call = BEAT.prepare_invoke();
    call.key(keys.alive()).key(keys.concurrency());
    call.arg(process).arg(concurrency).arg(DEAD_AFTER.as_millis() as u64);
    queue.connection().invoke("beat", &call).await
}

/// Says that `process` ends in good order.
pub(super) async fn unregister(queue: &HintQueue, process: &str) -> Result<(), Error> {
    let keys = queue.keys();
    let mut call = LEAVE.prepare_invoke();
    call.key(keys.alive()).key(keys.concurrency()).arg(process);
    queue.connection().invoke("leave", &call).await
}

/// apalis workers whose process is dead, and those of `process` other than `current`; at most 100 at a time.
///
/// A worker whose process never beat is given [`DEAD_AFTER`] from now.
pub(super) async fn departed_workers(
    queue: &HintQueue,
    process: &str,
    current: Option<&str>,
) -> Result<Vec<String>, Error> {
    let keys = queue.keys();
    let mut call = DEPARTED.prepare_invoke();
    call.key(keys.workers()).key(keys.alive());
    call.arg(process).arg(current.unwrap_or_default()).arg(DEAD_AFTER.as_millis() as u64);
    queue.connection().invoke("look for dead workers", &call).await
}
