//! apalis-redis as we use it: every setting explicit, payloads left as bytes.

use std::{convert::Infallible, time::Duration};

use apalis_core::backend::{codec::Codec, queue::Queue};
use apalis_redis::Config;
use sexton_core::transport::DAMP;
use uuid::Uuid;

/// How often the apalis worker tells its registry that it lives. Only apalis reads that; ours is `registry`.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Heartbeats after which apalis takes a worker for dead and re-queues what it had fetched: 24 hours. It compares the
/// clocks of different machines for that (apalis-redis 1.0.0), so with a short time one wrong clock would unregister
/// every worker. Recovery is the ledger's business.
const MISSED_HEARTBEATS: usize = 24 * 60 * 2;

/// The most hints fetched at once.
const LARGEST_BATCH: usize = 100;

/// The settings of apalis-redis for the queue `name` in a process that handles `concurrency` hints at once.
///
/// Every field is set, because defaults and documentation of apalis-redis 1.0.0 disagree, and so that a field that a
/// later release adds does not compile unnoticed.
#[must_use]
pub fn config(name: &str, concurrency: usize) -> Config {
    Config {
        queue: Queue::from(name),
        // Never more than are handled at once: a worker with fetched tasks in its buffer sends no heartbeat.
        batch_size: concurrency.clamp(1, LARGEST_BATCH),
        heartbeat_interval: HEARTBEAT,
        missed_heartbeats: MISSED_HEARTBEATS,
        lock_tasks: false,
        persist_results: true, // Without it there are no acks.
        emit_events: false,
        idempotency_ttl: Some(DAMP), // `None` would expire at once. We push no idempotency keys.
        database_url: None,
    }
}

/// A worker name for this start of a process: `base` with a suffix that no other process has, nor this one after a
/// restart. apalis-redis 1.0.0 refuses a name for 30 s after its last heartbeat, and then re-queues what it had
/// fetched.
#[must_use]
pub fn process_name(base: &str) -> String {
    format!("{base}-{}", Uuid::now_v7().simple())
}

/// Leaves payloads as they are. [`Reception`](super::reception::Reception) decodes them, because apalis takes a payload
/// that its codec cannot read for an error of the backend, which stops the worker.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RawBytes;

impl Codec<Vec<u8>> for RawBytes {
    type Error = Infallible;
    type Compact = Vec<u8>;

    fn encode(&self, payload: &Vec<u8>) -> Result<Vec<u8>, Infallible> {
        Ok(payload.clone())
    }

    fn decode(&self, payload: &Vec<u8>) -> Result<Vec<u8>, Infallible> {
        Ok(payload.clone())
    }
}

#[cfg(test)]
mod tests {
    use apalis_core::worker::context::WorkerContext;
    use sexton_core::transport::Keys;

    use super::*;

    #[test]
    fn our_key_names_are_those_of_apalis_redis() -> Result<(), sexton_core::transport::Error> {
        let (theirs, ours) = (config("app:deletions", 8), Keys::new("app:deletions")?);
        let worker = WorkerContext::new("host-1#2");
        assert_eq!(ours.active(), theirs.active_jobs_list());
        assert_eq!(ours.data(), theirs.job_data_hash());
        assert_eq!(ours.meta_prefix(), theirs.job_meta_hash());
        assert_eq!(ours.meta("x"), format!("{}:x", theirs.job_meta_hash()));
        assert_eq!(ours.inflight(worker.name()), theirs.inflight_set_for(&worker));
        assert_eq!(ours.workers(), theirs.workers_set());
        assert_eq!(ours.worker_metadata(worker.name()), theirs.worker_metadata_key(&worker));
        assert_eq!(ours.done(), theirs.done_jobs_set());
        assert_eq!(ours.dead(), theirs.dead_jobs_set());
        assert_eq!(ours.scheduled(), theirs.scheduled_jobs_set());
        assert_eq!(ours.signal(), theirs.signal_list());
        Ok(())
    }

    #[test]
    fn every_setting_of_apalis_redis_is_the_one_we_rely_on() {
        for (concurrency, batch) in [(0, 1), (1, 1), (64, 64), (1000, 100)] {
            assert_eq!(config("q", concurrency).batch_size, batch);
        }
        let config = config("q", 8);
        assert_eq!(config.orphaned_duration(), Duration::from_secs(24 * 3600));
        assert_eq!(config.heartbeat_interval, Duration::from_secs(30));
        assert!(!config.lock_tasks && config.persist_results && !config.emit_events);
        assert_eq!(config.idempotency_ttl, Some(Duration::from_secs(60)));
    }
}
