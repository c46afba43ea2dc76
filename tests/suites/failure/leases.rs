//! Leases of a worker that is busy, stopped, or cut off.

use std::time::{Duration, Instant};

use sexton_tests::{
    Postgres,
    api::{Answer, Behaviour, Gate},
};

use crate::rig::{
    PATIENCE,
    workers::{Rig, Setup},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_renewed_for_as_long_as_a_row_is_in_flight() {
    let mut rig = Rig::new(Setup { lease: "3s", timeout: "1s", ..Setup::default() }).await;
    // The application holds a lock on the row, so that completing it takes several turns.
    rig.request("item", 1..=5).await;
    let application = rig.test_db.connect().await;
    let lock = sea_orm::TransactionTrait::begin(&application).await.unwrap();
    let sql = "select 1 from item for update";
    sea_orm::ConnectionTrait::execute_unprepared(&lock, sql).await.unwrap();
    let worker = rig.run().await;
    rig.api.wait_for_calls(5, PATIENCE).await;
    let (held, start) = ("(select max(rescues) from sexton_deletion) = 0", Instant::now());
    while start.elapsed() < Duration::from_secs(5) {
        assert_eq!(rig.value(&format!("select {held}")).await, "t", "a lease expired although its holder lives");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lock.rollback().await.unwrap();
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(5).await;
    assert_eq!(rig.api.log().len(), 5, "what was confirmed is not called again");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_worker_changes_nothing_when_it_resumes_after_its_lease() {
    let mut rig = Rig::new(Setup::default()).await;
    let gate = Gate::new();
    rig.api.set_default(Behaviour::Always(Answer::Held(gate.clone(), Box::new(Answer::Status(500)))));
    let stale = rig.run().await;
    rig.request("item", 1..=3).await;
    rig.api.wait_for_calls(3, PATIENCE).await;
    stale.daemon.signal("STOP");
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    let other = rig.run().await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    let proof = "select string_agg(id || fence::text || attempts || confirmations || finished_at, ';' order by id)
                 from sexton_deletion_done";
    let before = rig.value(proof).await;
    gate.open();
    stale.daemon.signal("CONT");
    stale.daemon.wait_for_log("lease", PATIENCE).await;
    stale.stop().await;
    assert_eq!(rig.value(proof).await, before);
    assert_eq!(rig.states().await, [("completed".to_owned(), 3)].into());
    assert_eq!(rig.number("select count(*) from sexton_attempt").await, 0, "a stale failure is not recorded");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_that_cannot_renew_begins_no_more_calls() {
    let mut server = Postgres::start_dedicated().await;
    let mut rig = Rig::on(&server, Setup { lease: "3s", timeout: "900ms", concurrency: 16, ..Setup::default() }).await;
    let slow = Answer::Delay(Duration::from_millis(100), Box::new(Answer::Status(204)));
    rig.api.set_default(Behaviour::Always(slow));
    rig.request("item", 1..=2000).await;
    let worker = rig.run().await;
    rig.api.wait_for_calls(100, PATIENCE).await;
    server.stop_immediate().await;
    let stopped = Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let late = rig.api.log().iter().filter(|call| call.at > stopped + Duration::from_secs(3)).count();
    assert_eq!(late, 0, "calls were begun without a lease");
    server.start_again().await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(2000).await;
    worker.stop().await;
}
