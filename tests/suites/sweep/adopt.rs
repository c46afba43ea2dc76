//! The sweep `adopt`: rows that were marked without Sexton.

use serde_json::{Value, json};
use sexton_tests::api::{Answer, Behaviour};

use crate::rig::{RESOURCE, Rig, Server, on_both};

on_both!(
    orphans_are_only_counted_unless_the_mode_is_on,
    adopted_rows_are_deleted_like_any_other,
    only_rows_that_were_marked_since_then_are_adopted,
    row_that_was_marked_a_moment_ago_is_not_adopted,
    rows_with_an_ended_deletion_are_not_adopted,
    rows_with_an_ended_deletion_are_known_by_their_hashes,
    children_of_a_removed_row_are_no_orphans,
    row_whose_marker_has_no_time_is_adopted_and_waits,
    small_budget_comes_to_the_same,
    killed_adoption_resumes_where_it_was,
    row_that_cannot_be_marked_keeps_no_other_from_it,
    row_without_targets_that_is_still_referenced_is_for_the_ledger_to_refuse,
    row_recreated_under_an_old_key_is_an_orphan_again,
    settings_that_would_delete_too_much_are_refused,
);

const ON: &str = "adopt = \"on\"\nadopt_all = true";

/// [`RESOURCE`] with further settings.
fn resource_with(more: &str) -> String {
    RESOURCE.replace("key = \"id\"", &format!("key = \"id\"\n{more}"))
}

/// Blocks 1 to `n`, of which those in `marked` were marked by hand a year ago.
async fn blocks(server: Server, n: usize, marked: &str, resource: &str) -> Rig {
    let rig = Rig::blocks_with(server, n, resource).await;
    rig.execute(&format!("update block set deleted_at = '2025-06-01 12:00:00' where id in ({marked})")).await;
    rig
}

async fn sweep(rig: &Rig) -> Value {
    rig.json(&["sweep", "adopt", "--json"]).await.remove(0)
}

fn figures(looked: u64, orphans: u64, adopted: u64) -> Value {
    json!({ "sweep": "adopt", "dry_run": false, "looked": looked, "orphans": orphans, "adoptable": adopted,
        "adopted": adopted, "missed": 0, "refused": 0 })
}

async fn ids_left(rig: &Rig) -> String {
    rig.rows("select id from block order by id").await.join(" ")
}

async fn orphans_are_only_counted_unless_the_mode_is_on(server: Server) {
    let rig = blocks(server, 4, "1, 2", RESOURCE).await;
    rig.request("block", &["3"]).await;
    assert_eq!(sweep(&rig).await, figures(4, 2, 0));
    let of_ledger = "select key from sexton_deletion";
    assert_eq!(rig.rows(of_ledger).await, ["3"]);
    let status = rig.json(&["status", "--json"]).await.remove(0);
    let state = &status["sweeps"][0];
    assert_eq!((&state["name"], &state["found"], &state["done"]), (&json!("adopt"), &json!(2), &json!(0)));
    assert_eq!((&state["backlog"], &state["error"]), (&json!(2), &Value::Null));
    assert!(state["oldest_ms"].as_i64().unwrap() > 86_400_000, "{state}");
    let text = rig.run(&["status"]).await.expect_code(0).stdout;
    assert!(text.contains("SWEEP") && text.contains("adopt"), "{text}");
    rig.reconfigure(&resource_with("adopt = \"off\""));
    assert_eq!(sweep(&rig).await, figures(0, 0, 0));
    rig.reconfigure(&resource_with(ON));
    let dry = rig.json(&["sweep", "adopt", "--dry-run", "--json"]).await.remove(0);
    assert_eq!((&dry["orphans"], &dry["adoptable"], &dry["adopted"]), (&json!(2), &json!(2), &json!(0)));
    assert_eq!(rig.rows(of_ledger).await, ["3"]);
}

async fn adopted_rows_are_deleted_like_any_other(server: Server) {
    let rig = blocks(server, 4, "1, 3", &resource_with(ON)).await;
    assert_eq!(sweep(&rig).await, figures(4, 2, 2));
    let asked = "select key, requested_by, reason from sexton_deletion order by key";
    let by = "sexton sweep adopt|marked without a deletion";
    assert_eq!(rig.rows(asked).await, [format!("1|{by}"), format!("3|{by}")]);
    assert_eq!(sweep(&rig).await, figures(4, 0, 0));
    rig.work().await;
    assert_eq!(ids_left(&rig).await, "2 4");
    let mut called: Vec<_> = rig.api.log().iter().map(|call| call.path().to_owned()).collect();
    called.sort();
    assert_eq!(called, ["/calendars/c/events/g1", "/calendars/c/events/g3"]);
}

async fn only_rows_that_were_marked_since_then_are_adopted(server: Server) {
    let since = "adopt = \"on\"\nadopt_since = \"2026-01-01T00:00:00Z\"";
    let rig = blocks(server, 3, "1", &resource_with(since)).await;
    rig.execute("update block set deleted_at = '2026-01-01 00:00:00' where id = 2").await;
    rig.execute("update block set deleted_at = '2025-12-31 23:59:59' where id = 3").await;
    assert_eq!(sweep(&rig).await, figures(3, 3, 1));
    assert_eq!(rig.rows("select key from sexton_deletion").await, ["2"]);
}

async fn row_that_was_marked_a_moment_ago_is_not_adopted(server: Server) {
    let rig = blocks(server, 2, "0", &resource_with(ON)).await;
    let now = if rig.server.is_postgres() { "now()" } else { "datetime('now')" };
    rig.execute(&format!("update block set deleted_at = {now} where id = 1")).await;
    assert_eq!(sweep(&rig).await, figures(2, 0, 0));
}

async fn ended_deletions(server: Server, more: &str) {
    let kept =
        "marker_when = [{ column = \"kind\", equals = \"K\", marker = { column = \"deleted_at\" }, then = \"keep\" }]";
    // Switched on only after the deletions have ended: the workers sweep as well.
    let resource = resource_with(&format!("{kept}\n{more}"));
    let rig = blocks(server, 4, "1, 2, 3, 4", &resource).await;
    rig.execute("update block set kind = 'K' where id = 1; update block set deleted_at = '2025-06-01 12:00:00.123456'")
        .await;
    rig.api.script("/calendars/c/events/g2", vec![Answer::Status(400)]);
    let ids = rig.request("block", &["1", "2"]).await;
    rig.work().await;
    assert_eq!(rig.show(&ids[0]).await["row_outcome"], "kept");
    drop(rig.run(&["dlq", "discard", &ids[1], "--reason", "seen"]).await.expect_code(0));
    let later = rig.json(&["request", "block", "3", "--after", "1h", "--json"]).await.remove(0);
    drop(rig.run(&["restore", later["id"].as_str().unwrap(), "--leave-marked"]).await.expect_code(0));
    assert_eq!(rig.rows("select count(*) from block where deleted_at is not null").await, ["4"]);
    rig.reconfigure(&resource.replace(kept, &format!("{kept}\n{ON}")).replace("hash_key = true", ""));
    // An ORM has saved the rows since, and has written what it had read.
    let read = if rig.server.is_postgres() { "2025-06-01 12:00:00.123" } else { "2025-06-01T12:00:00.123Z" };
    rig.execute(&format!("update block set deleted_at = '{read}'")).await;
    // Only the fourth has no deletion.
    assert_eq!(sweep(&rig).await, figures(4, 1, 1));
    assert_eq!(rig.rows("select key from sexton_deletion").await, ["4"]);
    // What is marked anew is another matter.
    rig.execute("update block set deleted_at = '2025-07-01 12:00:00' where id = 3").await;
    assert_eq!(sweep(&rig).await, figures(4, 1, 1));
}

async fn rows_with_an_ended_deletion_are_not_adopted(server: Server) {
    ended_deletions(server, "").await;
}

async fn rows_with_an_ended_deletion_are_known_by_their_hashes(server: Server) {
    ended_deletions(server, "hash_key = true").await;
}

async fn children_of_a_removed_row_are_no_orphans(server: Server) {
    let children = "[[resources.block.children]]\ntable = \"block\"\ncolumn = \"note\"\nreferences = \"gcal_id\"\nscope = [\"calendar_id\"]\n\
                    then = \"delete\"\ntwin = \"goes_with_parent\"\n";
    let resource =
        resource_with(ON).replace("[[resources.block.targets]]", &format!("{children}\n[[resources.block.targets]]"));
    let rig = blocks(server, 3, "1, 2, 3", &resource).await;
    rig.execute("update block set note = 'g1' where id = 2").await;
    drop(rig.run(&["request", "block", "1", "--after", "1h"]).await.expect_code(0));
    assert_eq!(rig.rows("select key from sexton_child").await, ["2"]);
    assert_eq!(sweep(&rig).await, figures(3, 1, 1));
    assert_eq!(rig.rows("select key from sexton_deletion order by key").await, ["1", "3"]);
}

async fn row_whose_marker_has_no_time_is_adopted_and_waits(server: Server) {
    let resource =
        resource_with(ON).replace("{ column = \"deleted_at\" }", "{ column = \"item_status\", value = \"Deleted\" }");
    let rig = Rig::blocks_with(server, 2, &resource).await;
    rig.execute("update block set item_status = 'Deleted' where id = 1").await;
    assert_eq!(sweep(&rig).await, figures(2, 1, 1));
    // It waits for ten minutes, in which the application may ask for itself.
    rig.work().await;
    assert!(rig.api.log().is_empty());
    assert_eq!(rig.rows("select key, state from sexton_deletion").await, ["1|pending"]);
}

async fn small_budget_comes_to_the_same(server: Server) {
    let sync = "[sync]\nbatch = 2\nbudget = { rows = 4, time = \"20s\" }\n";
    let rig = blocks(server, 11, "1, 2, 6, 11", &format!("{sync}{}", resource_with(ON))).await;
    assert_eq!(sweep(&rig).await, figures(11, 4, 4));
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["4"]);
}

async fn killed_adoption_resumes_where_it_was(server: Server) {
    let sync = "[sync]\nbatch = 2\nbudget = { rows = 2, time = \"20s\" }\n";
    let mut rig = blocks(server, 7, "1, 2, 3, 5, 7", &format!("{sync}{}", resource_with(ON))).await;
    for point in ["adopt::before", "adopt::committed"] {
        rig.sexton = rig.sexton.env("FAILPOINTS", &format!("{point}=1*off->return"));
        assert_ne!(rig.run(&["sweep", "adopt"]).await.code, 0);
        rig.execute("update sexton_sweep set leader = null, lease_until = null").await;
    }
    rig.sexton = rig.sexton.env("FAILPOINTS", "");
    drop(rig.run(&["sweep", "adopt"]).await.expect_code(0));
    assert_eq!(rig.rows("select key from sexton_deletion order by key").await, ["1", "2", "3", "5", "7"]);
}

async fn row_that_cannot_be_marked_keeps_no_other_from_it(server: Server) {
    let rig = blocks(server, 3, "1, 2, 3", &resource_with(ON)).await;
    rig.execute(if rig.server.is_postgres() {
        "create function no() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$;
         create trigger no before update on block for each row when (old.id = 2) execute function no()"
    } else {
        "create trigger no before update on block when old.id = 2 begin select raise(abort, 'not this one'); end"
    })
    .await;
    let mut wanted = figures(3, 3, 2);
    (wanted["refused"], wanted["adoptable"]) = (json!(1), json!(3));
    assert_eq!(sweep(&rig).await, wanted);
    assert_eq!(rig.rows("select key from sexton_deletion order by key").await, ["1", "3"]);
    let status = rig.json(&["status", "--json"]).await.remove(0);
    assert_eq!(status["sweeps"][0]["backlog"], 1);
}

/// No statement of a sweep raises a foreign-key violation.
async fn row_without_targets_that_is_still_referenced_is_for_the_ledger_to_refuse(server: Server) {
    let targets = RESOURCE.find("[[resources.block.targets]]").unwrap();
    let resource = resource_with(ON).replace(&RESOURCE[targets..], "");
    let rig = blocks(server, 2, "1, 2", &format!("[retry]\nmax_attempts = 1\n{resource}")).await;
    rig.execute("create table note (id bigint primary key, block_id bigint references block (id))").await;
    rig.execute("insert into note values (1, 1)").await;
    assert_eq!(sweep(&rig).await, figures(2, 2, 2));
    rig.work().await;
    assert_eq!(ids_left(&rig).await, "1");
    assert_eq!(rig.rows("select key, dead_kind from sexton_deletion").await, ["1|referenced"]);
}

async fn row_recreated_under_an_old_key_is_an_orphan_again(server: Server) {
    let resource =
        resource_with(ON).replace("{ column = \"deleted_at\" }", "{ column = \"item_status\", value = \"Deleted\" }");
    let rig = Rig::blocks_with(server, 1, &resource).await;
    rig.request("block", &["1"]).await;
    rig.work().await;
    rig.execute("insert into block (id, calendar_id, gcal_id, item_status) values (1, 'c', 'g9', 'Deleted')").await;
    assert_eq!(sweep(&rig).await, figures(1, 1, 1));
}

async fn settings_that_would_delete_too_much_are_refused(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    for (settings, why) in [
        ("adopt = \"on\"", "resources.block.adopt: \"on\" deletes every row that was ever marked"),
        ("adopt = \"yes\"", "resources.block.adopt"),
        ("adopt = \"on\"\nadopt_since = \"yesterday\"", "`yesterday` is not a time such as"),
        ("adopt_since = \"2026-01-01T00:00:00Z\"\nadopt_all = true", "it is of no use with adopt_all"),
    ] {
        rig.reconfigure(&resource_with(settings));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(refused.contains(why), "{settings}: {refused}");
    }
    let undated = resource_with("adopt = \"on\"\nadopt_since = \"2026-01-01T00:00:00Z\"")
        .replace("{ column = \"deleted_at\" }", "{ column = \"item_status\", value = \"Deleted\" }");
    rig.reconfigure(&undated);
    assert!(rig.run(&["check"]).await.expect_code(2).stderr.contains("only adopt_all = true"));
    let twice = format!(
        "{}\n[resources.other]\ntable = \"block\"\nkey = \"id\"\nmarker = {{ column = \"deleted_at\" }}\n",
        resource_with(ON)
    );
    rig.reconfigure(&twice);
    assert!(rig.run(&["check"]).await.expect_code(2).stderr.contains("resource `other` has the same table"));
}

/// A locked row is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_row_is_passed_over_and_found_again() {
    let rig = blocks(Server::postgres().await, 2, "1, 2", &resource_with(ON)).await;
    let conn = rig.server.connect().await;
    let transaction = sea_orm::TransactionTrait::begin(&conn).await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&transaction, "select 1 from block where id = 1 for key share")
        .await
        .unwrap();
    let mut wanted = figures(2, 2, 1);
    (wanted["missed"], wanted["adoptable"]) = (json!(1), json!(2));
    assert_eq!(sweep(&rig).await, wanted);
    let state = rig.json(&["status", "--json"]).await.remove(0)["sweeps"][0].take();
    assert!(state["backlog"] == 1 && state["oldest_ms"].as_i64().unwrap() > 86_400_000, "{state}");
    transaction.commit().await.unwrap();
    assert_eq!(sweep(&rig).await, figures(2, 1, 1));
}

/// What is looked at is bounded, however few of the rows are marked: no statement reads the table from end to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_table_is_gone_through_by_its_key() {
    let rig = Rig::blocks_with(Server::postgres().await, 0, &resource_with(ON)).await;
    rig.execute(
        "insert into block (id, calendar_id, gcal_id, deleted_at) select n, 'c', 'g' || n, case when n = 70000 then timestamptz '2025-01-01' end
         from generate_series(1, 100000) n",
    )
    .await;
    rig.execute("analyze block").await;
    let scans = async || {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        rig.one("select seq_tup_read from pg_stat_user_tables where relname = 'block'").await.parse::<u64>().unwrap()
    };
    let before = scans().await;
    assert_eq!(sweep(&rig).await, figures(100_000, 1, 1));
    assert_eq!(scans().await, before, "the table was scanned");
}

/// The daemon does it by itself, and writes down what it did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_adopts_by_itself_and_writes_down_what_it_did() {
    let rig = blocks(Server::sqlite().await, 3, "1, 2", &resource_with(ON)).await;
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    let _daemon = rig.daemon().await;
    rig.until("select count(*) from block", "1").await;
    rig.until("select found, done, backlog, cut_short from sexton_sweep where name = 'adopt'", "2|2|0|0").await;
}
