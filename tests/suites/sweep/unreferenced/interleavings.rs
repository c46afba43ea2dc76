//! A row that is referenced at any moment before it is locked survives: every order is forced.

use sea_orm::ConnectionTrait;
use sexton_core::sweep::unreferenced::Step::{Clear, Delete, Deprecate};

use super::{
    fixture::{Fixture, at_once, code},
    toys::{TOY, days_pass, sweep, toys},
};
use crate::rig::{PATIENCE, Rig, Server};

const LEVELS: [&str; 3] = ["read committed", "repeatable read", "serializable"];

const LIKE: &str = "insert into person (id, favorite_toy_id) values (1, 1)";

async fn to_delete(fixture: &Fixture) {
    assert_eq!(fixture.seen().await, [("1".to_owned(), Delete)]);
}

#[tokio::test]
async fn row_that_is_referenced_after_the_look_survives() {
    let fixture = Fixture::of_old_toys(1).await;
    to_delete(&fixture).await;
    fixture.server.execute(LIKE).await;
    assert!(fixture.act(Delete, &["1"]).await.unwrap().is_empty());
    assert_eq!(fixture.seen().await, [("1".to_owned(), Clear)]);
    assert_eq!(fixture.act(Clear, &["1"]).await.unwrap(), ["1"]);
    assert_eq!(fixture.ids("select id from toy where deprecated_at is null").await, "1");
}

#[tokio::test]
async fn row_whose_reference_is_not_committed_yet_is_passed_over() {
    for level in LEVELS {
        let fixture = Fixture::of_old_toys(2).await;
        assert_eq!(fixture.look().await.observations.len(), 2);
        let writer = fixture.open(level, LIKE).await;
        // Nothing of it can be seen, and yet it counts.
        assert_eq!(fixture.look().await.unreferenced, 2, "{level}");
        assert_eq!(at_once(fixture.act(Delete, &["1", "2"])).await.unwrap(), ["2"], "{level}");
        writer.commit().await.unwrap();
        assert_eq!(fixture.ids("select favorite_toy_id from person").await, "1");
        assert_eq!(fixture.ids("select id from toy").await, "1");
    }
}

#[tokio::test]
async fn row_whose_reference_was_rolled_back_goes_with_the_next_pass() {
    let fixture = Fixture::of_old_toys(1).await;
    let writer = fixture.open("read committed", LIKE).await;
    assert!(at_once(fixture.act(Delete, &["1"])).await.unwrap().is_empty());
    writer.rollback().await.unwrap();
    to_delete(&fixture).await;
    assert_eq!(fixture.act(Delete, &["1"]).await.unwrap(), ["1"]);
}

#[tokio::test]
async fn row_to_which_a_reference_is_moved_survives() {
    let fixture = Fixture::of_old_toys(2).await;
    fixture.server.execute("insert into person (id, favorite_toy_id) values (1, 2)").await;
    let writer = fixture.open("read committed", "update person set favorite_toy_id = 1").await;
    // Of the one nothing says so yet, and of the other nothing any more.
    assert!(at_once(fixture.act(Delete, &["1", "2"])).await.unwrap().is_empty());
    writer.commit().await.unwrap();
    assert_eq!(fixture.act(Delete, &["1", "2"]).await.unwrap(), ["2"]);
}

#[tokio::test]
async fn row_whose_last_reference_is_being_deleted_is_still_referenced() {
    let fixture = Fixture::of_old_toys(1).await;
    fixture.server.execute(LIKE).await;
    let writer = fixture.open("read committed", "delete from person").await;
    assert!(at_once(fixture.act(Delete, &["1"])).await.unwrap().is_empty());
    assert_eq!(at_once(fixture.act(Clear, &["1"])).await.unwrap(), ["1"]);
    writer.commit().await.unwrap();
    assert_eq!(fixture.seen().await, [("1".to_owned(), Deprecate)]);
}

#[tokio::test]
async fn row_whose_mark_was_taken_back_after_the_look_survives() {
    let fixture = Fixture::of_old_toys(2).await;
    assert_eq!(fixture.look().await.observations.len(), 2);
    fixture.server.execute("update toy set deprecated_at = null where id = 1").await;
    fixture.server.execute("update toy set deprecated_at = now() where id = 2").await;
    assert!(fixture.act(Delete, &["1", "2"]).await.unwrap().is_empty());
    // The first is new to the sweep, and the second not old yet.
    assert_eq!(fixture.act(Deprecate, &["1", "2"]).await.unwrap(), ["1"]);
}

#[tokio::test]
async fn row_that_is_being_referenced_is_not_deprecated() {
    let fixture = Fixture::of_old_toys(2).await;
    fixture.server.execute("update toy set deprecated_at = null").await;
    let writer = fixture.open("read committed", LIKE).await;
    assert_eq!(at_once(fixture.act(Deprecate, &["1", "2"])).await.unwrap(), ["2"]);
    writer.commit().await.unwrap();
    assert_eq!(fixture.act(Deprecate, &["1"]).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn row_that_is_referenced_all_the_time_is_cleared_nevertheless() {
    let fixture = Fixture::of_old_toys(1).await;
    fixture.server.execute(LIKE).await;
    let writer = fixture.open("read committed", "insert into person (id, favorite_toy_id) values (2, 1)").await;
    assert_eq!(at_once(fixture.act(Clear, &["1"])).await.unwrap(), ["1"]);
    writer.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sweeps_at_once_delete_each_row_once() {
    let fixture = Fixture::of_old_toys(50).await;
    let keys: Vec<String> = (1..=50).map(|id| id.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let acts = futures::future::join_all((0..4).map(|_| fixture.act(Delete, &keys))).await;
    let deleted: usize = acts.into_iter().map(|done| done.unwrap().len()).sum();
    assert_eq!(deleted, 50);
    assert_eq!(fixture.ids("select count(*) from toy").await, "0");
}

/// A sweep that has locked rows, and deletes them a while later.
async fn between_the_statements(rig: &mut Rig) -> sexton_tests::Daemon {
    let sexton = std::mem::replace(&mut rig.sexton, sexton_tests::Sexton::new(""));
    rig.sexton = sexton.env("FAILPOINTS", "unreferenced::locked=1*sleep(1500)");
    let sweep = rig.sexton.spawn(&["sweep", "unreferenced", "--json"]).await;
    rig.until(
        "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'sexton'
             and state = 'idle in transaction' and query like '%for update of t skip locked'",
        "1",
    )
    .await;
    sweep
}

/// When the foreign key of the application is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Constraint {
    Immediate,
    Deferred,
}

async fn writer_meets_the_sweep(level: &str, constraint: Constraint, wanted: &[&str]) {
    let mut rig = toys(Server::postgres().await, 2, &[2], TOY).await;
    if constraint == Constraint::Deferred {
        rig.execute("alter table person alter constraint person_favorite_toy_id_fkey deferrable initially deferred")
            .await;
    }
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    let application = rig.server.connect().await;
    let sweep = between_the_statements(&mut rig).await;
    let begun = std::time::Instant::now();
    let writing =
        async { application.execute_unprepared(&format!("begin isolation level {level}; {LIKE}; commit")).await };
    let refused = writing.await.unwrap_err().into();
    assert!(wanted.contains(&code(&refused).as_str()), "{level}: {refused}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(sweep.wait(PATIENCE).await, 0);
    // Nothing references a deleted row, and the referenced rows are there.
    assert_eq!(rig.rows("select id from toy").await, ["2"]);
    assert_eq!(rig.rows("select id from person").await, ["2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reference_that_comes_after_the_lock_waits_for_the_batch_and_is_refused() {
    writer_meets_the_sweep("read committed", Constraint::Immediate, &["23503"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_at_repeatable_read() {
    writer_meets_the_sweep("repeatable read", Constraint::Immediate, &["23503", "40001"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_with_a_deferred_constraint_at_commit() {
    writer_meets_the_sweep("read committed", Constraint::Deferred, &["23503"]).await;
}
