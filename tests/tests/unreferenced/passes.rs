//! Rows that are only there because others reference them.

use serde_json::{Value, json};

use crate::e2e::rig::{Rig, Server, on_both};

on_both!(
    unreferenced_rows_are_deprecated_then_hidden_and_deleted_in_the_end,
    nothing_is_changed_unless_somebody_switches_it_on,
    row_that_is_referenced_again_begins_anew,
    age_begins_anew_where_passes_did_not_cover_it,
    reference_from_any_table_counts,
    reference_from_a_removed_row_counts,
    removed_row_is_left_to_its_deletion,
    row_that_is_to_stay_for_a_while_is_requested,
    row_whose_mark_could_not_be_taken_back_begins_anew,
    rows_are_compared_as_the_foreign_key_compares_them,
    foreign_key_that_was_added_later_stops_the_sweep,
    small_budget_comes_to_the_same,
    killed_sweep_goes_on_where_it_was,
    row_that_cannot_be_deleted_keeps_no_other_from_it,
    check_refuses_what_would_lose_references,
    settings_that_cannot_work_are_refused,
    deletion_of_a_row_without_a_marker_cannot_be_requested,
    worker_starts_although_rows_are_left_alone,
    daemon_does_all_of_it_in_real_time,
);

pub(crate) const TABLES: &str = "create table toy (id bigint primary key, name text, deprecated_at TIME_TYPE);
    create table person (id bigint primary key, favorite_toy_id bigint references toy (id), deleted_at TIME_TYPE);
    create index on_toy on person (favorite_toy_id)";

pub(crate) const TOY: &str = r#"
[resources.toy]
table = "toy"
key = "id"
unreferenced = { by = [{ table = "person", column = "favorite_toy_id" }], since = "deprecated_at", hide_after = "7d", delete_after = "14d", mode = "on" }
"#;

/// Toys 1 to `n`, those in `liked` each with a person of the same number.
pub(crate) async fn toys(server: Server, n: usize, liked: &[usize], resources: &str) -> Rig {
    let rig = Rig::with(server, TABLES, resources).await;
    for id in 1..=n {
        rig.execute(&format!("insert into toy (id) values ({id})")).await;
    }
    for id in liked {
        rig.execute(&format!("insert into person (id, favorite_toy_id) values ({id}, {id})")).await;
    }
    rig
}

/// Lets `days` pass, over which passes covered every row.
pub(crate) async fn days_pass(rig: &Rig, days: u32) {
    if rig.server.is_postgres() {
        rig.execute(&format!("update toy set deprecated_at = deprecated_at - interval '{days} days'")).await;
        rig.execute(
            r#"update sexton_sweep set cursor = jsonb_set(cursor, '{covered,toy,from}', '"2020-01-01T00:00:00.000Z"')"#,
        )
        .await;
    } else {
        rig.execute(&format!(
            "update toy set deprecated_at = strftime('%Y-%m-%dT%H:%M:%fZ', deprecated_at, '-{days} days')"
        ))
        .await;
        rig.execute(
            "update sexton_sweep set cursor = json_set(cursor, '$.covered.toy.from', '2020-01-01T00:00:00.000Z')",
        )
        .await;
    }
}

pub(crate) async fn sweep(rig: &Rig) -> Value {
    rig.json(&["sweep", "unreferenced", "--json"]).await.remove(0)
}

/// What a pass came to, without what it did not find.
pub(crate) fn found(figures: &Value) -> String {
    const NAMES: [&str; 11] = [
        "looked",
        "unreferenced",
        "hidden",
        "deprecated",
        "restarted",
        "cleared",
        "old",
        "deleted",
        "requested",
        "missed",
        "refused",
    ];
    let counts = NAMES.iter().map(|name| (name, figures[name].as_u64().unwrap())).filter(|(_, count)| *count > 0);
    counts.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

async fn ids(rig: &Rig, condition: &str) -> String {
    rig.rows(&format!("select id from toy where {condition} order by id")).await.join(" ")
}

async fn unreferenced_rows_are_deprecated_then_hidden_and_deleted_in_the_end(server: Server) {
    let rig = toys(server, 4, &[1, 3], TOY).await;
    assert_eq!(found(&sweep(&rig).await), "looked 4, unreferenced 2, deprecated 2");
    assert_eq!(ids(&rig, "deprecated_at is not null").await, "2 4");
    assert_eq!(found(&sweep(&rig).await), "looked 4, unreferenced 2");
    days_pass(&rig, 8).await;
    assert_eq!(found(&sweep(&rig).await), "looked 4, unreferenced 2, hidden 2");
    days_pass(&rig, 7).await;
    let dry = rig.json(&["sweep", "unreferenced", "--dry-run", "--json"]).await.remove(0);
    assert_eq!(found(&dry), "looked 4, unreferenced 2, hidden 2, old 2");
    assert_eq!(found(&sweep(&rig).await), "looked 4, unreferenced 2, hidden 2, old 2, deleted 2");
    assert_eq!(ids(&rig, "true").await, "1 3");
    assert_eq!(rig.rows("select count(*) from person").await, ["2"]);
    assert_eq!(found(&sweep(&rig).await), "looked 2");
}

async fn nothing_is_changed_unless_somebody_switches_it_on(server: Server) {
    let rig = toys(server, 4, &[1], &TOY.replace(", mode = \"on\"", "")).await;
    rig.execute("update toy set deprecated_at = '2020-01-01 00:00:00' where id in (1, 2)").await;
    for _ in 0..2 {
        assert_eq!(found(&sweep(&rig).await), "looked 4, unreferenced 3, hidden 1");
    }
    assert_eq!(ids(&rig, "deprecated_at is not null").await, "1 2");
    let status = rig.json(&["status", "--json"]).await.remove(0);
    let sweeps = status["sweeps"].as_array().unwrap();
    let state = sweeps.iter().find(|state| state["name"] == "unreferenced").unwrap();
    assert_eq!((&state["found"], &state["done"], &state["backlog"]), (&json!(4), &json!(0), &json!(4)));
    rig.reconfigure(TOY);
    let dry = rig.json(&["sweep", "unreferenced", "--dry-run", "--json"]).await.remove(0);
    assert_eq!(found(&dry), "looked 4, unreferenced 3, hidden 1");
    assert_eq!(ids(&rig, "deprecated_at is not null").await, "1 2");
    // Nobody knows what happened since 2020: the second is not deleted, but begins anew.
    assert_eq!(found(&sweep(&rig).await), "looked 4, unreferenced 3, hidden 1, deprecated 2, restarted 1, cleared 1");
    assert_eq!(ids(&rig, "deprecated_at > '2025-01-01'").await, "2 3 4");
}

async fn row_that_is_referenced_again_begins_anew(server: Server) {
    let rig = toys(server, 2, &[], TOY).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    rig.execute("insert into person (id, favorite_toy_id) values (1, 1)").await;
    assert_eq!(found(&sweep(&rig).await), "looked 2, unreferenced 1, hidden 1, cleared 1, old 1, deleted 1");
    assert_eq!(ids(&rig, "deprecated_at is null").await, "1");
    rig.execute("delete from person").await;
    assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1, deprecated 1");
}

async fn age_begins_anew_where_passes_did_not_cover_it(server: Server) {
    let rig = toys(server, 1, &[], TOY).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    // The last pass was more than a quarter of 14 days ago.
    let ago = if rig.server.is_postgres() {
        "jsonb_set(cursor, '{covered,toy,began}', to_jsonb((now() at time zone 'UTC' - interval '85 hours')::text))"
    } else {
        "json_set(cursor, '$.covered.toy.began', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-85 hours'))"
    };
    rig.execute(&format!("update sexton_sweep set cursor = {ago}")).await;
    assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, restarted 1");
    assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1");
    days_pass(&rig, 15).await;
    // A little less than a quarter is near enough.
    rig.execute(&format!("update sexton_sweep set cursor = {}", ago.replace("85 hours", "83 hours"))).await;
    assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, deleted 1");
}

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
    assert_eq!(found(&sweep(&rig).await), "looked 5, unreferenced 3, deprecated 3");
    let left = "select tenant, no from toy where deprecated_at is null order by tenant, no";
    assert_eq!(rig.rows(left).await, ["1|2", "2|1"]);
    days_pass(&rig, 15).await;
    assert_eq!(found(&sweep(&rig).await), "looked 5, unreferenced 3, hidden 3, old 3, deleted 3");
    assert_eq!(rig.rows(left).await, ["1|2", "2|1"]);
}

async fn reference_from_a_removed_row_counts(server: Server) {
    let person =
        "[resources.person]\ntable = \"person\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\ngrace = \"30d\"\n";
    let rig = toys(server, 1, &[1], &format!("{TOY}{person}")).await;
    rig.request("person", &["1"]).await;
    assert_eq!(rig.rows("select count(*) from person where deleted_at is not null").await, ["1"]);
    assert_eq!(found(&sweep(&rig).await), "looked 1");
}

async fn removed_row_is_left_to_its_deletion(server: Server) {
    let resources = TOY.replace("key = \"id\"", "key = \"id\"\nmarker = { column = \"name\", value = \"gone\" }");
    let rig = toys(server, 2, &[], &resources).await;
    sweep(&rig).await;
    drop(rig.run(&["request", "toy", "1", "--after", "1h"]).await.expect_code(0));
    days_pass(&rig, 15).await;
    assert_eq!(found(&sweep(&rig).await), "looked 2, unreferenced 1, hidden 1, old 1, deleted 1");
    assert_eq!(ids(&rig, "true").await, "1");
}

/// What its resource says of the end of a row holds for one that nothing references, too.
async fn row_that_is_to_stay_for_a_while_is_requested(server: Server) {
    let marker = "key = \"id\"\nmarker = { column = \"name\", value = \"gone\" }";
    for stays in ["grace = \"1h\"", "then = \"keep\"", "then = { delete_after = \"1h\" }"] {
        let server = if server.is_postgres() { Server::postgres().await } else { Server::sqlite().await };
        let rig = toys(server, 1, &[], &TOY.replace("key = \"id\"", &format!("{marker}\n{stays}"))).await;
        sweep(&rig).await;
        days_pass(&rig, 15).await;
        // Until it goes it must not be referenced again.
        assert!(rig.run(&["check"]).await.expect_code(2).stderr.contains("run `sexton guard toy`"), "{stays}");
        assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, missed 1", "{stays}");
        drop(rig.run(&["guard", "toy"]).await.expect_code(0));
        assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, requested 1", "{stays}");
        rig.work().await;
        assert_eq!(ids(&rig, "name = 'gone'").await, "1", "{stays}");
    }
}

/// It was seen in use, and nobody knows for how long.
async fn row_whose_mark_could_not_be_taken_back_begins_anew(server: Server) {
    let rig = toys(server, 2, &[], TOY).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    rig.execute("insert into person (id, favorite_toy_id) values (1, 1)").await;
    if rig.server.is_postgres() {
        rig.execute(
            "create function no() returns trigger language plpgsql as $$ begin raise exception 'never'; end $$;
             create trigger no before update on toy for each row execute function no()",
        )
        .await;
    } else {
        rig.execute("create trigger no before update on toy begin select raise(abort, 'never'); end").await;
    }
    assert_eq!(found(&sweep(&rig).await), "looked 2, unreferenced 1, hidden 1, old 1, deleted 1, refused 1");
    rig.execute(if rig.server.is_postgres() { "drop trigger no on toy" } else { "drop trigger no" }).await;
    rig.execute("delete from person").await;
    assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, restarted 1");
    assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1");
}

/// Values that the foreign key takes for the same need not be the same to anybody else.
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
    assert_eq!(found(&sweep(&rig).await), "looked 2, unreferenced 1, deprecated 1");
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

async fn small_budget_comes_to_the_same(server: Server) {
    let rig =
        toys(server, 25, &[3, 20], &format!("[sync]\nbatch = 3\nbudget = {{ rows = 7, time = \"20s\" }}\n{TOY}")).await;
    assert_eq!(found(&sweep(&rig).await), "looked 25, unreferenced 23, deprecated 23");
    days_pass(&rig, 15).await;
    assert_eq!(found(&sweep(&rig).await), "looked 25, unreferenced 23, hidden 23, old 23, deleted 23");
    assert_eq!(ids(&rig, "true").await, "3 20");
}

async fn killed_sweep_goes_on_where_it_was(server: Server) {
    let mut rig =
        toys(server, 9, &[5], &format!("[sync]\nbatch = 2\nbudget = {{ rows = 2, time = \"20s\" }}\n{TOY}")).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    for (point, left) in [
        ("unreferenced::locked=return", "1 2 3 4 5 6 7 8 9"),
        ("unreferenced::before=1*off->return", "3 4 5 6 7 8 9"),
        ("unreferenced::committed=return", "5 6 7 8 9"),
    ] {
        rig.sexton = rig.sexton.env("FAILPOINTS", point);
        assert_ne!(rig.run(&["sweep", "unreferenced"]).await.code, 0);
        assert_eq!(ids(&rig, "true").await, left, "{point}");
        rig.execute("update sexton_sweep set leader = null, lease_until = null").await;
    }
    rig.sexton = rig.sexton.env("FAILPOINTS", "");
    // Two that went were not written down any more; they are not looked at again.
    assert_eq!(found(&sweep(&rig).await), "looked 7, unreferenced 6, hidden 6, old 6, deleted 6");
    assert_eq!(ids(&rig, "true").await, "5");
}

async fn row_that_cannot_be_deleted_keeps_no_other_from_it(server: Server) {
    let rig = toys(server, 5, &[], TOY).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    if rig.server.is_postgres() {
        rig.execute(
            "create function no() returns trigger language plpgsql as $$ begin raise exception 'never'; end $$;
             create trigger no before delete on toy for each row when (old.id = 3) execute function no()",
        )
        .await;
    } else {
        rig.execute("create trigger no before delete on toy when old.id = 3 begin select raise(abort, 'never'); end")
            .await;
    }
    assert_eq!(found(&sweep(&rig).await), "looked 5, unreferenced 5, hidden 5, old 5, deleted 4, refused 1");
    assert_eq!(ids(&rig, "true").await, "3");
    let status = rig.json(&["status", "--json"]).await.remove(0);
    let sweeps = status["sweeps"].as_array().unwrap();
    let state = sweeps.iter().find(|state| state["name"] == "unreferenced").unwrap();
    assert_eq!((&state["backlog"], state["oldest_ms"].as_i64().unwrap() > 86_400_000), (&json!(1), true), "{state}");
}

async fn check_refuses_what_would_lose_references(server: Server) {
    let rig = toys(server, 1, &[], TOY).await;
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.execute(
        "create table shelf (id bigint primary key, toy_id bigint references toy (id) on delete cascade, loose bigint,
            other bigint references toy (id) on delete set null);
         create index on_shelf on shelf (toy_id)",
    )
    .await;
    let by = |entries: &str| {
        TOY.replace("column = \"favorite_toy_id\" }", &format!("column = \"favorite_toy_id\" }}, {entries}"))
    };
    let refused = async |resources: &str, wanted: &[&str]| {
        rig.reconfigure(resources);
        let check = rig.run(&["check"]).await.expect_code(2).stderr;
        for wanted in wanted {
            assert!(check.contains(wanted), "{wanted}\n{check}");
        }
    };
    refused(TOY, &["resources.toy.unreferenced.by: `shelf` references `toy` by (toy_id), which is not named here"])
        .await;
    let all = by("{ table = \"shelf\", column = \"toy_id\" }, { table = \"shelf\", column = \"other\" }");
    refused(
        &all,
        &[
            "by[1]: the foreign key of `shelf` (toy_id) is ON DELETE CASCADE",
            "by[2]: the foreign key of `shelf` (other) is ON DELETE SET NULL",
            "by[2]: `shelf` (other) has no index",
            "(\"other\")`",
        ],
    )
    .await;
    refused(
        &by("{ table = \"shelf\", column = \"loose\" }, { table = \"shelves\", column = \"toy_id\" }"),
        &["by[1]: there is no foreign key from `shelf` (loose) to `toy`", "by[2].table: there is no table `shelves`"],
    )
    .await;
    // An index that begins with another column would be read as a whole.
    rig.execute("create table tag_toy (tag bigint, toy_id bigint references toy (id), primary key (tag, toy_id))")
        .await;
    let entry = "{ table = \"shelf\", column = \"toy_id\" }";
    let joined = all.replace(entry, &format!("{entry}, {{ table = \"tag_toy\", column = \"toy_id\" }}"));
    refused(&joined, &["`tag_toy` (toy_id) has no index"]).await;
    rig.execute("create index on_tag_toy on tag_toy (toy_id, tag)").await;
    rig.execute("drop table shelf").await;
    rig.reconfigure(&by("{ table = \"tag_toy\", column = \"toy_id\" }"));
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.execute("drop table tag_toy").await;
    let since = |column: &str| TOY.replace("since = \"deprecated_at\"", &format!("since = \"{column}\""));
    refused(&since("nothing"), &["resources.toy.unreferenced.since: `toy` has no column `nothing`"]).await;
    refused(&since("id"), &["since: `id` is bigint and cannot hold a time"]).await;
}

async fn settings_that_cannot_work_are_refused(server: Server) {
    let rig = toys(server, 1, &[], TOY).await;
    for (from, to, wanted) in [
        ("delete_after = \"14d\"", "delete_after = \"6d\"", "unreferenced.hide_after: it is longer than delete_after"),
        (
            "hide_after = \"7d\", delete_after = \"14d\"",
            "hide_after = \"1s\", delete_after = \"3m\"",
            "unreferenced.delete_after: it must be at least 4m",
        ),
        ("mode = \"on\"", "mode = \"delete\"", "unreferenced.mode"),
        ("since = \"deprecated_at\", ", "", "missing field `since`"),
        ("[{ table = \"person\", column = \"favorite_toy_id\" }]", "[]", "unreferenced.by: expected the foreign keys"),
        ("key = \"id\"", "key = \"id\"\ngrace = \"1h\"", "resources.toy.marker: it is missing"),
        ("unreferenced =", "# unreferenced =", "resources.toy.marker: it is missing: say how a removed row is marked"),
        (
            "key = \"id\"",
            "key = \"id\"\nmarker = { column = \"deprecated_at\" }",
            "unreferenced.since: `deprecated_at` marks removed rows",
        ),
    ] {
        rig.reconfigure(&TOY.replace(from, to));
        let check = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(check.contains(wanted), "{to}: {check}");
    }
}

async fn deletion_of_a_row_without_a_marker_cannot_be_requested(server: Server) {
    let rig = toys(server, 1, &[], TOY).await;
    let refused = rig.run(&["request", "toy", "1"]).await.expect_code(2).stderr;
    assert!(refused.contains("resource `toy` has no marker"), "{refused}");
    assert_eq!(ids(&rig, "true").await, "1");
}

/// A worker that starts has more to do than to sweep.
async fn worker_starts_although_rows_are_left_alone(server: Server) {
    let rig = toys(server, 2, &[], &TOY.replace("favorite_toy_id", "id")).await;
    let started = rig.run(&["run", "--until-idle"]).await.expect_code(0);
    assert!(started.stderr.contains("left alone: resources.toy.unreferenced.by"), "{}", started.stderr);
    drop(rig.run(&["sweep", "unreferenced"]).await.expect_code(0));
    assert_eq!(ids(&rig, "deprecated_at is null").await, "1 2");
}

async fn daemon_does_all_of_it_in_real_time(server: Server) {
    let resources = format!(
        "[sync]\ninterval = \"1s\"\n{}",
        TOY.replace("hide_after = \"7d\", delete_after = \"14d\"", "hide_after = \"2s\", delete_after = \"8s\"")
    );
    let rig = toys(server, 3, &[1], &resources).await;
    let (_one, _two) = (rig.daemon().await, rig.daemon().await);
    rig.until("select count(*) from toy where deprecated_at is not null", "2").await;
    let begun = std::time::Instant::now();
    rig.execute("insert into person (id, favorite_toy_id) values (2, 2)").await;
    rig.until("select count(*) from toy", "2").await;
    assert!(begun.elapsed() > std::time::Duration::from_secs(7), "{:?}", begun.elapsed());
    assert_eq!(ids(&rig, "deprecated_at is null").await, "1 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_says_what_may_still_be_chosen() {
    let rig = toys(Server::postgres().await, 3, &[], TOY).await;
    rig.execute("update toy set deprecated_at = now() - id * interval '3 days' - interval '1 hour' where id > 1").await;
    let chosen =
        "select id from toy where deprecated_at is null or deprecated_at > sexton_hidden_before('toy') order by id";
    assert_eq!(rig.rows(chosen).await, ["1", "2"]);
    let refused = "do $$ begin perform sexton_hidden_before('person'); exception when others then
        if sqlstate <> 'SX001' then raise; end if; end $$";
    rig.execute(refused).await;
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.reconfigure(&TOY.replace("7d", "6d"));
    assert!(rig.run(&["check"]).await.expect_code(2).stderr.contains("differs from what `sexton migrate` wrote"));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    assert_eq!(rig.rows(chosen).await, ["1"]);
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
    assert_eq!(found(&sweep(&rig).await), "looked 3, unreferenced 1, deprecated 1");
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

/// A gap in what was covered is one however the database writes times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ages_count_the_same_in_every_style_of_dates() {
    let rig = toys(Server::postgres().await, 1, &[], TOY).await;
    let Server::Postgres(db) = &rig.server else { return };
    db.execute(&format!("alter database {} set datestyle = 'German'", db.name())).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    let began = rig.one("select cursor #>> '{covered,toy,began}' from sexton_sweep").await;
    assert!(began.starts_with("20"), "{began}");
    let long_ago = "jsonb_set(cursor, '{covered,toy,began}', to_jsonb(to_char(now() at time zone 'UTC' - interval '85 hours', 'YYYY-MM-DD HH24:MI:SS')))";
    rig.execute(&format!("update sexton_sweep set cursor = {long_ago}")).await;
    assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, restarted 1");
}

/// Nothing was seen, and nothing is taken for unseen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_table_costs_no_row_its_age() {
    let rig = toys(Server::postgres().await, 1, &[], TOY).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    let Server::Postgres(db) = &rig.server else { return };
    use sea_orm::{ConnectionTrait, TransactionTrait};
    for table in ["toy", "person"] {
        let application = db.connect().await;
        let holder = application.begin().await.unwrap();
        holder.execute_unprepared(&format!("lock table {table} in access exclusive mode")).await.unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(found(&sweep(&rig).await), "", "{table}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{table}: {:?}", begun.elapsed());
        holder.rollback().await.unwrap();
    }
    assert_eq!(found(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, deleted 1");
}
