//! Much work at once.

use std::time::Duration;

use sexton_tests::{
    Redis,
    api::{Behaviour, Flaky},
    eventually,
    redis::waiting,
};

use crate::rig::workers::{Rig, Setup};

/// Samples a queue's length every few milliseconds; ends with the most seen.
async fn watch_length(redis: &Redis, done: impl Future<Output = ()>) -> usize {
    let mut connection = redis.connect().await;
    let mut most = 0;
    let mut done = std::pin::pin!(done);
    loop {
        most = most.max(waiting(&mut connection).await);
        tokio::select! {
            () = &mut done => return most,
            () = tokio::time::sleep(Duration::from_millis(3)) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_end_5000_deletions_of_a_flaky_system() {
    let redis = Redis::start().await;
    // Some calls hang, but a slow one is not repeated: each 404 that is sent arrives. After each 429 all wait for a
    // second, so the number of calls in flight is how many are made in a second.
    let setup = Setup { redis: Some(redis.url()), concurrency: 64, lease: "15s", timeout: "5s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    rig.api.set_default(Behaviour::Flaky(Flaky::new(0.2, 11).with_404()));
    rig.request("item", 1..=5000).await;
    let (one, two, three) = tokio::join!(rig.run(), rig.run(), rig.run());
    rig.wait_until("not exists (select 1 from sexton_deletion where state <> 'dead')").await;
    let states = rig.states().await;
    assert_eq!(states.values().sum::<usize>(), 5000, "{states:?}");
    // 404 is not among the accepted answers, so it is permanent; everything else passes with time.
    let rejected = states.get("rejected").copied().unwrap_or_default();
    let not_found = rig.api.log().iter().filter(|call| call.status == Some(404)).count();
    assert_eq!((states["completed"], states.len()), (5000 - rejected, 2), "{states:?}");
    assert_eq!(rejected, not_found);
    assert_eq!(rig.number("select count(*) from item where deleted_at is not null").await, rejected);
    rig.assert_sound().await;
    for worker in [&one, &two, &three] {
        assert!(worker.metric("sexton_completions_total").await > 500.0, "the work is shared");
    }
    tokio::join!(one.stop(), two.stop(), three.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backlog_of_20000_drains_through_a_window_of_2000() {
    let redis = Redis::start().await;
    // No lease ends and no call takes too long, however slow the machine is: each row is called once.
    let setup = Setup { redis: Some(redis.url()), concurrency: 64, lease: "60s", timeout: "20s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    rig.request("item", 1..=20_000).await;
    let worker = rig.run().await;
    let most = watch_length(&redis, rig.wait_until("not exists (select 1 from sexton_deletion)")).await;
    assert!(most <= 2000, "{most} hints were in the list");
    assert!(most > 200, "the list was never filled: {most}");
    rig.assert_completed(20_000).await;
    assert!(worker.metric("sexton_hints_pushed_total").await > 2000.0, "more than a window");
    assert_eq!(rig.api.log().len(), 20_000, "every row was called once");

    // What is left in Redis does not grow with what went through.
    let mut connection = redis.connect().await;
    eventually("fewer than 20 keys are left", async || {
        redis::cmd("DBSIZE").query_async::<usize>(&mut connection).await.unwrap() < 20
    })
    .await;
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await.unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:")).unwrap();
    assert!(used.trim().parse::<usize>().unwrap() < 2_000_000, "{used} bytes");
    worker.stop().await;
}
