//! What is recorded, and what becomes of it.

use sea_orm::{ConnectionTrait, TransactionTrait};
use sexton_tests::api::Answer;

use super::{OPEN, Rig, Server, blocks, guarded, on_both, resource_with};

on_both!(
    row_deleted_with_sql_is_recorded_and_its_twin_is_deleted,
    delete_that_is_rolled_back_leaves_nothing,
    row_with_an_open_or_dead_deletion_gets_no_second_one,
    row_whose_deletion_is_done_with_is_not_recorded_again,
    row_that_was_restored_is_recorded,
    row_that_goes_with_another_by_a_foreign_key_is_recorded,
    children_of_a_recorded_row_go_as_their_rule_says,
    row_that_would_have_been_kept_or_deleted_later_is_done_with_at_once,
    keys_of_which_a_hash_is_kept_are_hidden_when_it_is_done,
    many_rows_are_recorded_one_by_one,
);

async fn row_deleted_with_sql_is_recorded_and_its_twin_is_deleted(server: Server) {
    let rig = blocks(server, 2).await;
    rig.execute("delete from block where id = 1").await;
    let entry = "select resource, key, lane, state, requested_by, substr(reason, 1, 39), targets, called_at from sexton_deletion";
    let wanted = "block|1|block.calendar|pending|sexton guard|the row was deleted without a request|[\"calendar\"]|-";
    assert_eq!(rig.rows(&entry.replace("39", "37")).await, [wanted]);
    if rig.server.is_postgres() {
        let by = rig.one("select reason like '%, by ' || session_user from sexton_deletion").await;
        assert_eq!(by, "t");
    }
    let id = rig.one("select id from sexton_deletion").await;
    let uuid = uuid::Uuid::parse_str(&id).unwrap();
    assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122), "{id}");
    let (seconds, _) = uuid.get_timestamp().unwrap().to_unix();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(seconds) < 60, "{id}");
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    let shown = rig.show(&id).await;
    assert_eq!((shown["state"].as_str(), shown["row_outcome"].as_str()), (Some("completed"), Some("already_gone")));
    assert_eq!(rig.rows("select id from block").await, ["2"]);
    // A row that comes later under the same key is another one.
    rig.execute(
        "insert into block (id, calendar_id, gcal_id) values (1, 'c', 'later'); delete from block where id = 1",
    )
    .await;
    rig.work().await;
    assert_eq!(rig.calls()[1..], ["DELETE /calendars/c/events/later"]);
}

async fn delete_that_is_rolled_back_leaves_nothing(server: Server) {
    let rig = blocks(server, 2).await;
    let application = rig.server.connect().await;
    let transaction = application.begin().await.unwrap();
    transaction.execute_unprepared("delete from block where id = 1").await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(rig.rows(OPEN).await, [""; 0]);
    assert_eq!(rig.rows("select count(*) from block").await, ["2"]);
}

async fn row_with_an_open_or_dead_deletion_gets_no_second_one(server: Server) {
    let rig = blocks(server, 2).await;
    rig.api.script("/calendars/c/events/g2", vec![Answer::Status(400)]);
    let dead = rig.request("block", &["2"]).await.remove(0);
    rig.work().await;
    let later = rig.json(&["request", "block", "1", "--after", "1h", "--by", "ann", "--json"]).await.remove(0);
    rig.execute("delete from block").await;
    let entries = "select key, state, requested_by, run_at > requested_at from sexton_deletion where key = '1'";
    assert_eq!(rig.rows(entries).await.len(), 1);
    assert_eq!(rig.state(later["id"].as_str().unwrap()).await, "pending", "the request asked for an hour");
    assert_eq!(rig.state(&dead).await, "dead: rejected");
    assert_eq!(rig.rows(OPEN).await, ["1", "2"]);
    rig.work().await;
    assert_eq!(rig.calls().len(), 1);
}

async fn row_whose_deletion_is_done_with_is_not_recorded_again(server: Server) {
    done_with(server, "").await;
}

/// On SQLite a trigger cannot hash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_whose_deletion_is_done_with_is_known_by_its_hash() {
    done_with(Server::postgres().await, "hash_key = true").await;
}

async fn done_with(server: Server, more: &str) {
    let kept =
        "marker_when = [{ column = \"kind\", equals = \"K\", marker = { column = \"deleted_at\" }, then = \"keep\" }]";
    let rig = guarded(Rig::blocks_with(server, 3, &resource_with(&format!("{kept}\n{more}"))).await).await;
    rig.execute("update block set kind = 'K' where id = 1").await;
    rig.api.script("/calendars/c/events/g2", vec![Answer::Status(400)]);
    let ids = rig.request("block", &["1", "2"]).await;
    rig.work().await;
    assert_eq!(rig.show(&ids[0]).await["row_outcome"], "kept");
    drop(rig.run(&["dlq", "discard", &ids[1], "--reason", "seen"]).await.expect_code(0));
    rig.execute("delete from block").await;
    assert_eq!(rig.rows(OPEN).await, ["3"]);
}

async fn row_that_was_restored_is_recorded(server: Server) {
    let rig = blocks(server, 2).await;
    // The second was marked by the application, and stays so.
    rig.execute("update block set deleted_at = '2025-01-01 00:00:00' where id = 2").await;
    for key in ["1", "2"] {
        drop(rig.run(&["request", "block", key, "--after", "1h"]).await.expect_code(0));
        drop(rig.run(&["restore", "block", key, "--leave-marked"]).await.expect_code(0));
    }
    assert_eq!(rig.rows("select id from block where deleted_at is not null").await, ["2"]);
    rig.execute("delete from block").await;
    assert_eq!(rig.rows(OPEN).await, ["1", "2"]);
}

const FAMILY: &str =
    "create table node (id bigint primary key, parent_id bigint references node (id) on delete cascade,
    name text, deleted_at TIME_TYPE); create index node_parent on node (parent_id);";

const NODE: &str = r#"
[resources.node]
table = "node"
key = "id"
marker = { column = "deleted_at" }
[[resources.node.targets]]
name = "calendar"
kind = "http"
url = "@API@/nodes/{id}"
allow_private = true
[[resources.node.children]]
table = "node"
column = "parent_id"
references = "id"
then = "request"
"#;

async fn row_that_goes_with_another_by_a_foreign_key_is_recorded(server: Server) {
    let rig = guarded(Rig::with(server, FAMILY, NODE).await).await;
    rig.execute("insert into node (id, parent_id) values (1, null), (2, 1), (3, 2), (4, null)").await;
    let application = rig.server.connect().await;
    application.execute_unprepared("delete from node where id = 1").await.unwrap();
    assert_eq!(rig.rows(OPEN).await, ["1", "2", "3"]);
    rig.work().await;
    let mut calls = rig.calls();
    calls.sort();
    assert_eq!(calls, ["DELETE /nodes/1", "DELETE /nodes/2", "DELETE /nodes/3"]);
    assert_eq!(rig.rows("select id from node").await, ["4"]);
}

async fn children_of_a_recorded_row_go_as_their_rule_says(server: Server) {
    let rig =
        guarded(Rig::with(server, &FAMILY.replace("references node (id) on delete cascade", ""), NODE).await).await;
    rig.execute("insert into node (id, parent_id) values (1, null), (2, 1), (3, 2), (4, null)").await;
    rig.execute("delete from node where id = 1").await;
    assert_eq!(rig.rows(OPEN).await, ["1"]);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /nodes/3", "DELETE /nodes/2", "DELETE /nodes/1"], "children first");
    assert_eq!(rig.rows("select id from node").await, ["4"]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
}

async fn row_that_would_have_been_kept_or_deleted_later_is_done_with_at_once(server: Server) {
    let kept =
        "marker_when = [{ column = \"kind\", equals = \"K\", marker = { column = \"deleted_at\" }, then = \"keep\" }]";
    let later = "then = { delete_after = \"30d\" }";
    let rig = guarded(Rig::blocks_with(server, 2, &resource_with(&format!("{kept}\n{later}"))).await).await;
    rig.execute("update block set kind = 'K' where id = 1").await;
    rig.execute("delete from block").await;
    rig.work().await;
    assert_eq!(rig.calls().len(), 2);
    let done = rig.rows("select key, row_outcome from sexton_deletion_done order by key").await;
    assert_eq!(done, ["1|already_gone", "2|already_gone"]);
}

async fn keys_of_which_a_hash_is_kept_are_hidden_when_it_is_done(server: Server) {
    let rig = guarded(Rig::blocks_with(server, 1, &resource_with("hash_key = true")).await).await;
    rig.execute("delete from block").await;
    rig.work().await;
    assert_eq!(rig.calls().len(), 1);
    let done = rig.rows("select key, length(key_hash), state from sexton_deletion_done").await;
    assert_eq!(done, ["-|64|completed"]);
}

async fn many_rows_are_recorded_one_by_one(server: Server) {
    let rig = blocks(server, 0).await;
    rig.execute(
        "insert into block (id, calendar_id, gcal_id)
         with recursive n (n) as (select 1 union all select n + 1 from n where n < 10000)
         select n, 'c', 'g' || n from n",
    )
    .await;
    let began = std::time::Instant::now();
    rig.execute("delete from block").await;
    println!("10,000 rows deleted in {:?}", began.elapsed());
    let entries = "select count(*), count(distinct key), count(distinct id), min(state) from sexton_deletion";
    assert_eq!(rig.rows(entries).await, ["10000|10000|10000|pending"]);
    let batches = rig.one("select count(distinct batch_id) from sexton_deletion").await;
    assert_eq!(batches, if rig.server.is_postgres() { "1" } else { "10000" });
}
