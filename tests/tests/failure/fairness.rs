//! Lanes do not wait for each other.

use std::{sync::Arc, time::Duration};

use sexton_tests::{
    Redis,
    api::{Answer, Behaviour, Call},
};

use super::rig::{PATIENCE, Rig, Setup};

/// 20,000 rows of a slow target are being worked on when ten of another arrive. Returns how long the ten took.
async fn ten_beside_20000(redis: Option<String>) -> Duration {
    let mut rig = Rig::new(Setup { redis, timeout: "3s", lease: "9s", ..Setup::default() }).await;
    rig.api.set_default(Behaviour::With(Arc::new(|call: &Call| {
        let quick = Answer::Status(204);
        if call.path().starts_with("/item") { Answer::Delay(Duration::from_secs(2), Box::new(quick)) } else { quick }
    })));
    rig.request("item", 1..=20_000).await;
    let worker = rig.run().await;
    // The slow target has all the places that it can get.
    rig.api.wait_for_in_flight(28, PATIENCE).await;
    rig.request("other", 1..=10).await;
    let asked = std::time::Instant::now();
    let others = |calls: &[Call]| calls.iter().filter(|call| call.path().starts_with("/other")).count() == 10;
    let calls = rig.api.wait_until("ten calls of the other lane", PATIENCE, others).await;
    let last = calls.iter().filter(|call| call.path().starts_with("/other")).map(|call| call.at).max().unwrap();
    worker.kill().await;
    last.saturating_duration_since(asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_lane_with_20000_due_does_not_delay_another_through_redis() {
    let redis = Redis::start().await;
    // 20,000 calls of two seconds each are most of an hour for 28 places.
    let took = ten_beside_20000(Some(redis.url())).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_lane_with_20000_due_does_not_delay_another_without_redis() {
    let took = ten_beside_20000(None).await;
    assert!(took < Duration::from_secs(6), "{took:?}");
}
