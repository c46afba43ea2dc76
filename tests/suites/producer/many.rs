use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, resume_unwind},
    time::Duration,
};

use futures::FutureExt;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};
use sexton_producer::{BatchId, Error, Producer, Request, SoftRemoveMany, prelude::*};
use sexton_tests::{Redis, eventually};
use uuid::Uuid;

use super::{
    entities::{block, insert_block, insert_blocks, insert_member, insert_toy, member, stray, toy},
    fixture::Fixture,
};
use crate::rig::on_both;

/// Ids 1 to `count`, quickly.
async fn fill(fixture: &Fixture, count: i64) {
    let series = if fixture.is_postgres() {
        format!("generate_series(1, {count}) n")
    } else {
        format!("(with recursive s(n) as (select 1 union all select n + 1 from s where n < {count}) select n from s)")
    };
    fixture
        .execute(&format!("insert into block (id, title, gcal_id) select n, 'booking', 'g' || n from {series}"))
        .await;
}

async fn batches(fixture: &Fixture) -> Vec<String> {
    fixture.query("select batch_id, count(*) from sexton_deletion group by batch_id").await
}

/// Runs until the first transaction is committed, and goes no further: one poll may commit several, so that the future
/// cannot be left to itself until it is dropped.
async fn stop_after_first(many: SoftRemoveMany<'_, block::Entity>, producer: &Producer) {
    let run = many.on_progress(|_| resume_unwind(Box::new("stopped"))).exec(producer);
    let stopped = AssertUnwindSafe(run).catch_unwind().await.expect_err("it was not stopped");
    assert_eq!(stopped.downcast_ref(), Some(&"stopped"));
}

on_both!(
    every_live_match_is_taken_under_one_batch_id,
    run_that_is_dropped_between_two_transactions_is_resumed,
    run_is_resumed_whatever_became_of_its_rows,
    row_that_the_database_refuses_keeps_no_other_from_it,
    open_deletion_of_a_live_row_is_not_counted_as_requested,
    uuid_text_and_composite_keys_are_paged_through,
    run_ends_although_rows_stay_live,
    hints_go_out_with_each_transaction,
    run_on_an_unconfigured_table_is_refused,
);

async fn every_live_match_is_taken_under_one_batch_id(fixture: Fixture) {
    fill(&fixture, 1203).await;
    let producer = fixture.producer().await;
    block::Entity::soft_remove_by_id(7, &producer).await.unwrap();
    let many = || block::Entity::soft_remove_many(block::Column::Id.gt(3));
    assert_eq!(many().dry_run(&producer).await.unwrap(), 1199);
    assert_eq!(fixture.marked().await, ["7"], "a dry run removes nothing");

    let mut seen = Vec::new();
    let by = producer.with(Request::by("alice").reason("room closed"));
    let done = many().on_progress(|progress| seen.push((progress.transactions, progress.requested))).exec(&by);
    let done = done.await.unwrap();
    assert_eq!((done.requested, done.open_already, done.transactions), (1199, 0, 3));
    assert_eq!(seen, [(1, 500), (2, 1000), (3, 1199)]);
    assert_eq!(fixture.query("select count(*) from block where deleted_at is not null").await, ["1200"]);
    let recorded = format!(
        "select requested_by, reason, count(*), count(distinct key) from sexton_deletion
         where batch_id = '{}' group by requested_by, reason",
        done.batch
    );
    assert_eq!(fixture.query(&recorded).await, ["alice|room closed|1199|1199"]);
    assert_eq!(many().exec(&producer).await.unwrap().requested, 0);
}

async fn run_that_is_dropped_between_two_transactions_is_resumed(fixture: Fixture) {
    insert_blocks(&fixture.conn, 25).await;
    let producer = fixture.producer().await;
    let batch = BatchId::new();
    stop_after_first(block::Entity::soft_remove_many(Condition::all()).batch_size(10).resume(batch), &producer).await;
    let mut marked: Vec<i64> = fixture.marked().await.iter().map(|id| id.parse().unwrap()).collect();
    marked.sort_unstable();
    assert_eq!(marked, (1..=10).collect::<Vec<_>>());
    let first = fixture.query("select id, key from sexton_deletion order by id").await;

    // Meanwhile one is taken back.
    block::Entity::restore_by_id(3, &producer).await.unwrap();
    let mut seen = Vec::new();
    let all = || block::Entity::soft_remove_many(Condition::all()).batch_size(10).resume(batch);
    assert_eq!(all().dry_run(&producer).await.unwrap(), 15);
    let resumed = all().on_progress(|progress| seen.push(progress.requested)).exec(&producer).await.unwrap();
    assert_eq!((resumed.batch, resumed.requested, resumed.open_already), (batch, 15, 0));
    assert_eq!(seen, [9, 15]);
    assert_eq!(fixture.query("select id from block where deleted_at is null").await, ["3"], "it was restored");
    assert_eq!(batches(&fixture).await, [format!("{batch}|24")]);
    let kept = fixture.query("select id, key from sexton_deletion order by id").await;
    assert!(first.iter().filter(|one| !one.ends_with("|3")).all(|one| kept.contains(one)), "requested anew");
}

async fn run_is_resumed_whatever_became_of_its_rows(fixture: Fixture) {
    insert_blocks(&fixture.conn, 9).await;
    let producer = fixture.producer().await;
    let batch = BatchId::new();
    let all = || block::Entity::soft_remove_many(block::Column::Id.lt(100)).batch_size(3).resume(batch);
    stop_after_first(all(), &producer).await;
    // Its rows are gone, one ahead was removed by another request, and one ahead is new.
    fixture.execute("delete from block where deleted_at is not null").await;
    block::Entity::soft_remove_by_id(5, &producer).await.unwrap();
    insert_block(&fixture.conn, 50, None).await;
    let rest = all().exec(&producer).await.unwrap();
    assert_eq!((rest.requested, rest.transactions), (6, 2));
    assert_eq!(fixture.query("select count(*) from block where deleted_at is null").await, ["0"]);
}

/// Refuses to record the deletion of block 8.
async fn refuse(fixture: &Fixture, sqlstate: &str) {
    let refuse = if fixture.is_postgres() {
        format!(
            "create function refuse() returns trigger language plpgsql as
                $$ begin if new.key = '8' then raise 'not today' using errcode = '{sqlstate}'; end if; return new; end $$;
             create trigger refuse before insert on sexton_deletion for each row execute function refuse()"
        )
    } else {
        "create trigger refuse before insert on sexton_deletion when new.key = '8'
         begin select raise(abort, 'not today'); end"
            .to_owned()
    };
    fixture.execute(&refuse).await;
}

async fn row_that_the_database_refuses_keeps_no_other_from_it(fixture: Fixture) {
    insert_blocks(&fixture.conn, 12).await;
    refuse(&fixture, "P0001").await;
    let producer = fixture.producer().await;
    let done = block::Entity::soft_remove_many(Condition::all()).batch_size(5).exec(&producer).await.unwrap();
    assert_eq!((done.requested, done.refused), (11, 1));
    let [row] = &done.refused_rows[..] else { panic!("{:?}", done.refused_rows) };
    assert!(row.key == "8" && row.error.contains("not today"), "{row:?}");
    assert_eq!(batches(&fixture).await, [format!("{}|11", done.batch)]);
}

#[tokio::test]
async fn run_that_fails_says_how_to_resume() {
    let fixture = Fixture::postgres().await;
    insert_blocks(&fixture.conn, 12).await;
    refuse(&fixture, "57014").await;
    let producer = fixture.producer().await;
    let error = block::Entity::soft_remove_many(Condition::all()).batch_size(5).exec(&producer).await.unwrap_err();
    let message = error.to_string();
    let Error::Interrupted { batch, requested, .. } = error else { panic!("{message}") };
    assert_eq!(requested, 5);
    assert!(message.starts_with("stopped after 5 rows of table `block`: cannot soft-remove 5 rows of "), "{message}");
    assert!(message.ends_with(&format!("; continue with `resume({batch})`")), "{message}");
    assert_eq!(fixture.marked().await, ["1", "2", "3", "4", "5"]);

    fixture.execute("drop trigger refuse on sexton_deletion").await;
    let all = block::Entity::soft_remove_many(Condition::all());
    assert_eq!(all.resume(batch).exec(&producer).await.unwrap().requested, 7);
    assert_eq!(batches(&fixture).await, [format!("{batch}|12")]);
    assert_eq!(producer.restore_batch(batch).await.unwrap().len(), 12);
    assert!(fixture.marked().await.is_empty());
}

async fn open_deletion_of_a_live_row_is_not_counted_as_requested(fixture: Fixture) {
    insert_blocks(&fixture.conn, 3).await;
    let producer = fixture.producer().await;
    let before = block::Entity::soft_remove_by_id(2, &producer).await.unwrap();
    // The marker was taken away by hand.
    fixture.execute("update block set deleted_at = null").await;
    let done = block::Entity::soft_remove_many(Condition::all()).exec(&producer).await.unwrap();
    assert_eq!((done.requested, done.open_already), (2, 1));
    let kept = fixture.query("select id from sexton_deletion where key = '2'").await;
    assert_eq!(kept, [before.id.to_string()]);
}

async fn uuid_text_and_composite_keys_are_paged_through(fixture: Fixture) {
    let producer = fixture.producer().await;
    let names = ["", "a", "a'b", "B", "b\"c", "é", "z\\z", "漢", "[\"x\"]", "%_", "a?$1"];
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for name in names {
        insert_member(&fixture.conn, one, name).await;
        insert_member(&fixture.conn, two, name).await;
    }
    let mut toys = BTreeSet::new();
    for n in 0..7_u128 {
        let id = Uuid::from_u128(n << 96 | (7 - n));
        toys.insert(id.to_string());
        insert_toy(&fixture.conn, id).await;
    }
    let run = member::Entity::soft_remove_many(member::Column::TenantId.eq(one)).batch_size(2).exec(&producer);
    let done = run.await.unwrap();
    assert_eq!((done.requested, done.transactions), (11, 6));
    let gone = fixture
        .query("select count(*), count(distinct name), count(distinct tenant_id) from member where status = 'gone'");
    assert_eq!(gone.await, ["11|11|1"]);
    // The tenant is not the filter: pages end within a tenant and go on in the next.
    let run = member::Entity::soft_remove_many(Condition::all()).batch_size(4).exec(&producer);
    assert_eq!(run.await.unwrap().requested, 11);
    let run = toy::Entity::soft_remove_many(Condition::all()).batch_size(3).exec(&producer);
    assert_eq!(run.await.unwrap().transactions, 3);
    let keys = fixture.query("select key from sexton_deletion where resource = 'toy'").await;
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), toys);
}

async fn run_ends_although_rows_stay_live(fixture: Fixture) {
    insert_blocks(&fixture.conn, 5).await;
    let stubborn = if fixture.is_postgres() {
        "create function stay() returns trigger language plpgsql as $$ begin new.deleted_at := null; return new; end $$;
         create trigger stay before update on block for each row when (new.id < 3) execute function stay()"
    } else {
        "create trigger stay after update on block when new.id < 3
         begin update block set deleted_at = null where id = new.id; end"
    };
    fixture.execute(stubborn).await;
    let producer = fixture.producer().await;
    let run = block::Entity::soft_remove_many(Condition::all()).batch_size(1).exec(&producer);
    let done = tokio::time::timeout(Duration::from_secs(20), run).await.expect("it ends").unwrap();
    assert_eq!((done.requested, done.transactions), (5, 5));
    assert_eq!(fixture.marked().await, ["3", "4", "5"]);
}

async fn hints_go_out_with_each_transaction(fixture: Fixture) {
    insert_blocks(&fixture.conn, 6).await;
    let redis = Redis::start().await;
    let producer = fixture.producer_with_queue(&redis.url(), 2000).await;
    let mut connection = redis.connect().await;
    let done = block::Entity::soft_remove_many(Condition::all()).batch_size(2).exec(&producer).await.unwrap();
    assert_eq!(done.transactions, 3);
    eventually("all hints are there", async || sexton_tests::redis::waiting(&mut connection).await >= 6).await;
}

async fn run_on_an_unconfigured_table_is_refused(fixture: Fixture) {
    let producer = fixture.producer().await;
    let many = || stray::Entity::soft_remove_many(Condition::all());
    for error in [many().dry_run(&producer).await.unwrap_err(), many().exec(&producer).await.unwrap_err()] {
        assert!(matches!(error, Error::UnknownTable { .. }), "{error}");
    }
}

/// SQLite holds what it is given: a UUID may be a blob or a text, with hyphens and capitals or without.
#[tokio::test]
async fn keys_that_are_held_in_several_ways_are_paged_through() {
    let fixture = Fixture::sqlite().await;
    for n in 1..=3 {
        insert_toy(&fixture.conn, Uuid::from_u128(n)).await;
    }
    let texts = [Uuid::from_u128(0xA).to_string(), Uuid::from_u128(0xB).simple().to_string()];
    let shouted = Uuid::from_u128(0xC).to_string().to_uppercase();
    for id in texts.iter().chain([&shouted]) {
        fixture.execute(&format!("insert into toy (id, name) values ('{id}', 'bear')")).await;
    }
    let producer = fixture.producer().await;
    let run = toy::Entity::soft_remove_many(Condition::all()).batch_size(1).exec(&producer);
    assert_eq!(run.await.unwrap().requested, 6);
    assert_eq!(fixture.query("select count(*) from toy where removed_at is null").await, ["0"]);
}

/// What is locked, or changed by then, is what counts: the filter is judged on the locked row.
#[tokio::test]
async fn row_that_stops_matching_while_it_is_waited_for_is_not_removed() {
    let fixture = Fixture::postgres().await;
    insert_blocks(&fixture.conn, 3).await;
    let producer = fixture.producer().await;
    let theirs = producer.begin().await.unwrap();
    block::Entity::update_many()
        .col_expr(block::Column::Title, "keep me".into())
        .filter(block::Column::Id.eq(2))
        .exec(&theirs)
        .await
        .unwrap();
    let run = tokio::spawn({
        let producer = producer.clone();
        async move { block::Entity::soft_remove_many(block::Column::Title.ne("keep me")).exec(&producer).await }
    });
    fixture.server.until_waiting_for_locks(1).await;
    theirs.commit().await.unwrap();
    assert_eq!(run.await.unwrap().unwrap().requested, 2);
    assert_eq!(fixture.marked().await, ["1", "3"]);
}
