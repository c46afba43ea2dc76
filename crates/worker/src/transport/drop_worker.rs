//! Dropping what a worker left behind.

use std::sync::LazyLock;

use redis::Script;
use sexton_core::transport::{Error, HintQueue};

/// In-flight ids dropped in one call of the script.
const CHUNK: usize = 500;

static DROP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("drop_worker.lua")));

/// Drops the hints that `worker` had fetched and not acked, then the worker itself. Nothing is re-queued: the ledger
/// says whether a deletion is still due. What damps the dropped hints goes too, so that the dispatcher may push them at
/// once.
///
/// # Errors
/// Any [`Error`] of the connection; some hints may have been dropped before it.
pub(super) async fn drop_worker(queue: &HintQueue, worker: &str) -> Result<(), Error> {
    let keys = queue.keys();
    loop {
        let mut call = DROP.prepare_invoke();
        call.key(keys.workers()).key(keys.worker_metadata(worker)).key(keys.inflight(worker)).key(keys.data());
        call.arg(worker).arg(keys.meta_prefix()).arg(CHUNK);
        let dropped: usize = queue.connection().invoke("drop a worker", &call).await?;
        if dropped < CHUNK {
            return Ok(());
        }
    }
}
