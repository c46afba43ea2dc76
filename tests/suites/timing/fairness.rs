//! Lanes do not wait for each other.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sexton_tests::{
    Redis,
    api::{Answer, Behaviour, Call},
    measure::takes_at_most,
};

use crate::rig::{
    PATIENCE,
    workers::{Rig, Setup},
};

/// 20,000 rows of a slow target are being worked on when ten of another arrive: all ten are called within six seconds.
async fn ten_beside_20000(redis: Option<String>) {
    let mut rig = Rig::new(Setup { redis, timeout: "3s", lease: "9s", ..Setup::default() }).await;
    rig.api.set_default(Behaviour::With(Arc::new(|call: &Call| {
        let quick = Answer::Status(204);
        if is_slow(call) { Answer::Delay(Duration::from_secs(2), Box::new(quick)) } else { quick }
    })));
    // 20,000 calls of two seconds each are most of an hour for 28 places.
    rig.request("item", 1..=20_000).await;
    rig.fill_lane("item").await;
    let worker = rig.run().await;
    // The slow target has all the places that it can get.
    rig.api.wait_for_in_flight(28, PATIENCE).await;
    let mut called = 0;
    let ten = async || {
        let first = i64::try_from(called).unwrap() + 1;
        rig.request("other", first..=first + 9).await;
        called += 10;
        let asked = Instant::now();
        let others = |calls: &[Call]| calls.iter().filter(|call| !is_slow(call)).count() == called;
        let calls = rig.api.wait_until("ten calls of the other lane", PATIENCE, others).await;
        let last = calls.iter().filter(|call| !is_slow(call)).map(|call| call.at).max().unwrap();
        last.saturating_duration_since(asked)
    };
    takes_at_most(Duration::from_secs(6), ten).await;
    worker.kill().await;
}

fn is_slow(call: &Call) -> bool {
    call.path().starts_with("/item")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_lane_with_20000_due_does_not_delay_another_through_redis() {
    let redis = Redis::start().await;
    ten_beside_20000(Some(redis.url())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_lane_with_20000_due_does_not_delay_another_without_redis() {
    ten_beside_20000(None).await;
}
