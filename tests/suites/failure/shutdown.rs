//! Signals, and `run --until-idle`.

use std::time::{Duration, Instant};

use sexton_tests::{
    Redis, Sexton,
    api::{Answer, Behaviour, Gate},
};

use crate::rig::{
    PATIENCE,
    workers::{Rig, Setup},
};

fn wait_at(gate: &Gate) -> Behaviour {
    Behaviour::Always(Answer::Held(gate.clone(), Box::new(Answer::Status(204))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_calls_in_flight_and_begins_no_more() {
    let redis = Redis::start().await;
    let setup = Setup { redis: Some(redis.url()), concurrency: 8, timeout: "4s", lease: "12s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    let gate = Gate::new();
    rig.api.set_default(wait_at(&gate));
    rig.request("item", 1..=100).await;
    let worker = rig.run().await;
    rig.api.wait_for_in_flight(7, PATIENCE).await;
    worker.daemon.signal("TERM");
    worker.daemon.wait_for_log("stopping", PATIENCE).await;
    gate.open();
    assert_eq!(worker.daemon.wait(PATIENCE).await, 0);
    let calls = rig.api.log();
    assert!(calls.len() <= 8, "{} calls for 8 slots", calls.len());
    assert!(calls.iter().all(|call| call.confirmed));
    let states = rig.states().await;
    assert_eq!((states["completed"], states["pending"]), (calls.len(), 100 - calls.len()), "{states:?}");
    rig.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_longer_than_the_grace_are_handed_back() {
    let setup = Setup { timeout: "20s", lease: "60s", grace: "500ms", concurrency: 8, ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    let gate = Gate::new();
    rig.api.set_default(wait_at(&gate));
    rig.request("item", 1..=20).await;
    let worker = rig.run().await;
    rig.api.wait_for_in_flight(7, PATIENCE).await;
    let asked = Instant::now();
    worker.daemon.signal("TERM");
    assert_eq!(worker.daemon.wait(PATIENCE).await, 0);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(rig.states().await, [("pending".to_owned(), 20)].into());
    let (called, attempts) = ("called_at is not null", "attempts");
    assert_eq!(rig.number(&format!("select count(*) from sexton_deletion where {called}")).await, 7);
    assert_eq!(rig.number(&format!("select sum({attempts}) from sexton_deletion")).await, 0, "attempts are given back");
    gate.open();
    rig.drain().await;
    // The first calls were answered after all, so these were told that the object is gone.
    rig.assert_completed(20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_signal_ends_the_process_at_once() {
    let setup = Setup { timeout: "20s", lease: "60s", grace: "30s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    let gate = Gate::new();
    rig.api.set_default(wait_at(&gate));
    rig.request("item", 1..=1).await;
    let worker = rig.run().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    worker.daemon.signal("TERM");
    // The first one is taken before the second is sent, or they would be one.
    worker.daemon.wait_for_log("stopping", PATIENCE).await;
    assert_eq!(worker.daemon.exit_code(), None, "it waits for the call");
    let asked = Instant::now();
    worker.daemon.signal("INT");
    assert_eq!(worker.daemon.wait(PATIENCE).await, 1);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(rig.states().await, [("running".to_owned(), 1)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_idle_waits_for_backoffs_but_not_for_grace() {
    let mut rig = Rig::new(Setup::default()).await;
    rig.request("item", 1..=3).await;
    rig.api.script("/item-1", vec![Answer::Status(503), Answer::Status(503), Answer::Status(500)]);
    rig.test_db.execute("insert into item values (4, 'item-4')").await;
    drop(rig.sexton.run(&["request", "item", "4", "--after", "1h"]).await.expect_code(0));
    rig.drain().await;
    assert_eq!(rig.states().await, [("completed".to_owned(), 3), ("pending".to_owned(), 1)].into());
    assert_eq!(rig.api.calls_to("/item-1").len(), 4);
    rig.assert_sound().await;
    // The second time, there is nothing to do.
    rig.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_address_in_use_ends_the_start_with_a_message() {
    let rig = Rig::new(Setup::default()).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let second: Sexton = rig.sexton_with("127.0.0.1:0", &address);
    let output = second.run(&["run"]).await;
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains(&address) && output.stderr.contains("console.listen"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signal_during_the_start_ends_it_with_success() {
    let rig = Rig::new(Setup::default()).await;
    // A process that looks for the ledger waits for this lock.
    let application = rig.test_db.connect().await;
    let lock = sea_orm::TransactionTrait::begin(&application).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&lock, "lock table sexton_resource").await.unwrap();
    let daemon = rig.sexton.spawn(&["run"]).await;
    rig.wait_until(
        "exists (select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())",
    )
    .await;
    daemon.signal("TERM");
    assert_eq!(daemon.wait(Duration::from_secs(4)).await, 0);
    lock.rollback().await.unwrap();
}
