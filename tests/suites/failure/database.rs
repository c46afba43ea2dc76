//! The database goes away and comes back; or there are too few connections.

use std::time::Duration;

use sexton_tests::{
    Postgres, Redis,
    api::{Answer, Behaviour},
};

use crate::rig::workers::{Rig, Setup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_restarted_in_mid_run_loses_nothing() {
    let (mut server, redis) = (Postgres::start_dedicated().await, Redis::start().await);
    let mut rig = Rig::on(&server, Setup { redis: Some(redis.url()), ..Setup::default() }).await;
    let slow = Answer::Delay(Duration::from_millis(20), Box::new(Answer::Status(204)));
    rig.api.set_default(Behaviour::Always(slow));
    let (one, two) = (rig.run().await, rig.run().await);
    rig.request("item", 1..=3000).await;
    for done in [300, 1200] {
        rig.wait_until(&format!("(select count(*) from sexton_deletion_done) > {done}")).await;
        server.stop_immediate().await;
        server.start_again().await;
    }
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(3000).await;
    for worker in [one, two] {
        assert_eq!(worker.daemon.exit_code(), None, "it bears a restart of the database");
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_are_enough_for_500_rows_at_once() {
    let redis = Redis::start().await;
    let setup = Setup { redis: Some(redis.url()), concurrency: 500, connections: 2, lease: "12s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    rig.request("item", 1..=2000).await;
    rig.request("other", 1..=2000).await;
    let worker = rig.run().await;
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(4000).await;
    assert_eq!(worker.metric("sexton_rescues_total").await, 0.0, "leases are renewed all the same");
    worker.stop().await;
}
