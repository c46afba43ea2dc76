//! What passes do, and that nothing stops them halfway.

use serde_json::json;

use super::toys::{TOY, days_pass, ids, nonzero, sweep, toys};
use crate::rig::{Server, on_both};

on_both!(
    unreferenced_rows_are_deprecated_then_hidden_and_deleted_in_the_end,
    nothing_is_changed_unless_the_mode_is_on,
    row_that_is_referenced_again_begins_anew,
    age_begins_anew_where_passes_did_not_cover_it,
    removed_row_is_left_to_its_deletion,
    row_that_is_to_stay_for_a_while_is_requested,
    row_whose_mark_could_not_be_taken_back_begins_anew,
    small_budget_comes_to_the_same,
    killed_sweep_resumes_where_it_was,
    row_that_cannot_be_deleted_keeps_no_other_from_it,
    daemon_does_all_of_it_in_real_time,
);

async fn unreferenced_rows_are_deprecated_then_hidden_and_deleted_in_the_end(server: Server) {
    let rig = toys(server, 4, &[1, 3], TOY).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 4, unreferenced 2, deprecated 2");
    assert_eq!(ids(&rig, "deprecated_at is not null").await, "2 4");
    assert_eq!(nonzero(&sweep(&rig).await), "looked 4, unreferenced 2");
    days_pass(&rig, 8).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 4, unreferenced 2, hidden 2");
    days_pass(&rig, 7).await;
    let dry = rig.json(&["sweep", "unreferenced", "--dry-run", "--json"]).await.remove(0);
    assert_eq!(nonzero(&dry), "looked 4, unreferenced 2, hidden 2, old 2");
    assert_eq!(nonzero(&sweep(&rig).await), "looked 4, unreferenced 2, hidden 2, old 2, deleted 2");
    assert_eq!(ids(&rig, "true").await, "1 3");
    assert_eq!(rig.rows("select count(*) from person").await, ["2"]);
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2");
}

async fn nothing_is_changed_unless_the_mode_is_on(server: Server) {
    let rig = toys(server, 4, &[1], &TOY.replace(", mode = \"on\"", "")).await;
    rig.execute("update toy set deprecated_at = '2020-01-01 00:00:00' where id in (1, 2)").await;
    for _ in 0..2 {
        assert_eq!(nonzero(&sweep(&rig).await), "looked 4, unreferenced 3, hidden 1");
    }
    assert_eq!(ids(&rig, "deprecated_at is not null").await, "1 2");
    let status = rig.json(&["status", "--json"]).await.remove(0);
    let sweeps = status["sweeps"].as_array().unwrap();
    let state = sweeps.iter().find(|state| state["name"] == "unreferenced").unwrap();
    assert_eq!((&state["found"], &state["done"], &state["backlog"]), (&json!(4), &json!(0), &json!(4)));
    rig.reconfigure(TOY);
    let dry = rig.json(&["sweep", "unreferenced", "--dry-run", "--json"]).await.remove(0);
    assert_eq!(nonzero(&dry), "looked 4, unreferenced 3, hidden 1");
    assert_eq!(ids(&rig, "deprecated_at is not null").await, "1 2");
    // What happened since 2020 is unknown: the second is not deleted, but starts from the beginning.
    assert_eq!(nonzero(&sweep(&rig).await), "looked 4, unreferenced 3, hidden 1, deprecated 2, restarted 1, cleared 1");
    assert_eq!(ids(&rig, "deprecated_at > '2025-01-01'").await, "2 3 4");
}

async fn row_that_is_referenced_again_begins_anew(server: Server) {
    let rig = toys(server, 2, &[], TOY).await;
    sweep(&rig).await;
    days_pass(&rig, 15).await;
    rig.execute("insert into person (id, favorite_toy_id) values (1, 1)").await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2, unreferenced 1, hidden 1, cleared 1, old 1, deleted 1");
    assert_eq!(ids(&rig, "deprecated_at is null").await, "1");
    rig.execute("delete from person").await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, deprecated 1");
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
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, restarted 1");
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1");
    days_pass(&rig, 15).await;
    // A little less than a quarter is near enough.
    rig.execute(&format!("update sexton_sweep set cursor = {}", ago.replace("85 hours", "83 hours"))).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, deleted 1");
}

async fn removed_row_is_left_to_its_deletion(server: Server) {
    let resources = TOY.replace("key = \"id\"", "key = \"id\"\nmarker = { column = \"name\", value = \"gone\" }");
    let rig = toys(server, 2, &[], &resources).await;
    sweep(&rig).await;
    drop(rig.run(&["request", "toy", "1", "--after", "1h"]).await.expect_code(0));
    days_pass(&rig, 15).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2, unreferenced 1, hidden 1, old 1, deleted 1");
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
        assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, missed 1", "{stays}");
        drop(rig.run(&["guard", "toy"]).await.expect_code(0));
        assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, requested 1", "{stays}");
        rig.work().await;
        assert_eq!(ids(&rig, "name = 'gone'").await, "1", "{stays}");
    }
}

/// It was seen in use for an unknown time.
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
    assert_eq!(nonzero(&sweep(&rig).await), "looked 2, unreferenced 1, hidden 1, old 1, deleted 1, refused 1");
    rig.execute(if rig.server.is_postgres() { "drop trigger no on toy" } else { "drop trigger no" }).await;
    rig.execute("delete from person").await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, restarted 1");
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1");
}

async fn small_budget_comes_to_the_same(server: Server) {
    let rig =
        toys(server, 25, &[3, 20], &format!("[sync]\nbatch = 3\nbudget = {{ rows = 7, time = \"20s\" }}\n{TOY}")).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 25, unreferenced 23, deprecated 23");
    days_pass(&rig, 15).await;
    assert_eq!(nonzero(&sweep(&rig).await), "looked 25, unreferenced 23, hidden 23, old 23, deleted 23");
    assert_eq!(ids(&rig, "true").await, "3 20");
}

async fn killed_sweep_resumes_where_it_was(server: Server) {
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
    // Two deleted ones were not recorded any more; the next pass does not look at them.
    assert_eq!(nonzero(&sweep(&rig).await), "looked 7, unreferenced 6, hidden 6, old 6, deleted 6");
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
    assert_eq!(nonzero(&sweep(&rig).await), "looked 5, unreferenced 5, hidden 5, old 5, deleted 4, refused 1");
    assert_eq!(ids(&rig, "true").await, "3");
    let status = rig.json(&["status", "--json"]).await.remove(0);
    let sweeps = status["sweeps"].as_array().unwrap();
    let state = sweeps.iter().find(|state| state["name"] == "unreferenced").unwrap();
    assert_eq!((&state["backlog"], state["oldest_ms"].as_i64().unwrap() > 86_400_000), (&json!(1), true), "{state}");
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
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, restarted 1");
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
        assert_eq!(nonzero(&sweep(&rig).await), "", "{table}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{table}: {:?}", begun.elapsed());
        holder.rollback().await.unwrap();
    }
    assert_eq!(nonzero(&sweep(&rig).await), "looked 1, unreferenced 1, hidden 1, old 1, deleted 1");
}
