//! How soon a requested deletion is worked on.

use std::time::{Duration, Instant};

use sexton_core::{hint::Hint, transport::HintQueue};
use sexton_tests::{
    Redis,
    measure::{median, takes_at_most},
};

use crate::rig::{
    PATIENCE, store,
    workers::{Rig, Setup},
};

/// From the commit (and the hint, if there is a queue) to the call's arrival: the median of several.
async fn times(rig: &mut Rig, queue: Option<&HintQueue>) -> Duration {
    let mut times = Vec::new();
    let first = i64::try_from(rig.api.log().len()).unwrap() + 1;
    for n in first..first + 9 {
        let requested = rig.request("item", n..=n).await;
        let asked = Instant::now();
        if let Some(queue) = queue {
            let hints: Vec<_> = requested.iter().map(|one| Hint::new(one.id, one.fence)).collect();
            queue.enqueue(&hints, 1000).await.unwrap();
        }
        let calls = rig.api.wait_for_calls(usize::try_from(n).unwrap(), PATIENCE).await;
        times.push(calls.last().unwrap().at.saturating_duration_since(asked));
        rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    }
    median(times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hinted_deletion_starts_within_100_ms_on_an_idle_worker() {
    let redis = Redis::start().await;
    let mut rig = Rig::new(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let worker = rig.run().await;
    worker.wait_for_metric("sexton_fed_by_redis", |fed| fed > 0.5).await;
    let queue = store::hint_queue(&redis, rig.test_db.url()).await;
    takes_at_most(Duration::from_millis(100), async || times(&mut rig, Some(&queue)).await).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_without_a_hint_starts_within_a_second() {
    let mut rig = Rig::new(Setup::default()).await;
    let worker = rig.run().await;
    takes_at_most(Duration::from_secs(1), async || times(&mut rig, None).await).await;
    worker.stop().await;
}
