//! What is a reference: as the foreign keys of the catalogue say, and as they are now.

use super::toys::{TOY, days_pass, ids, nonzero, sweep, toys};
use crate::rig::{Rig, Server, on_both};

on_both!(
    reference_from_any_table_counts,
    reference_from_a_removed_row_counts,
    rows_are_compared_as_the_foreign_key_compares_them,
    foreign_key_that_was_added_later_stops_the_sweep,
);

async fn reference_from_any_table_counts(server: Server) {
    let tables = "create table toy (tenant bigint not null, no bigint not null, code text unique, deprecated_at TIME_TYPE,
            primary key (tenant, no));
        create table wish (id bigint primary key, tenant bigint, toy bigint, foreign key (tenant, toy) references toy (tenant, no));
        create index on_toy on wish (tenant, toy);
        create table \"Gift; list\" (id bigint primary key, \"for\" text references toy (code));
        create index on_code on \"Gift; list\" (\"for\")";
    let resources = TOY.replace("key = \"id\"", "key = [\"no\", \"tenant\"]").replace(
        "{ table = \"person\", column = \"favorite_toy_id\" }",
        "{ table = \"wish\", columns = [\"toy\", \"tenant\"] }, { table = \"Gift; list\", column = \"for\" }",
    );
    let rig = Rig::with(server, tables, &resources).await;
    rig.execute(
        "insert into toy (tenant, no, code) values (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'c'), (2, 2, null), (1, 3, 'd')",
    )
    .await;
    // Null is no reference, also where it is only half of one.
    rig.execute("insert into wish (id, tenant, toy) values (1, 1, 2), (2, null, null), (3, 2, null)").await;
    rig.execute("insert into \"Gift; list\" values (1, 'c'), (2, null)").await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 5, unreferenced 3, deprecated 3");
    let left = "select tenant, no from toy where deprecated_at is null order by tenant, no";
    assert_eq!(rig.rows(left).await, ["1|2", "2|1"]);
    days_pass(&rig, 15).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 5, unreferenced 3, hidden 3, old 3, deleted 3");
    assert_eq!(rig.rows(left).await, ["1|2", "2|1"]);
}

async fn reference_from_a_removed_row_counts(server: Server) {
    let person =
        "[resources.person]\ntable = \"person\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\ngrace = \"30d\"\n";
    let rig = toys(server, 1, &[1], &format!("{TOY}{person}")).await;
    rig.request("person", &["1"]).await;
    assert_eq!(rig.rows("select count(*) from person where deleted_at is not null").await, ["1"]);
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1");
}

/// Values that the foreign key takes for the same need not be the same to Sexton.
async fn rows_are_compared_as_the_foreign_key_compares_them(server: Server) {
    let resources = TOY.replace("key = \"id\"", "key = \"code\"");
    let tables = if server.is_postgres() {
        server.execute("create schema other; create extension citext schema other").await;
        "create table toy (code text primary key, name other.citext unique, deprecated_at TIME_TYPE);
         create table person (id bigint primary key, favorite_toy_id other.citext references toy (name));
         create index on_toy on person (favorite_toy_id)"
    } else {
        "create table toy (code text primary key, name text collate nocase unique, deprecated_at TIME_TYPE);
         create table person (id bigint primary key, favorite_toy_id text references toy (name));
         create index on_toy on person (favorite_toy_id collate nocase)"
    };
    let rig = Rig::with(server, tables, &resources).await;
    rig.execute("insert into toy (code, name) values ('a', 'Ball'), ('b', 'Bear')").await;
    rig.execute("insert into person values (1, 'ball')").await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2, unreferenced 1, deprecated 1");
    drop(rig.run(&["guard", "toy"]).await.expect_code(0));
    rig.execute("insert into person values (2, 'BEAR')").await;
    assert_eq!(rig.rows("select count(*) from toy where deprecated_at is not null").await, ["0"]);
}

async fn foreign_key_that_was_added_later_stops_the_sweep(server: Server) {
    let rig = toys(server, 2, &[1], TOY).await;
    sweep(&rig).await;
    let daemon = rig.daemon().await;
    rig.execute("create table shelf (id bigint primary key, toy_id bigint references toy (id))").await;
    rig.execute("insert into shelf values (1, 2)").await;
    days_pass(&rig, 15).await;
    let error =
        "select count(*) from sexton_sweep where name = 'unreferenced' and error like '%`shelf` references `toy`%'";
    rig.execute("update sexton_sweep set last_run_at = '2020-01-01T00:00:00.000Z'").await;
    rig.until(error, "1").await;
    assert_eq!(ids(&rig, "true").await, "1 2");
    drop(daemon);
    let check = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(check.contains("add { table = \"shelf\", columns = [\"toy_id\"] }"), "{check}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_keys_to_parts_of_a_table_count_and_two_of_one_kind_are_one() {
    let server = Server::postgres().await;
    let tables = "create table toy (id bigint primary key, deprecated_at timestamptz) partition by range (id);
        create table toy1 partition of toy for values from (0) to (100);
        create table person (id bigint primary key, favorite_toy_id bigint references toy (id), deleted_at timestamptz) partition by range (id);
        create table person1 partition of person for values from (0) to (100);
        create index on_toy on person (favorite_toy_id);
        create table fan (id bigint primary key, toy_id bigint references toy1 (id) on delete cascade);
        create index on_fan on fan (toy_id);
        alter table person add constraint again foreign key (favorite_toy_id) references toy (id)";
    let rig = Rig::with(server, tables, TOY).await;
    let check = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(check.contains("`fan` references `toy` by (toy_id)"), "{check}");
    rig.execute("alter table fan drop constraint fan_toy_id_fkey, add foreign key (toy_id) references toy1 (id)").await;
    rig.reconfigure(
        &TOY.replace("[{ table = \"person\"", "[{ table = \"fan\", column = \"toy_id\" }, { table = \"person\""),
    );
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.execute(
        "insert into toy values (1), (2), (3); insert into person values (1, 1); insert into fan values (1, 2)",
    )
    .await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 3, unreferenced 1, deprecated 1");
    drop(rig.run(&["guard", "toy"]).await.expect_code(0));
    rig.execute("insert into person values (2, 3)").await;
    assert_eq!(ids(&rig, "deprecated_at is not null").await, "");
    // A part of it alone.
    rig.reconfigure(
        &TOY.replace("\"toy\"", "\"toy1\"")
            .replace("[{ table = \"person\"", "[{ table = \"fan\", column = \"toy_id\" }, { table = \"person\""),
    );
    let check = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(!check.contains("no foreign key") && !check.contains("not named"), "{check}");
}

/// A foreign key is not inherited, and neither is a guard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_with_inheritance_are_not_swept() {
    let tables = format!("{}; create table fan (primary key (id)) inherits (person)", super::toys::TABLES);
    let rig = Rig::with(Server::postgres().await, &tables, TOY).await;
    let check = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(
        check.contains("unreferenced.by[0].table") && check.contains("`public.fan` inherits from `person`"),
        "{check}"
    );
    let tables = format!("{}; create table doll (primary key (id)) inherits (toy)", super::toys::TABLES);
    let rig = Rig::with(Server::postgres().await, &tables, TOY).await;
    rig.execute("insert into doll (id) values (1)").await;
    let check = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(
        check.contains("resources.toy.table") && check.contains("`public.doll`, which inherits from `toy`"),
        "{check}"
    );
    let swept = rig.run(&["sweep", "unreferenced", "--json"]).await;
    assert!(swept.stdout.contains("\"looked\":0"), "{}", swept.stdout);
    assert_eq!(rig.rows("select count(*) from doll where deprecated_at is null").await, ["1"]);
}
