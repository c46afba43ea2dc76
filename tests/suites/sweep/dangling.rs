//! The sweep `dangling`: rows that are still there although the deletion of their parent is completed.

use serde_json::{Value, json};

use crate::rig::{Rig, Server, on_both};

on_both!(
    late_child_is_deleted_and_nothing_is_called_again,
    late_child_with_a_twin_has_a_deletion_of_its_own,
    late_child_whose_reference_is_cleared_stays,
    late_child_inside_json_is_found_by_what_the_deletion_kept,
    child_of_the_back_catalogue_is_found_from_its_own_side,
    rows_whose_parent_was_never_requested_are_not_touched,
    recreated_parent_keeps_its_children,
    kept_parent_keeps_its_children,
    small_budget_comes_to_the_same,
);

const TABLES: &str = "create table series (id bigint primary key, gcal_id text unique, deleted_at TIME_TYPE);
    create table block (id bigint primary key, series_id bigint, data JSON_TYPE, deleted_at TIME_TYPE);
    create index block_series on block (series_id);";

const RESOURCES: &str = r#"
[resources.series]
table = "series"
key = "id"
marker = { column = "deleted_at" }
[[resources.series.targets]]
name = "calendar"
kind = "http"
url = "@API@/series/{gcal_id}"
timeout = "2s"
allow_private = true
[[resources.series.children]]
table = "block"
LINK
THEN
"#;

const BLOCK: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }
[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "@API@/blocks/{id}"
timeout = "2s"
allow_private = true
"#;

const BY_KEY: &str = "column = \"series_id\"\nreferences = \"id\"";
const BY_JSON: &str = "json = { column = \"data\", path = \"recurringEventId\" }\nreferences = \"gcal_id\"";

fn resources(link: &str, then: &str) -> String {
    RESOURCES.replace("LINK", link).replace("THEN", then)
}

/// Series 1 to `n`, whose deletions are completed.
async fn removed(server: Server, n: usize, resources: &str) -> Rig {
    let json = if server.is_postgres() { "jsonb" } else { "text" };
    let rig = Rig::with(server, &TABLES.replace("JSON_TYPE", json), resources).await;
    let keys: Vec<String> = (1..=n).map(|n| n.to_string()).collect();
    for key in &keys {
        rig.execute(&format!("insert into series (id, gcal_id) values ({key}, 's{key}')")).await;
    }
    rig.request("series", &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    rig.work().await;
    assert_eq!(rig.one("select count(*) from series").await, "0");
    rig
}

async fn block(rig: &Rig, id: u32, series: u32) {
    rig.execute(&format!("insert into block (id, series_id) values ({id}, {series})")).await;
}

async fn sweep(rig: &Rig, more: &[&str]) -> Value {
    rig.json(&[&["sweep", "dangling", "--json"], more].concat()).await.remove(0)
}

fn figures(completed: u64, looked: u64, dangling: u64, unknown: u64) -> Value {
    json!({ "sweep": "dangling", "dry_run": false, "completed": completed, "looked": looked, "dangling": dangling,
        "taken_up": dangling, "unknown": unknown })
}

async fn blocks_left(rig: &Rig) -> Vec<String> {
    rig.rows("select id, series_id from block order by id").await
}

async fn late_child_is_deleted_and_nothing_is_called_again(server: Server) {
    let rig = removed(server, 2, &resources(BY_KEY, "then = \"delete\"")).await;
    assert_eq!(sweep(&rig, &[]).await, figures(2, 0, 0, 0));
    block(&rig, 7, 1).await;
    let calls = rig.calls().len();
    let dry = sweep(&rig, &["--dry-run"]).await;
    assert_eq!((&dry["dangling"], &dry["taken_up"]), (&json!(1), &json!(0)));
    assert_eq!(rig.rows("select key from sexton_deletion").await, Vec::<String>::new());
    assert_eq!(sweep(&rig, &[]).await, figures(2, 1, 1, 0));
    assert_eq!(
        rig.rows("select resource, key, requested_by, reason from sexton_deletion").await,
        ["series|1|sexton sweep dangling|children were still there"]
    );
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, Vec::<String>::new());
    assert_eq!(rig.calls().len(), calls, "the calendar had confirmed already");
    let last = rig.one("select children_deleted from sexton_deletion_done order by finished_at desc limit 1").await;
    assert_eq!(last, "1");
    assert_eq!(sweep(&rig, &[]).await, figures(3, 0, 0, 0));
}

async fn late_child_with_a_twin_has_a_deletion_of_its_own(server: Server) {
    let rig = removed(server, 1, &format!("{}{BLOCK}", resources(BY_KEY, "then = \"request\""))).await;
    block(&rig, 7, 1).await;
    assert_eq!(sweep(&rig, &[]).await["taken_up"], 1);
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, Vec::<String>::new());
    assert_eq!(rig.calls(), ["DELETE /series/s1", "DELETE /blocks/7"]);
    assert_eq!(rig.one("select count(*) from sexton_deletion").await, "0");
    assert_eq!(sweep(&rig, &[]).await["dangling"], 0);
}

async fn late_child_whose_reference_is_cleared_stays(server: Server) {
    let rig = removed(server, 1, &resources(BY_KEY, "then = \"nullify\"")).await;
    block(&rig, 7, 1).await;
    assert_eq!(sweep(&rig, &[]).await["taken_up"], 1);
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, ["7|-"]);
    assert_eq!(sweep(&rig, &[]).await["dangling"], 0);
}

async fn late_child_inside_json_is_found_by_what_the_deletion_kept(server: Server) {
    let rig = removed(server, 2, &resources(BY_JSON, "then = \"delete\"")).await;
    rig.execute("insert into block (id, data) values (7, '{\"recurringEventId\": \"s2\"}')").await;
    rig.execute("insert into block (id, data) values (8, '{\"recurringEventId\": \"s3\"}')").await;
    assert_eq!(sweep(&rig, &[]).await, figures(2, 0, 1, 0));
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, ["8|-"]);
}

async fn child_of_the_back_catalogue_is_found_from_its_own_side(server: Server) {
    let rig = removed(server, 2, &resources(BY_KEY, "then = \"delete\"")).await;
    // Long ago, so that only the key is left.
    rig.execute("update sexton_deletion_done set finished_at = '2025-01-15T00:00:00.000Z', refs = null").await;
    block(&rig, 7, 1).await;
    block(&rig, 8, 1).await;
    assert_eq!(sweep(&rig, &[]).await, figures(0, 2, 1, 0));
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, Vec::<String>::new());
}

async fn rows_whose_parent_was_never_requested_are_not_touched(server: Server) {
    let rig = removed(server, 1, &resources(BY_KEY, "then = \"delete\"")).await;
    rig.execute("insert into series (id, gcal_id) values (5, 's5')").await;
    for (id, series) in [(7, 99), (8, 99), (9, 5)] {
        block(&rig, id, series).await;
    }
    rig.execute("insert into block (id) values (10)").await;
    assert_eq!(sweep(&rig, &[]).await, figures(1, 4, 0, 1));
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, ["7|99", "8|99", "9|5", "10|-"]);
}

async fn recreated_parent_keeps_its_children(server: Server) {
    let rig = removed(server, 1, &resources(BY_KEY, "then = \"delete\"")).await;
    rig.execute("insert into series (id, gcal_id) values (1, 'another')").await;
    block(&rig, 7, 1).await;
    assert_eq!(sweep(&rig, &[]).await, figures(1, 1, 0, 0));
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, ["7|1"]);
}

async fn kept_parent_keeps_its_children(server: Server) {
    let json = if server.is_postgres() { "jsonb" } else { "text" };
    let resources = resources(BY_KEY, "then = \"delete\"").replacen("key = \"id\"", "key = \"id\"\nthen = \"keep\"", 1);
    let rig = Rig::with(server, &TABLES.replace("JSON_TYPE", json), &resources).await;
    rig.execute("insert into series (id, gcal_id) values (1, 's1')").await;
    rig.request("series", &["1"]).await;
    rig.work().await;
    // Even if it is deleted afterwards.
    rig.execute("delete from series").await;
    block(&rig, 7, 1).await;
    assert_eq!(sweep(&rig, &[]).await, figures(0, 1, 0, 1));
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, ["7|1"]);
}

async fn small_budget_comes_to_the_same(server: Server) {
    let sync = "[sync]\nbatch = 2\nbudget = { rows = 3, time = \"20s\" }\n";
    let rig = removed(server, 5, &format!("{sync}{}", resources(BY_KEY, "then = \"delete\""))).await;
    rig.execute("update sexton_deletion_done set finished_at = '2025-01-15T00:00:00.000Z' where key = '5'").await;
    for series in 1..=5 {
        block(&rig, series, series).await;
    }
    assert_eq!(sweep(&rig, &[]).await, figures(4, 5, 5, 0));
    rig.work().await;
    assert_eq!(blocks_left(&rig).await, Vec::<String>::new());
}
