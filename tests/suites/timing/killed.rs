//! `kill -9`.

use std::time::{Duration, Instant};

use sexton_tests::{
    Redis,
    api::{Answer, Behaviour, Gate},
};

use crate::rig::{
    PATIENCE,
    workers::{Rig, Setup},
};

const LEASE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_killed_in_mid_call_loses_nothing_and_its_rows_run_elsewhere_after_the_lease() {
    let redis = Redis::start().await;
    let mut rig = Rig::new(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let gate = Gate::new();
    rig.api.set_default(Behaviour::Always(Answer::Held(gate.clone(), Box::new(Answer::Status(204)))));
    let victim = rig.run().await;
    rig.request("item", 1..=10).await;
    let began = rig.api.wait_for_calls(10, PATIENCE).await;
    let claimed = began.iter().map(|call| call.at).min().unwrap();
    victim.kill().await;
    let renewed = Instant::now();
    gate.open();
    let other = rig.run().await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    let calls = rig.api.log();
    let second = calls[10].at;
    assert!(second - claimed >= LEASE, "called again after {:?}, within the lease", second - claimed);
    // The lease, a quarter of it for the rescue, and time to look.
    assert!(second - renewed < LEASE + LEASE / 4 + Duration::from_secs(2), "after {:?}", second - renewed);
    assert_eq!(calls.len(), 20);
    rig.assert_completed(10).await;
    assert!(other.metric("sexton_rescues_total").await >= 10.0);
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rescued_rows_do_not_wait_for_each_other_longer_than_their_calls() {
    let mut rig = Rig::new(Setup { concurrency: 64, ..Setup::default() }).await;
    let gate = Gate::new();
    rig.api.set_default(Behaviour::Always(Answer::Held(gate.clone(), Box::new(Answer::Status(204)))));
    let victim = rig.run().await;
    rig.request("item", 1..=50).await;
    rig.api.wait_for_calls(50, PATIENCE).await;
    victim.kill().await;
    gate.open();
    let other = rig.run().await;
    let calls = rig.api.wait_for_calls(100, PATIENCE).await;
    let took = calls[99].at - calls[50].at;
    assert!(took < Duration::from_secs(10), "50 rescued rows took {took:?}");
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(50).await;
    other.stop().await;
}
