//! Rate limits, as the external system sees them.

use std::time::{Duration, Instant};

use sexton_tests::{
    Redis,
    api::{Answer, Behaviour, Call},
};

use crate::rig::workers::{Rig, Setup};

/// Over every stretch of time there are no more calls than the burst and the rate allow; `slack` more may have been let
/// through earlier and have been on their way.
pub(super) fn assert_rate(calls: &[Call], per_second: f64, burst: usize, slack: usize) {
    let mut times: Vec<Instant> = calls.iter().map(|call| call.at).collect();
    times.sort();
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let allowed = burst as f64 + per_second * (*to - *from).as_secs_f64() + slack as f64;
            let seen = last - first + 1;
            assert!(seen as f64 <= allowed, "{seen} calls within {:?}", *to - *from);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_processes_share_the_rate_of_a_target() {
    let redis = Redis::start().await;
    let target = "rate_limit = { per_second = 50, burst = 10 }";
    let setup = Setup { redis: Some(redis.url()), target, lease: "60s", timeout: "20s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    let (one, two, three, four) = tokio::join!(rig.run(), rig.run(), rig.run(), rig.run());
    rig.request("item", 1..=300).await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(300).await;
    let calls = rig.api.log();
    assert_eq!(calls.len(), 300);
    assert_rate(&calls, 50.0, 10, 10);
    let took = calls.iter().map(|call| call.at).max().unwrap() - calls.iter().map(|call| call.at).min().unwrap();
    assert!(took >= Duration::from_secs(5), "290 calls at 50 a second took {took:?}");
    assert_eq!(rig.number("select count(*) from sexton_attempt").await, 0, "waiting costs no attempt");
    // Few were claimed in vain.
    let claims = rig.number("select sum(fence) from sexton_deletion_done").await;
    assert!(claims < 900, "300 calls took {claims} claims");
    tokio::join!(one.stop(), two.stop(), three.stop(), four.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_keeps_to_the_rate_alone_while_redis_is_away() {
    let mut redis = Redis::start().await;
    let target = "rate_limit = { per_second = 40, burst = 5 }";
    let setup = Setup { redis: Some(redis.url()), target, lease: "60s", timeout: "20s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    redis.kill().await;
    let worker = rig.run().await;
    rig.request("item", 1..=120).await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(120).await;
    assert_rate(&rig.api.log(), 40.0, 5, 8);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_calls_are_in_flight_than_a_target_bears() {
    let redis = Redis::start().await;
    let target = "max_in_flight = 3";
    let setup = Setup { redis: Some(redis.url()), target, lease: "60s", timeout: "20s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    rig.api.set_default(Behaviour::Always(Answer::Delay(Duration::from_millis(50), Box::new(Answer::Status(204)))));
    let (one, two) = tokio::join!(rig.run(), rig.run());
    rig.request("item", 1..=60).await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(60).await;
    assert!(rig.api.max_in_flight() <= 3, "{} were in flight", rig.api.max_in_flight());
    tokio::join!(one.stop(), two.stop());
}
