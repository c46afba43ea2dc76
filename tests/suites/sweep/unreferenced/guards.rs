//! `sexton guard` on tables whose rows go once nothing references them.

use serde_json::json;

use super::toys::{TABLES, TOY, days_pass, nonzero, sweep, toys};
use crate::rig::{Rig, Server, on_both};

on_both!(
    new_reference_takes_the_mark_away,
    hidden_row_can_no_longer_be_referenced,
    row_that_was_referenced_for_a_moment_survives,
    row_with_a_twin_is_not_deleted_before_references_are_guarded,
    row_with_a_twin_goes_through_the_ledger,
    restored_row_begins_anew,
    guard_of_another_time_is_outdated,
    tables_and_columns_may_have_any_name,
);

/// Toys that a shop knows, too.
const SOLD: &str = r#"
[resources.toy]
table = "toy"
key = "id"
marker = { column = "removed_at" }
unreferenced = { by = [{ table = "person", column = "favorite_toy_id" }], since = "deprecated_at", hide_after = "7d", delete_after = "14d", mode = "on" }
[[resources.toy.targets]]
name = "shop"
kind = "http"
url = "@API@/toys/{id}"
allow_private = true
"#;

async fn sold(server: Server, n: usize) -> Rig {
    let tables = TABLES.replace("name text,", "name text, removed_at TIME_TYPE,");
    let rig = Rig::with(server, &tables, SOLD).await;
    for id in 1..=n {
        rig.execute(&format!("insert into toy (id) values ({id})")).await;
    }
    rig
}

async fn guard(rig: &Rig) {
    drop(rig.run(&["guard", "toy"]).await.expect_code(0));
}

/// What the database says to statements that it is to refuse.
async fn refused(rig: &Rig, sql: &str) -> String {
    use sea_orm::ConnectionTrait;
    rig.server.connect().await.execute_unprepared(sql).await.unwrap_err().to_string()
}

async fn marked(rig: &Rig) -> String {
    rig.rows("select id from toy where deprecated_at is not null order by id").await.join(" ")
}

async fn new_reference_takes_the_mark_away(server: Server) {
    let rig = toys(server, 4, &[4], TOY).await;
    guard(&rig).await;
    sweep(&rig).await;
    days_pass(&rig, 6).await;
    assert_eq!(marked(&rig).await, "1 2 3");
    rig.execute("insert into person (id, favorite_toy_id) values (1, 1)").await;
    assert_eq!(marked(&rig).await, "2 3");
    rig.execute("update person set favorite_toy_id = 2 where id = 4").await;
    assert_eq!(marked(&rig).await, "3");
    rig.execute("insert into person (id) values (5)").await;
    rig.execute("update person set favorite_toy_id = null where id = 1").await;
    assert_eq!(marked(&rig).await, "3");
    // What is rolled back has not happened.
    rig.execute("begin; insert into person (id, favorite_toy_id) values (6, 3); rollback").await;
    assert_eq!(marked(&rig).await, "3");
}

async fn hidden_row_can_no_longer_be_referenced(server: Server) {
    let rig = toys(server, 3, &[1], TOY).await;
    guard(&rig).await;
    sweep(&rig).await;
    days_pass(&rig, 8).await;
    let why = "a row of toy that nothing has referenced for 7days can no longer be referenced";
    for sql in
        ["insert into person (id, favorite_toy_id) values (2, 2)", "update person set favorite_toy_id = 3 where id = 1"]
    {
        let message = refused(&rig, sql).await;
        assert!(message.contains(why), "{sql}: {message}");
    }
    assert_eq!(rig.rows("select id, favorite_toy_id from person").await, ["1|1"]);
    assert_eq!(marked(&rig).await, "2 3");
    // Writing an unchanged reference makes none, even if its row was marked by another session.
    rig.execute("update toy set deprecated_at = '2020-01-01 00:00:00' where id = 1").await;
    rig.execute("update person set id = 1, favorite_toy_id = 1").await;
    rig.execute("update toy set deprecated_at = null where id = 1").await;
    // Who clears the mark takes it back into the choice.
    rig.execute("update toy set deprecated_at = null where id = 2").await;
    rig.execute("insert into person (id, favorite_toy_id) values (2, 2)").await;
    days_pass(&rig, 7).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 3, unreferenced 1, hidden 1, old 1, deleted 1");
}

async fn row_that_was_referenced_for_a_moment_survives(server: Server) {
    let rig = toys(server, 2, &[], TOY).await;
    guard(&rig).await;
    sweep(&rig).await;
    days_pass(&rig, 6).await;
    // No pass sees it.
    rig.execute("insert into person (id, favorite_toy_id) values (1, 1)").await;
    rig.execute("delete from person").await;
    days_pass(&rig, 9).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2, unreferenced 2, hidden 1, deprecated 1, old 1, deleted 1");
    assert_eq!(rig.rows("select id from toy").await, ["1"]);
}

async fn row_with_a_twin_is_not_deleted_before_references_are_guarded(server: Server) {
    let rig = sold(server, 2).await;
    let check = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(check.contains("resources.toy.unreferenced.mode") && check.contains("run `sexton guard toy`"), "{check}");
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2, unreferenced 2, deprecated 2");
    days_pass(&rig, 15).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2, unreferenced 2, hidden 2, old 2, missed 2");
    let status = rig.json(&["status", "--json"]).await.remove(0);
    let sweeps = status["sweeps"].as_array().unwrap();
    let error = &sweeps.iter().find(|state| state["name"] == "unreferenced").unwrap()["error"];
    assert!(error.as_str().unwrap().contains("run `sexton guard toy`"), "{error}");
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
    guard(&rig).await;
    drop(rig.run(&["check"]).await.expect_code(0));
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2, unreferenced 2, hidden 2, old 2, requested 2");
    // It is not needed where nothing is called.
    drop(rig.run(&["guard", "toy", "--remove"]).await.expect_code(0));
    rig.reconfigure(TOY);
    drop(rig.run(&["migrate"]).await.expect_code(0));
    drop(rig.run(&["check"]).await.expect_code(0));
}

async fn row_with_a_twin_goes_through_the_ledger(server: Server) {
    let rig = sold(server, 3).await;
    guard(&rig).await;
    rig.execute("insert into person (id, favorite_toy_id) values (1, 1)").await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 3, unreferenced 2, hidden 2, old 2, requested 2");
    let asked = "select key, requested_by, reason from sexton_deletion order by key";
    let by = "sexton sweep unreferenced|unreferenced";
    assert_eq!(rig.rows(asked).await, [format!("2|{by}"), format!("3|{by}")]);
    // Once is enough, and what is about to go cannot be referenced.
    assert_eq!(nonzero(&sweep(&rig).await), "looked 3");
    assert!(refused(&rig, "insert into person (id, favorite_toy_id) values (2, 2)").await.contains("no longer"));
    rig.work().await;
    let mut calls = rig.calls();
    calls.sort();
    assert_eq!(calls, ["DELETE /toys/2", "DELETE /toys/3"]);
    assert_eq!(rig.rows("select id from toy").await, ["1"]);
    // The sweep's own deletes are not recorded.
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion_done").await, ["2"]);
}

async fn restored_row_begins_anew(server: Server) {
    let rig = sold(server, 1).await;
    guard(&rig).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    sweep(&rig).await;
    let id = rig.one("select id from sexton_deletion").await;
    drop(rig.run(&["restore", &id]).await.expect_code(0));
    // On-call wants it to stay; that it is still unreferenced is no news.
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, restarted 1");
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1");
    // The restored deletion is as old as the mark then.
    let ago = if rig.server.is_postgres() {
        "finished_at - interval '15 days'"
    } else {
        "strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, '-15 days')"
    };
    rig.execute(&format!("update sexton_deletion_done set finished_at = {ago}")).await;
    days_pass(&rig, 15).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, requested 1");
}

async fn guard_of_another_time_is_outdated(server: Server) {
    let rig = sold(server, 1).await;
    guard(&rig).await;
    let states = async || {
        let lines = rig.json(&["guard", "--json"]).await;
        lines.iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(states().await, ["installed".to_owned()].into());
    rig.reconfigure(&SOLD.replace("7d", "5d"));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    assert_eq!(states().await, ["installed".to_owned(), "outdated".to_owned()].into());
    assert!(rig.run(&["check"]).await.expect_code(2).stderr.contains("run `sexton guard toy`"));
    guard(&rig).await;
    assert_eq!(states().await, ["installed".to_owned()].into());
    drop(rig.run(&["check"]).await.expect_code(0));
    let lines = rig.json(&["guard", "toy", "--json"]).await;
    assert!(lines.iter().all(|line| line["changed"] == json!(false)), "{lines:?}");
    drop(rig.run(&["guard", "toy", "--remove"]).await.expect_code(0));
    rig.execute("insert into person (id, favorite_toy_id) values (1, 1)").await;
}

async fn tables_and_columns_may_have_any_name(server: Server) {
    let tables = r#"create table "Toy's; box" ("Ten""ant" bigint not null, "No" bigint not null, "since when?" TIME_TYPE, primary key ("Ten""ant", "No"));
        create table "select" (id bigint primary key, "Ten""ant" bigint, "new" bigint, foreign key ("Ten""ant", "new") references "Toy's; box" ("Ten""ant", "No"));
        create index on_toy on "select" ("Ten""ant", "new")"#;
    let resources = r#"
[resources.toy]
table = "Toy's; box"
key = ["Ten\"ant", "No"]
unreferenced = { by = [{ table = "select", columns = ["Ten\"ant", "new"] }], since = "since when?", hide_after = "7d", delete_after = "14d", mode = "on" }
"#;
    let rig = Rig::with(server, tables, resources).await;
    rig.execute(r#"insert into "Toy's; box" values (1, 1, null), (1, 2, null), (2, 1, null)"#).await;
    guard(&rig).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 3, unreferenced 3, deprecated 3");
    rig.execute(r#"insert into "select" values (1, 1, 2), (2, 2, null)"#).await;
    let marked = r#"select "Ten""ant", "No" from "Toy's; box" where "since when?" is not null order by 1, 2"#;
    assert_eq!(rig.rows(marked).await, ["1|1", "2|1"]);
    let ago = if rig.server.is_postgres() {
        "now() - interval '8 days'"
    } else {
        "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-8 days')"
    };
    rig.execute(&format!(r#"update "Toy's; box" set "since when?" = {ago} where "Ten""ant" = 2"#)).await;
    let message = refused(&rig, r#"update "select" set "Ten""ant" = 2, "new" = 1 where id = 1"#).await;
    assert!(message.contains("can no longer be referenced"), "{message}");
}

/// A role that references a row may have no right to change it, and another time zone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_needs_no_right_on_the_row_and_has_a_time_zone_of_its_own() {
    use sea_orm::ConnectionTrait;
    let server = Server::postgres().await;
    let tables = TABLES.replace("deprecated_at TIME_TYPE", "deprecated_at timestamp");
    let rig = Rig::with(server, &tables, &TOY.replace("7d", "10h")).await;
    rig.execute("insert into toy select n from generate_series(1, 3) n").await;
    guard(&rig).await;
    let Server::Postgres(db) = &rig.server else { return };
    let writer = db.create_role("writer", "").await;
    db.execute(&format!("grant usage on schema public to {0}; grant insert, select on person to {0}", writer.name))
        .await;
    db.execute("update toy set deprecated_at = (now() at time zone 'UTC') - id * interval '9 hours'").await;
    let conn = sea_orm::Database::connect(&writer.url).await.unwrap();
    for (id, zone) in [(1, "Pacific/Kiritimati"), (2, "Pacific/Kiritimati"), (2, "Pacific/Pago_Pago")] {
        let sql = format!("set timezone = '{zone}'; insert into person (id, favorite_toy_id) values ({id}, {id})");
        let result = conn.execute_unprepared(&sql).await;
        assert_eq!(result.is_ok(), id == 1, "{zone}: {result:?}");
    }
    assert_eq!(marked(&rig).await, "2 3");
}

/// Each order in which a reference and the mark can meet: neither leaves a row that is referenced and marked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reference_and_mark_never_pass_each_other() {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    use sexton_core::sweep::unreferenced::Step;
    for deferred in [false, true] {
        let rig = toys(Server::postgres().await, 2, &[], TOY).await;
        if deferred {
            rig.execute(
                "alter table person alter constraint person_favorite_toy_id_fkey deferrable initially deferred",
            )
            .await;
        }
        guard(&rig).await;
        let fixture = super::fixture::Fixture::on(rig.server, 4).await;
        // The reference comes first, and is not committed yet.
        let writer = fixture.application.begin().await.unwrap();
        writer.execute_unprepared("insert into person (id, favorite_toy_id) values (1, 1)").await.unwrap();
        assert_eq!(
            super::fixture::at_once(fixture.act(Step::Deprecate, &["1", "2"])).await.unwrap(),
            ["2"],
            "{deferred}"
        );
        writer.commit().await.unwrap();
        assert!(fixture.act(Step::Deprecate, &["1"]).await.unwrap().is_empty());
        // The mark comes first, and is not committed yet.
        let sweep = fixture.application.begin().await.unwrap();
        sweep.execute_unprepared("select * from toy where id = 2 for update").await.unwrap();
        sweep.execute_unprepared("update toy set deprecated_at = now() where id = 2").await.unwrap();
        let writing = fixture.server.execute("insert into person (id, favorite_toy_id) values (2, 2)");
        let (_, ()) = tokio::join!(writing, async {
            fixture.server.until_waiting_for_locks(1).await;
            sweep.commit().await.unwrap();
        });
        assert_eq!(fixture.ids("select count(*) from toy where deprecated_at is not null").await, "0", "{deferred}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reference_that_a_trigger_makes_is_guarded_too() {
    let rig = toys(Server::postgres().await, 2, &[1], TOY).await;
    guard(&rig).await;
    sweep(&rig).await;
    days_pass(&rig, 8).await;
    rig.execute(
        "create function likes() returns trigger language plpgsql as $$ begin new.favorite_toy_id := 2; return new; end $$;
         create trigger likes before update on person for each row execute function likes()",
    )
    .await;
    let message = refused(&rig, "update person set deleted_at = now() where id = 1").await;
    assert!(message.contains("can no longer be referenced"), "{message}");
}

/// Writers that take marks away wait for no lock, so they cannot deadlock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_do_not_wait_for_each_other_because_of_the_guard() {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    let rig = toys(Server::postgres().await, 3, &[], TOY).await;
    guard(&rig).await;
    sweep(&rig).await;
    let application = rig.server.connect().await;
    let (one, other) = (application.begin().await.unwrap(), application.begin().await.unwrap());
    let holder = application.begin().await.unwrap();
    holder.execute_unprepared("update toy set name = 'held' where id = 3").await.unwrap();
    for (id, writer, toy) in [(1, &one, 1), (2, &other, 2), (3, &one, 2), (4, &other, 1), (5, &other, 3)] {
        let sql = format!("insert into person (id, favorite_toy_id) values ({id}, {toy})");
        super::fixture::at_once(writer.execute_unprepared(&sql)).await.unwrap();
    }
    for writer in [one, other, holder] {
        writer.commit().await.unwrap();
    }
    // What could not be had then is left to the sweep.
    assert_eq!(marked(&rig).await, "3");
    assert_eq!(nonzero(&sweep(&rig).await), "looked 3, cleared 1");
}

/// Its deletion is under way, whatever is said of hiding meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_whose_deletion_was_requested_cannot_be_referenced_when_hiding_takes_longer() {
    for server in [Server::postgres().await, Server::sqlite().await] {
        let rig = sold(server, 1).await;
        guard(&rig).await;
        sweep(&rig).await;
        days_pass(&rig, 15).await;
        sweep(&rig).await;
        rig.reconfigure(&SOLD.replace("7d", "30d").replace("14d", "60d"));
        drop(rig.run(&["migrate"]).await.expect_code(0));
        guard(&rig).await;
        let message = refused(&rig, "insert into person (id, favorite_toy_id) values (1, 1)").await;
        assert!(message.contains("can no longer be referenced"), "{message}");
    }
}
