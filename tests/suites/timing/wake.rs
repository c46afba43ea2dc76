//! Deletions that no hint speaks of: requested by SQL, or by a process without Redis.

use std::time::{Duration, Instant};

use sexton_tests::{
    Redis,
    measure::{median, takes_at_most},
};
use sqlx::postgres::PgListener;

use crate::rig::{
    PATIENCE, store,
    workers::{Rig, Setup},
};

/// From the notification after the commit to the call's arrival, for each of several deletions.
async fn times(rig: &mut Rig, count: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    let first = rig.api.log().len() + 1;
    for n in first..first + count {
        // The worker looks seldom by now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let row = i64::try_from(n).unwrap();
        rig.request("item", row..=row).await;
        let asked = Instant::now();
        rig.test_db.execute("notify sexton_due").await;
        let calls = rig.api.wait_for_calls(n, PATIENCE).await;
        times.push(calls.last().unwrap().at.saturating_duration_since(asked));
        rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    }
    times.sort();
    println!("from the notification to the call: {times:?}");
    times
}

async fn listening(rig: &Rig) {
    rig.wait_until(
        "exists (select 1 from pg_stat_activity where query ilike 'listen%' and datname = current_database())",
    )
    .await;
}

/// Without the notification it would take a quarter of a second on average, and half of one at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notified_deletion_starts_at_once_without_redis() {
    let mut rig = Rig::new(Setup::default()).await;
    let worker = rig.run().await;
    listening(&rig).await;
    takes_at_most(Duration::from_millis(100), async || median(times(&mut rig, 9).await)).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notified_deletion_starts_within_a_second_with_redis() {
    let redis = Redis::start().await;
    let mut rig = Rig::new(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let worker = rig.run().await;
    worker.wait_for_metric("sexton_fed_by_redis", |fed| fed > 0.5).await;
    worker.daemon.wait_for_log("this process dispatches", PATIENCE).await;
    listening(&rig).await;
    takes_at_most(Duration::from_secs(1), async || *times(&mut rig, 15).await.last().unwrap()).await;
    assert!(worker.metric("sexton_hints_pushed_total").await > 0.5, "the dispatcher was woken");
    worker.stop().await;
}

/// The leader may be stuck, or have died a moment ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notified_deletion_starts_within_a_second_without_a_dispatcher() {
    let redis = Redis::start().await;
    let mut rig = Rig::new(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let queue = store::hint_queue(&redis, rig.test_db.url()).await;
    let mut lead = redis::cmd("SET");
    lead.arg(queue.keys().dispatcher()).arg("nobody");
    lead.query_async::<()>(&mut redis.connect().await).await.unwrap();
    let worker = rig.run().await;
    worker.wait_for_metric("sexton_fed_by_redis", |fed| fed > 0.5).await;
    listening(&rig).await;
    takes_at_most(Duration::from_secs(1), async || times(&mut rig, 3).await[2]).await;
    assert!(worker.metric("sexton_fed_by_redis").await > 0.5, "that is not the fault of Redis");
    assert!(worker.metric("sexton_hints_pushed_total").await < 0.5);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_listens_again_after_its_connection_was_cut() {
    let mut rig = Rig::new(Setup::default()).await;
    let worker = rig.run().await;
    listening(&rig).await;
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where query ilike 'listen%' and datname = current_database()";
    assert_eq!(rig.value(cut).await, "1", "one connection besides the pool's");
    listening(&rig).await;
    takes_at_most(Duration::from_millis(100), async || median(times(&mut rig, 9).await)).await;
    worker.stop().await;
}

/// A commit that notifies holds a lock which all such commits of the database wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_notifies_only_where_no_hint_follows() {
    let redis = Redis::start().await;
    let rig = Rig::new(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let without_redis = rig.sexton_with(&format!("[queue]\nurl = '{}'\n", redis.url()), "");
    rig.test_db.execute("insert into item select n, 'item-' || n, null from generate_series(1, 4) n").await;
    let mut listener = PgListener::connect(rig.test_db.url()).await.unwrap();
    listener.listen("sexton_due").await.unwrap();
    drop(rig.sexton.run(&["request", "item", "1"]).await.expect_code(0));
    drop(without_redis.run(&["request", "item", "2", "--after", "1h"]).await.expect_code(0));
    drop(without_redis.run(&["request", "item", "3", "4"]).await.expect_code(0));
    // Notifications arrive in the order of the commits: this one comes after all that there were.
    rig.test_db.execute("notify sexton_due, 'the end'").await;
    let mut said = Vec::new();
    while said.last().is_none_or(|said| said != "the end") {
        let notification = tokio::time::timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
        said.push(notification.payload().to_owned());
    }
    assert_eq!(said, ["", "the end"], "one for the two that are due");
}
