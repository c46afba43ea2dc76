//! How soon a hint is handled.

use std::time::{Duration, Instant};

use sexton_tests::{
    Redis, eventually,
    measure::{median, takes_at_most},
};

use crate::transport::rig::{Process, Recorder, hints, number};

/// Fact 4: an idle worker of apalis-redis looks for work every 30 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_hint_pushed_to_an_idle_worker_is_handled_within_a_tenth_of_a_second() {
    let redis = Redis::start().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    process.passes_hints().await;
    let latency = async || {
        let mut latencies = Vec::new();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(37)).await; // Idle, and out of step with the poll.
            let (hint, pushed) = (hints(1), Instant::now());
            process.queue.enqueue(&hint, 10).await.expect("Redis is up");
            eventually("the hint is handled", async || process.recorder.has(&hint[0])).await;
            latencies.push(process.recorder.when(&hint[0]).expect("handled") - pushed);
        }
        median(latencies)
    };
    // By the wake, not by the poll: that would take 75 ms at the median.
    takes_at_most(Duration::from_millis(40), latency).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_subscription_costs_latency_only() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let process = Process::start(&redis.url(), Recorder::new()).await;
    eventually("a subscription", async || number(&mut look, &["CLIENT", "KILL", "TYPE", "pubsub"]).await > 0).await;
    let (hint, pushed) = (hints(1), Instant::now());
    process.queue.enqueue(&hint, 10).await.expect("Redis is up");
    eventually("the hint is handled", async || process.recorder.has(&hint[0])).await;
    assert!(pushed.elapsed() < Duration::from_millis(900), "{:?}", pushed.elapsed());
    eventually("a new subscription", async || number(&mut look, &["CLIENT", "KILL", "TYPE", "pubsub"]).await > 0).await;
    assert_eq!(process.activity.restarts(), 0);
    process.stop().await;
}
