//! Things in the queue that should not be there.

use redis::AsyncCommands;
use sexton_tests::{Redis, eventually};

use super::rig::{Process, Recorder, hints, keys, number, remaining, tell};

/// Fact 2: one such id kills every worker that fetches it, and apalis' `Monitor` calls that a success.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_without_data_does_not_stop_the_intake() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    for n in 0..700 {
        tell(&mut look, &["RPUSH", &keys().active(), &format!("01HZZZZZZZZZZZZZZZZZZZZ{n:03}")]).await;
    }
    tell(&mut look, &["RPUSH", &keys().active(), "not an id \u{7f}", ""]).await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    let hints = hints(50);
    eventually("the hints among them are handled", async || {
        let _ = process.queue.enqueue(&hints, 7000).await;
        process.recorder.has_all(&hints)
    })
    .await;
    assert!(process.activity.restarts() <= 2, "one restart mends the whole list: {}", process.activity.restarts());
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_metadata_does_not_stop_the_intake() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    for (id, meta) in [("a", "attempts"), ("b", "max_attempts"), ("c", "status")] {
        process.passes_hints().await;
        tell(&mut look, &["HSET", &keys().data(), id, "{}"]).await;
        tell(&mut look, &["HSET", &keys().meta(id), "attempts", "0", "max_attempts", "1", "status", "Pending"]).await;
        tell(&mut look, &["HSET", &keys().meta(id), meta, "99999999999999"]).await;
        tell(&mut look, &["RPUSH", &keys().active(), id]).await;
    }
    tell(&mut look, &["HSET", &keys().data(), "d", "{}"]).await;
    tell(&mut look, &["SET", &keys().meta("d"), "of another type"]).await;
    tell(&mut look, &["RPUSH", &keys().active(), "d"]).await;
    process.passes_hints().await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_hints_of_unknown_versions_are_acked_and_the_intake_goes_on() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    let garbage: [&[u8]; 6] =
        [b"", b"garbage", b"\xff\xfe\x00", b"null", br#"{"v":"2","id":1}"#, br#"{"v":"1","id":"x"}"#];
    for (n, payload) in garbage.into_iter().enumerate() {
        let id = format!("01HZZZZZZZZZZZZZZZZZZZZ{n:03}");
        let _: () = look.hset(keys().data(), &id, payload).await.expect("hset");
        tell(&mut look, &["HSET", &keys().meta(&id), "attempts", "0", "max_attempts", "1", "status", "Pending"]).await;
        tell(&mut look, &["RPUSH", &keys().active(), &id]).await;
    }
    process.passes_hints().await;
    eventually("all are received", async || process.activity.hints() >= 7).await;
    assert_eq!(process.recorder.count(), 1);
    assert_eq!(process.activity.restarts(), 0, "{:?}", process.activity.last_error());
    eventually("all are acked and pruned", async || number(&mut look, &["HLEN", &keys().data()]).await == 0).await;
    process.stop().await;
}

/// Fact 8: the second ack of such an id fails.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_twice_in_the_list_does_not_stop_the_intake() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let queue = sexton_core::transport::HintQueue::new(&redis.url(), super::rig::NAME).expect("a good URL");
    queue.enqueue(&hints(1), 10).await.expect("Redis is up");
    let id: String = look.lindex(keys().active(), 0).await.expect("an id");
    tell(&mut look, &["RPUSH", &keys().active(), &id]).await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    eventually("it is handled", async || process.recorder.count() == 1).await;
    process.passes_hints().await;
    process.stop().await;
}

/// Fact 3: apalis retries what fails up to 25 times, whatever `max_attempts` says.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_is_acked_and_never_retried_by_apalis() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::panicking(100)).await;
    process.queue.enqueue(&hints(20), 100).await.expect("Redis is up");
    eventually("all have begun", async || process.recorder.begun() == 20).await;
    eventually("all are acked and pruned", async || number(&mut look, &["HLEN", &keys().data()]).await == 0).await;
    let left = remaining(&mut look).await;
    assert!(!left.contains(&keys().scheduled()) && !left.contains(&keys().dead()), "{left:?}");
    assert_eq!((process.recorder.begun(), process.activity.restarts()), (20, 0));
    process.stop().await;
}

/// Fact 1: a fetch unpacks all that is due in the scheduled set at once, which fails beyond some 8,000, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_set_that_apalis_cannot_unpack_is_pruned_away() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let fill = "for i = 1, 20000 do redis.call('ZADD', KEYS[1], 1, 'old-' .. i) end";
    tell(&mut look, &["EVAL", fill, "1", &keys().scheduled()]).await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    process.passes_hints().await;
    assert_eq!(number(&mut look, &["EXISTS", &keys().scheduled()]).await, 0);
    process.stop().await;
}
