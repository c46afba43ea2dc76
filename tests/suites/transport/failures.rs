//! Redis fails, and comes back.

use std::time::{Duration, Instant};

use redis::AsyncCommands;
use sexton_tests::{Redis, eventually};
use sexton_worker::transport::process_name;

use super::rig::{Process, Recorder, hints, keys, tell};

/// Fact 2: any error of Redis puts apalis' backend into a state that it never leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_and_comes_back_empty_is_used_again() {
    let mut redis = Redis::start().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        process.passes_hints().await;
        names.push(process.activity.worker());
        redis.kill().await;
        process.unhealthy().await;
        assert!(process.activity.last_error().is_some());
        redis.start_again().await;
        process.healthy().await;
    }
    process.passes_hints().await;
    names.push(process.activity.worker());
    names.dedup();
    assert_eq!(names.len(), 4, "a fresh name for each start: {names:?}");
    assert!(process.activity.restarts() >= 3);
    process.stop().await;
}

/// The hung machine: connections stay open and nothing answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_noticed_and_used_again_when_it_answers() {
    let redis = Redis::start().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    redis.freeze();
    let start = Instant::now();
    process.unhealthy().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    redis.thaw();
    process.healthy().await;
    process.passes_hints().await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_that_starts_before_redis_connects_when_redis_is_there() {
    let mut redis = Redis::start().await;
    redis.kill().await;
    let process = Process::begin(&redis.url(), &process_name("test"), 4, Recorder::new());
    eventually("a few attempts", async || process.activity.restarts() >= 3).await;
    assert!(!process.activity.is_healthy() && !process.activity.is_connected());
    redis.start_again().await;
    process.healthy().await;
    process.passes_hints().await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_stops_promptly_while_redis_is_down_or_hung() {
    let mut redis = Redis::start().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    redis.freeze();
    let start = Instant::now();
    process.stop().await;
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    redis.thaw();
    let process = Process::start(&redis.url(), Recorder::new()).await;
    redis.kill().await;
    process.unhealthy().await;
    let start = Instant::now();
    process.stop().await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_unhealthy_without_being_repeated_and_recovers_when_it_becomes_right() {
    let redis = Redis::builder().password("right1").start().await;
    let mut admin = redis.connect().await;
    let url = redis.url().replace("right1", "hunter2");
    let process = Process::begin(&url, &process_name("test"), 4, Recorder::new());
    eventually("a few attempts", async || process.activity.restarts() >= 3).await;
    assert!(!process.activity.is_healthy());
    let error = process.activity.last_error().expect("an error");
    assert!(!error.contains("hunter2") && error.to_lowercase().contains("auth"), "{error}");
    tell(&mut admin, &["CONFIG", "SET", "requirepass", "hunter2"]).await;
    process.healthy().await;
    process.passes_hints().await;
    process.stop().await;
}

/// A failover demotes the primary, and connections to it stay open.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_became_read_only_is_unhealthy_and_recovers() {
    let redis = Redis::start().await;
    let mut admin = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    tell(&mut admin, &["REPLICAOF", "127.0.0.1", "1"]).await;
    process.unhealthy().await;
    eventually("the intake notices", async || !process.activity.is_connected()).await;
    let error = process.activity.last_error().expect("an error").to_lowercase();
    assert!(error.contains("read only") || error.contains("readonly"), "{error}");
    tell(&mut admin, &["REPLICAOF", "NO", "ONE"]).await;
    process.healthy().await;
    process.passes_hints().await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_refuses_pushes_is_unhealthy_and_recovers() {
    let redis = Redis::start().await;
    let mut admin = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    tell(&mut admin, &["CONFIG", "SET", "maxmemory", "1"]).await;
    process.unhealthy().await;
    assert!(process.queue.enqueue(&hints(1), 10).await.is_err());
    assert!(process.activity.last_error().expect("an error").contains("maxmemory"));
    let seen: Vec<String> = admin.keys("*:seen:*").await.expect("keys");
    assert!(seen.is_empty());
    tell(&mut admin, &["CONFIG", "SET", "maxmemory", "0"]).await;
    process.healthy().await;
    process.passes_hints().await;
    process.stop().await;
}

/// A key of another program under our name: no hint passes until it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_wrong_type_is_unhealthy_and_recovers() {
    let redis = Redis::start().await;
    let mut admin = redis.connect().await;
    tell(&mut admin, &["SET", &keys().active(), "not ours"]).await;
    let process = Process::begin(&redis.url(), &process_name("test"), 4, Recorder::new());
    eventually("a few attempts", async || process.activity.restarts() >= 3).await;
    assert!(process.queue.enqueue(&hints(1), 10).await.is_err());
    tell(&mut admin, &["DEL", &keys().active()]).await;
    process.healthy().await;
    process.passes_hints().await;
    process.stop().await;
}
