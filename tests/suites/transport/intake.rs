//! Receiving hints: all of them, soon, and until they are handled.

use std::time::Duration;

use sexton_tests::{Redis, eventually};
use sexton_worker::transport::process_name;

use super::rig::{Process, Recorder, hints, keys, number, remaining, tell};

/// Fact 1: through apalis' own push, 20,000 tasks at once could never be fetched. Facts 7 and P8: without our prune,
/// Redis would hold 20,000 done tasks afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_hints_drain_through_a_window_of_two_thousand_and_leave_nothing_behind() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    let hints = hints(20_000);
    let mut rest = hints.as_slice();
    while !rest.is_empty() {
        let pushed = process.queue.enqueue(rest, 2000).await.expect("Redis is up");
        assert!(pushed.length <= 2000, "{pushed:?}");
        rest = &rest[pushed.accepted..];
        // Whatever Redis holds besides: what is in flight, and what was done in the last second or two.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    eventually("all hints are handled", async || process.recorder.has_all(&hints)).await;
    assert_eq!(process.recorder.count(), 20_000);
    assert_eq!(process.activity.restarts(), 0, "{:?}", process.activity.last_error());
    eventually("Redis forgets what is done, and soon after what was seen", async || {
        number(&mut look, &["HLEN", &keys().data()]).await == 0 && number(&mut look, &["DBSIZE"]).await < 10
    })
    .await;
    process.stop().await;
}

/// Fact 6: apalis leaves its registration behind and refuses the name for the next 30 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_signs_off_and_may_start_again_under_its_old_name() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let name = process_name("host");
    assert_ne!(name, process_name("host"));
    for _ in 0..2 {
        let process = Process::begin(&redis.url(), &name, 4, Recorder::new());
        process.healthy().await;
        process.passes_hints().await;
        assert_eq!(number(&mut look, &["ZCARD", &keys().workers()]).await, 1);
        process.stop().await;
        assert_eq!(number(&mut look, &["ZCARD", &keys().workers()]).await, 0);
    }
    let left = remaining(&mut look).await;
    let expected = ["core:apalis:queues:list".to_owned(), keys().data(), keys().done()];
    assert!(left.iter().all(|key| expected.contains(key) || key.starts_with(&keys().meta_prefix())), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_lets_handlers_finish_and_returns_hints_that_were_not_begun() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let recorder = Recorder::with(0);
    let process = Process::begin(&redis.url(), &process_name("test"), 3, recorder.clone());
    process.healthy().await;
    let hints = hints(10);
    process.queue.enqueue(&hints, 10).await.expect("Redis is up");
    eventually("three handlers run", async || recorder.begun() == 3).await;
    // With one of them free, three more are fetched: one begins, two wait in the worker's buffer.
    recorder.gate.add_permits(1);
    eventually("fetched ahead", async || {
        recorder.begun() == 4 && number(&mut look, &["LLEN", &keys().active()]).await == 4
    })
    .await;
    process.ask_to_stop();
    eventually("the stop is noticed", async || number(&mut look, &["ZCARD", &keys().alive()]).await == 0).await;
    tokio::time::sleep(Duration::from_millis(50)).await; // By the intake, too.
    recorder.gate.add_permits(10);
    process.stop().await;
    assert_eq!(recorder.count(), 4, "handlers that had begun finished, and none began after the stop");
    assert_eq!(number(&mut look, &["LLEN", &keys().active()]).await, 6);
    assert!(remaining(&mut look).await.iter().all(|key| !key.contains("inflight")));
    // The next process handles them.
    let next = Process::start(&redis.url(), Recorder::new()).await;
    eventually("the rest is handled", async || next.recorder.count() == 6).await;
    next.stop().await;
}

/// apalis' own limit begins anew with each worker, while handlers of the one before still run.
#[tokio::test(flavor = "multi_thread")]
async fn handlers_never_exceed_the_concurrency_even_across_a_restart_of_the_intake() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let recorder = Recorder::with(0);
    let process = Process::begin(&redis.url(), &process_name("test"), 5, recorder.clone());
    process.healthy().await;
    process.queue.enqueue(&hints(4), 100).await.expect("Redis is up");
    eventually("four handlers run", async || recorder.begun() == 4).await;
    tell(&mut look, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    eventually("a restart", async || process.activity.restarts() > 0 && process.activity.is_connected()).await;
    process.queue.enqueue(&hints(40), 100).await.expect("Redis is up");
    eventually("the new worker fetches", async || process.activity.hints() > 4).await;
    tokio::time::sleep(Duration::from_millis(300)).await; // Time in which a sixth would begin.
    assert_eq!(recorder.begun(), 5);
    recorder.gate.add_permits(100);
    eventually("all are handled", async || recorder.count() == 44).await;
    process.stop().await;
}
