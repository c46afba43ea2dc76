//! Redis is transport: gone, broken or hanging, it delays and loses nothing.

use std::time::{Duration, Instant};

use redis::AsyncCommands;
use sexton_tests::{
    Redis,
    api::{Answer, Behaviour},
};

use crate::rig::{
    store,
    workers::{Rig, Setup, Worker},
};

const FED: &str = "sexton_fed_by_redis";
const PUSHED: &str = "sexton_hints_pushed_total";

/// A worker on `url` gets through its work although Redis does not carry hints; returns it with its database.
async fn works_without(url: &str, count: i64) -> (Rig, Worker) {
    // No lease ends and no call takes too long, however slow the machine is: nothing waits but for Redis.
    let setup = Setup { redis: Some(url.to_owned()), lease: "60s", timeout: "20s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    let worker = rig.run().await;
    rig.request("item", 1..=count).await;
    let start = Instant::now();
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    rig.assert_completed(usize::try_from(count).unwrap()).await;
    assert!((worker.metric(FED).await).abs() < 0.5, "it was not Redis that fed it");
    (rig, worker)
}

/// Hints are pushed and received as before.
async fn works_with_redis_again(rig: &mut Rig, workers: &[&Worker], from: i64) {
    for worker in workers {
        worker.wait_for_metric(FED, |fed| fed > 0.5).await;
    }
    let before = pushed(workers).await;
    rig.request("item", from..=from + 99).await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    // Whether the dispatcher or the direct feed is quicker with a few rows is open, so more follow until hints are
    // pushed.
    let start = Instant::now();
    let mut next = from + 100;
    while pushed(workers).await <= before {
        assert!(start.elapsed() < Duration::from_secs(30), "no hints are pushed");
        rig.request("item", next..=next + 99).await;
        rig.wait_until("not exists (select 1 from sexton_deletion)").await;
        next += 100;
    }
    rig.assert_sound().await;
}

/// Hints pushed by all workers: whichever of them leads is the one that pushes.
async fn pushed(workers: &[&Worker]) -> f64 {
    let mut pushed = 0.0;
    for worker in workers {
        pushed += worker.metric(PUSHED).await;
    }
    pushed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_redis_keeps_nothing_from_completing() {
    let mut redis = Redis::start().await;
    redis.kill().await;
    let (mut rig, worker) = works_without(&redis.url(), 300).await;
    redis.start_again().await;
    works_with_redis_again(&mut rig, &[&worker], 1001).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_restarted_empty_in_mid_run_loses_nothing() {
    let mut redis = Redis::start().await;
    // No lease ends and no call takes too long, however slow the machine is: each row is called once.
    let setup = Setup { redis: Some(redis.url()), lease: "60s", timeout: "20s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    let slow = Answer::Delay(Duration::from_millis(20), Box::new(Answer::Status(204)));
    rig.api.set_default(Behaviour::Always(slow));
    let (one, two) = (rig.run().await, rig.run().await);
    rig.request("item", 1..=3000).await;
    for done in [200, 1000] {
        rig.wait_until(&format!("(select count(*) from sexton_deletion_done) > {done}")).await;
        redis.restart_empty().await;
    }
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(3000).await;
    assert_eq!(rig.api.log().len(), 3000);
    works_with_redis_again(&mut rig, &[&one, &two], 5001).await;
    tokio::join!(one.stop(), two.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_redis_is_not_used_until_it_has_room() {
    let redis = Redis::builder().arg("--maxmemory").arg("1").arg("--maxmemory-policy").arg("noeviction").start().await;
    let (mut rig, worker) = works_without(&redis.url(), 300).await;
    let mut connection = redis.connect().await;
    let mut more = redis::cmd("CONFIG");
    more.arg("SET").arg("maxmemory").arg("100mb").query_async::<()>(&mut connection).await.unwrap();
    works_with_redis_again(&mut rig, &[&worker], 1001).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_redis_is_not_used_until_it_is_a_primary() {
    let (primary, replica) = (Redis::start().await, Redis::start().await);
    let mut connection = replica.connect().await;
    let mut follow = redis::cmd("REPLICAOF");
    follow.arg("127.0.0.1").arg(primary.port()).query_async::<()>(&mut connection).await.unwrap();
    let (mut rig, worker) = works_without(&replica.url(), 300).await;
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async::<()>(&mut connection).await.unwrap();
    works_with_redis_again(&mut rig, &[&worker], 1001).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_refuses_the_password_is_not_used_until_it_accepts_it() {
    let redis = Redis::builder().password("right").start().await;
    let url = redis.url().replace("right", "wrong");
    let (mut rig, worker) = works_without(&url, 300).await;
    let said: String = worker.daemon.logs().iter().map(|line| line.text.clone() + "\n").collect();
    assert!(!said.contains("wrong"), "the password is in the log: {said}");
    let mut accept = redis::cmd("CONFIG");
    accept.arg("SET").arg("requirepass").arg("wrong").query_async::<()>(&mut redis.connect().await).await.unwrap();
    works_with_redis_again(&mut rig, &[&worker], 1001).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_redis_is_not_used_until_it_answers_again() {
    let redis = Redis::start().await;
    let mut rig = Rig::new(Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let worker = rig.run().await;
    works_with_redis_again(&mut rig, &[&worker], 1).await;
    let done = rig.number("select count(*) from sexton_deletion_done").await;
    redis.freeze();
    rig.request("item", 100_001..=100_300).await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(done + 300).await;
    redis.thaw();
    works_with_redis_again(&mut rig, &[&worker], 200_001).await;
    // It does not delay the shutdown either.
    redis.freeze();
    let asked = Instant::now();
    worker.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

/// Two stages may have the same queue name in one Redis: hints at deletions of the one are of no use to the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ledgers_with_one_queue_name_do_not_take_each_others_hints() {
    let redis = Redis::start().await;
    let setup = || Setup { redis: Some(redis.url()), ..Setup::default() };
    let (mut one, two) = (Rig::new(setup()).await, Rig::new(setup()).await);
    let worker = one.run().await;
    worker.wait_for_metric(FED, |fed| fed > 0.5).await;
    two.test_db.execute("insert into item select n, 'item-' || n from generate_series(1, 3) n").await;
    drop(two.sexton.run(&["request", "item", "1", "2", "3"]).await.expect_code(0));
    works_with_redis_again(&mut one, &[&worker], 1).await;
    let active = store::hint_queue(&redis, two.test_db.url()).await.keys().active();
    let waiting: usize = redis.connect().await.llen(active).await.unwrap();
    assert_eq!(waiting, 3, "no worker is there");
    let other = two.run().await;
    two.wait_until("not exists (select 1 from sexton_deletion)").await;
    two.assert_completed(3).await;
    worker.stop().await;
    other.stop().await;
}
