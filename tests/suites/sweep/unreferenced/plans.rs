//! What a page and a batch cost on a million rows: what they are made of, not what the tables hold.

use std::collections::HashMap;

use sexton_core::{catalog::Cursor, db::NextPage, sweep::unreferenced::Step};
use sexton_tests::Server;

use super::{fixture::Fixture, toys::TABLES};

const ROWS: usize = 1_000_000;
const PAGE: usize = 500;

/// Whole tables read, and blocks touched, since the server started.
async fn counters(fixture: &Fixture) -> (HashMap<String, u64>, u64) {
    use sea_orm::ConnectionTrait;
    fixture.store.db.conn.execute_unprepared("select pg_stat_force_next_flush()").await.unwrap();
    let scans = fixture.server.query_text("select relname, seq_scan from pg_stat_user_tables order by relname").await;
    let scans = scans.into_iter().map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap().parse().unwrap()));
    let blocks = "select sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)) from pg_statio_user_tables";
    (scans.collect(), fixture.ids(blocks).await.parse().unwrap())
}

/// Fails if what was done read a whole table, or touched more blocks than `most` for each row.
async fn costs(fixture: &Fixture, before: (HashMap<String, u64>, u64), what: &str, rows: usize, most: u64) {
    let (scans, blocks) = counters(fixture).await;
    assert_eq!(scans, before.0, "{what} reads a whole table");
    let blocks = blocks - before.1;
    println!("{what}: {blocks} blocks for {rows} rows");
    assert!(blocks <= most * rows as u64, "{what} touches {blocks} blocks for {rows} rows");
}

/// Eight pages after that place, and a batch of each step; where the pages end.
async fn pages_and_batches(fixture: &Fixture, mut after: Option<Cursor>) -> Option<Cursor> {
    let before = counters(fixture).await;
    let pass = fixture.pass();
    let mut keys = Vec::new();
    for _ in 0..8 {
        let page = pass.look(NextPage { after: after.as_ref(), limit: PAGE }).await.unwrap();
        assert_eq!((page.rows_read, page.observations.len()), (PAGE, PAGE / 10));
        keys.extend(page.observations.into_iter().map(|one| one.key));
        after = page.next;
    }
    costs(fixture, before, "a page", 8 * PAGE, 8).await;
    let (mut done, batch) = (0, 100);
    for (step, number) in [(Step::Deprecate, 0), (Step::Restart, 1), (Step::Delete, 2), (Step::Clear, 3)] {
        let keys = &keys[number * batch..(number + 1) * batch];
        prepare(fixture, step, keys).await;
        let before = counters(fixture).await;
        done += pass.act(step, keys).await.unwrap().len();
        costs(fixture, before, &format!("{step:?}"), batch, 60).await;
    }
    assert_eq!(done, 4 * batch);
    after
}

/// Makes the rows ones with which `step` is to be done.
async fn prepare(fixture: &Fixture, step: Step, keys: &[sexton_core::key::Key]) {
    let list = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let since = match step {
        Step::Deprecate => "null",
        Step::Restart => "'1990-01-01'",
        Step::Delete | Step::Clear => "now() - interval '1 year'",
    };
    let flush = "select pg_stat_force_next_flush()";
    fixture.server.execute(&format!("update toy set deprecated_at = {since} where id in ({list}); {flush}")).await;
    if step == Step::Clear {
        fixture
            .server
            .execute(&format!(
                "insert into person (id, favorite_toy_id) select -id, id from toy where id in ({list}); {flush}"
            ))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_batches_use_indexes_on_a_million_rows_whatever_the_planner_knows_of_them() {
    let server = Server::postgres().await;
    server
        .execute(
            &TABLES.replace(" references toy (id)", "").replace("create index on_toy on person (favorite_toy_id)", ""),
        )
        .await;
    // Every tenth toy has no person. The planner knows nothing of the tables until they are analyzed.
    server
        .execute(&format!(
            "alter table toy set (autovacuum_enabled = off); alter table person set (autovacuum_enabled = off);
             insert into toy (id) select n from generate_series(1, {ROWS}) n;
             insert into person (id, favorite_toy_id) select n, n from generate_series(1, {ROWS}) n where n % 10 <> 0;
             create index on_toy on person (favorite_toy_id);
             alter table person add foreign key (favorite_toy_id) references toy (id) not valid"
        ))
        .await;
    // One session, whose counters can be had when they are needed.
    server.execute("select pg_stat_force_next_flush()").await;
    let fixture = Fixture::on(server, 1).await;
    let after = pages_and_batches(&fixture, None).await;
    fixture.server.execute("analyze toy; analyze person").await;
    pages_and_batches(&fixture, after).await;
}
