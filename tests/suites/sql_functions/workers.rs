//! Workers take what the functions recorded as they take everything else.

use std::time::{Duration, Instant};

use sexton_tests::{Redis, measure::takes_at_most};
use sqlx::postgres::PgListener;

use super::setup::rig;
use crate::rig::{PATIENCE, RESOURCE, Rig, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_functions_recorded_is_called_for_and_deleted() {
    let rig = rig().await;
    let block = rig.soft_remove("block", "1").await;
    let album = rig.soft_remove("album", "1").await;
    rig.work().await;
    assert_eq!((rig.state(&block).await.as_str(), rig.state(&album).await.as_str()), ("completed", "completed"));
    assert_eq!(rig.rows("select id from block order by id").await, ["5", "6", "7"]);
    assert_eq!(rig.rows("select (select count(*) from album), (select count(*) from photo)").await, ["1|1"]);
    let calls = rig.calls();
    let place = |path: &str| calls.iter().position(|call| call == &format!("DELETE {path}")).unwrap();
    assert!(place("/prints/111") < place("/photos/11") && place("/photos/11") < place("/albums/1"), "{calls:?}");
    assert!(calls.contains(&"DELETE /c/g1".to_owned()), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_restore_and_a_worker_one_wins() {
    let rig = Rig::blocks(Server::postgres().await, 60).await;
    drop(rig.psql("select sexton_soft_remove('block', id::text) from block").await.expect_code(0));
    let restores: Vec<_> = (1..=60).rev().map(|n| format!("select sexton_restore_row('block', '{n}');")).collect();
    let daemon = rig.sexton.spawn(&["run"]).await;
    rig.api.wait_until("the first is called for", PATIENCE, |calls| !calls.is_empty()).await;
    let output = rig.psql(&format!("\\set ON_ERROR_STOP 0\n{}", restores.join("\n"))).await;
    rig.until("select count(*) from sexton_deletion", "0").await;
    drop(daemon);
    let states = "select state, count(*) from sexton_deletion_done group by 1 order by 1";
    println!("{:?}", rig.rows(states).await);
    assert_eq!(output.stderr.matches("SX002").count() + output.stdout.lines().count(), 60, "{output:?}");
    let mut calls: Vec<_> = rig.calls();
    calls.sort();
    let completed =
        "select 'DELETE /calendars/c/events/g' || key from sexton_deletion_done where state = 'completed' order by 1";
    let mut wanted = rig.rows(completed).await;
    wanted.sort();
    assert_eq!(calls, wanted, "each that was not restored, once");
    let live = "select count(*) from block where deleted_at is null";
    assert_eq!(rig.one(live).await, output.stdout.lines().count().to_string());
    assert_eq!(rig.rows(live).await, rig.rows("select count(*) from block").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_starts_within_a_second_of_the_commit_with_redis() {
    let redis = Redis::start().await;
    let rig = Rig::blocks(Server::postgres().await, 5).await;
    rig.reconfigure(&format!("[queue]\nurl = \"{}\"\n{RESOURCE}", redis.url()));
    let daemon = rig.daemon().await;
    rig.until(
        "select count(*) > 0 from pg_stat_activity where query ilike 'listen%' and datname = current_database()",
        "t",
    )
    .await;
    let mut n = 0;
    let time = async || {
        // The worker looks seldom by now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        n += 1;
        let asked = Instant::now();
        rig.soft_remove("block", &n.to_string()).await;
        let calls = rig.api.wait_for_calls(n, PATIENCE).await;
        calls.last().unwrap().at.saturating_duration_since(asked)
    };
    // Starting psql included.
    takes_at_most(Duration::from_secs(1), time).await;
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_are_notified_of_what_is_due_or_waits_and_of_nothing_else() {
    let rig = rig().await;
    let mut listener = PgListener::connect(rig.server.url()).await.unwrap();
    listener.listen("sexton_due").await.unwrap();
    for (resource, key) in
        [("thing", "01939d1c-aaaa-7000-8000-000000000000"), ("note", "plain"), ("block", "1"), ("album", "2")]
    {
        rig.soft_remove(resource, key).await;
        rig.execute(&format!("notify sexton_due, 'after {resource}'")).await;
    }
    drop(rig.psql("begin; select sexton_soft_remove('block', '7'); rollback").await.expect_code(0));
    rig.execute("notify sexton_due, 'the end'").await;
    let mut said = Vec::new();
    while said.last().is_none_or(|said| said != "the end") {
        let notification = tokio::time::timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
        said.push(notification.payload().to_owned());
    }
    assert_eq!(said, ["after thing", "after note", "", "after block", "", "after album", "the end"]);
}
