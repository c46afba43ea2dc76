//! What workers leave behind, and which of them count as alive.

use std::time::Duration;

use apalis_core::worker::{builder::WorkerBuilder, context::WorkerContext};
use apalis_redis::RedisStorage;
use redis::{AsyncCommands, aio::MultiplexedConnection};
use sexton_core::transport::HintQueue;
use sexton_tests::{Redis, eventually};
use sexton_worker::transport::{config, process_name};

use super::rig::{NAME, Process, Recorder, hints, keys, number, tell};

/// Redis's clock, in milliseconds.
async fn redis_time(redis: &mut MultiplexedConnection) -> i64 {
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(redis).await.expect("the time");
    seconds * 1000 + micros / 1000
}

/// A worker that fetched `count` hints and has been silent for `silence`.
async fn worker_with_hints(redis: &Redis, worker: &str, count: usize, silence: Duration) {
    let mut look = redis.connect().await;
    let queue = HintQueue::new(&redis.url(), NAME).expect("a good URL");
    queue.enqueue(&hints(count), 7000).await.expect("Redis is up");
    let ids: Vec<String> = look.lrange(keys().active(), 0, -1).await.expect("ids");
    let process = worker.split('#').next().expect("a process");
    let last = redis_time(&mut look).await - i64::try_from(silence.as_millis()).expect("small");
    let _: () = look.sadd(keys().inflight(worker), ids).await.expect("sadd");
    // By its own clock it was there a moment ago: an hour ahead.
    let _: () = look.zadd(keys().workers(), worker, last / 1000 + 3600).await.expect("zadd");
    let _: () = look.zadd(keys().alive(), process, last).await.expect("zadd");
    tell(&mut look, &["HSET", &keys().worker_metadata(worker), "service", "x"]).await;
    tell(&mut look, &["DEL", &keys().active()]).await;
}

/// Facts 5 and 7: apalis would put them back without counting, and a job that kills its process would go on doing so.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_worker_held_is_dropped_and_not_requeued() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    worker_with_hints(&redis, "dead-host#1", 1200, Duration::from_secs(61)).await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    eventually("it is gone", async || number(&mut look, &["ZCARD", &keys().workers()]).await == 1).await;
    assert_eq!(number(&mut look, &["EXISTS", &keys().inflight("dead-host#1")]).await, 0);
    assert_eq!(number(&mut look, &["EXISTS", &keys().worker_metadata("dead-host#1")]).await, 0);
    assert_eq!(number(&mut look, &["HLEN", &keys().data()]).await, 0);
    let left: Vec<String> = look.keys(format!("{}:*", keys().meta_prefix())).await.expect("keys");
    assert!(left.is_empty(), "{} left", left.len());
    let damped: Vec<String> = look.keys("*:seen:*").await.expect("keys");
    assert!(damped.is_empty(), "dropped hints may be pushed again at once");
    assert_eq!((process.recorder.count(), process.activity.hints()), (0, 0), "nothing was queued again");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_silent_for_less_than_a_minute_keeps_what_it_holds() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    worker_with_hints(&redis, "slow-host#1", 3, Duration::from_secs(30)).await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    process.passes_hints().await;
    assert_eq!(number(&mut look, &["SCARD", &keys().inflight("slow-host#1")]).await, 3);
    process.stop().await;
}

/// A process that restarts its intake, or was killed and never signs off.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_processes_hints_wait_for_its_death_by_redis_time() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let stuck = Recorder::with(0);
    let killed = Process::begin(&redis.url(), &process_name("killed"), 4, stuck.clone());
    killed.healthy().await;
    killed.queue.enqueue(&hints(4), 10).await.expect("Redis is up");
    eventually("it has begun", async || stuck.begun() == 4).await;
    let worker = killed.activity.worker().expect("a worker");
    let name = worker.split('#').next().expect("a process").to_owned();
    killed.kill();
    let process = Process::start(&redis.url(), Recorder::new()).await;
    process.passes_hints().await;
    assert_eq!(number(&mut look, &["SCARD", &keys().inflight(&worker)]).await, 4);
    let last = redis_time(&mut look).await - 61_000;
    let _: () = look.zadd(keys().alive(), &name, last).await.expect("zadd");
    eventually("it is gone", async || number(&mut look, &["EXISTS", &keys().inflight(&worker)]).await == 0).await;
    process.passes_hints().await;
    assert_eq!(process.recorder.count(), 2);
    process.stop().await;
}

/// Fact 8: at apalis' orphan time of 60 s, a machine 400 s ahead unregisters all others at each of its heartbeats.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_clock_is_ahead_cannot_orphan_us() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    let ours = process.activity.worker().expect("a worker");
    let score: f64 = look.zscore(keys().workers(), &ours).await.expect("registered");
    // What our registration looks like to a clock that is 400 s ahead.
    let _: () = look.zadd(keys().workers(), &ours, score - 400.0).await.expect("zadd");

    let orphan_time = config(NAME, 4).orphaned_duration().as_secs();
    let hasty = config(NAME, 4).heartbeat_interval(Duration::from_secs(1));
    let hasty = hasty.missed_heartbeats(usize::try_from(orphan_time).expect("small"));
    let backend = RedisStorage::<u32, _>::new(redis.connect().await).with_config(hasty);
    let worker = WorkerBuilder::new("ahead#1").backend(backend).build(async |_: u32, _: WorkerContext| {});
    let ahead = tokio::spawn(worker.run());
    let first: f64 = loop {
        match look.zscore::<_, _, Option<f64>>(keys().workers(), "ahead#1").await.expect("redis is up") {
            Some(score) => break score,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    eventually("it has looked for orphans", async || {
        let now: f64 = look.zscore(keys().workers(), "ahead#1").await.expect("registered");
        now >= first + 2.0
    })
    .await;
    ahead.abort();
    let score: Option<f64> = look.zscore(keys().workers(), &ours).await.expect("redis is up");
    assert!(score.is_some(), "we are still registered");
    assert_eq!(process.activity.restarts(), 0, "{:?}", process.activity.last_error());
    process.passes_hints().await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_unregistered_registers_again() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    tell(&mut look, &["DEL", &keys().workers()]).await;
    eventually("it notices", async || process.activity.restarts() == 1).await;
    process.healthy().await;
    process.passes_hints().await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_concurrency_of_live_processes_is_summed_and_a_departed_one_no_longer_counts() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let one = Process::begin(&redis.url(), &process_name("one"), 3, Recorder::new());
    let two = Process::begin(&redis.url(), &process_name("two"), 5, Recorder::new());
    eventually("both count", async || one.activity.registered_concurrency() == 8).await;
    two.stop().await;
    eventually("one counts", async || one.activity.registered_concurrency() == 3).await;
    // A dead one does not count either.
    let last = redis_time(&mut look).await - 61_000;
    let _: () = look.zadd(keys().alive(), "dead", last).await.expect("zadd");
    tell(&mut look, &["HSET", &keys().concurrency(), "dead", "100"]).await;
    one.passes_hints().await;
    tokio::time::sleep(Duration::from_millis(1100)).await; // One more beat.
    assert_eq!(one.activity.registered_concurrency(), 3);
    one.stop().await;
}
