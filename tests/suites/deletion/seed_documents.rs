//! The cases of the two documents that Sexton comes from, under their own names: "Two-Phase Deletion Pattern", and the
//! part of "Deletion of orphaned rows in a violation-free & non-blocking manner" that is about requested rows.

use sexton_tests::api::Answer;

use crate::rig::{Rig, Server, on_both};

on_both!(
    t_blocks_stay_visible_as_cancelled,
    parent_takes_its_direct_children_and_its_divergence_chain_along,
    database_only_delete_goes_directly,
    event_that_was_never_synced_needs_no_call,
    row_is_still_there_when_the_external_call_fails,
    toy_that_is_still_a_favorite_is_neither_deleted_nor_waited_for,
);

const BLOCKS: &str = "create table block (
    id bigint primary key, calendar_id text, gcal_id text, original_id bigint, google_event_data JSON_TYPE,
    kind text, item_status text not null default 'Active', deleted_at TIME_TYPE);
    create unique index block_gcal on block (calendar_id, gcal_id);
    create index block_original on block (original_id);";

const RESOURCE: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }
marker_when = [
  { column = "kind", equals = "T", marker = { column = "item_status", value = "Deleted" }, then = "keep" },
]
[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "@API@/calendars/{calendar_id}/events/{gcal_id}"
skip_when_null = ["gcal_id"]
timeout = "2s"
allow_private = true
[[resources.block.children]]
table = "block"
column = "original_id"
references = "id"
then = "delete"
twin = "goes_with_parent"
[[resources.block.children]]
table = "block"
json = { column = "google_event_data", path = "recurringEventId" }
references = "gcal_id"
scope = ["calendar_id"]
then = "delete"
twin = "goes_with_parent"
"#;

async fn rig(server: Server, rows: &str) -> Rig {
    let json = if server.is_postgres() { "jsonb" } else { "text" };
    let rig = Rig::with(server, &BLOCKS.replace("JSON_TYPE", json), RESOURCE).await;
    let columns = "id, calendar_id, gcal_id, original_id, google_event_data, kind";
    rig.execute(&format!("insert into block ({columns}) values {rows}")).await;
    rig
}

async fn t_blocks_stay_visible_as_cancelled(server: Server) {
    let rig = rig(server, "(1, 'c', 'g1', null, null, 'T')").await;
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    let seen = "select id, item_status from block where deleted_at is null";
    assert_eq!(rig.rows(seen).await, ["1|Deleted"], "clients still see it, as cancelled");
    assert_eq!(rig.show(&id).await["row_outcome"], "kept");
}

async fn parent_takes_its_direct_children_and_its_divergence_chain_along(server: Server) {
    // 2 and 3 are direct children, 4 one of 2; 5 diverged from the series, 6 is a child of 5. 7 has the series' id in
    // another calendar, 8 has no parent.
    let series = r#"'{"recurringEventId": "g1"}'"#;
    let rig = rig(
        server,
        &format!(
            "(1, 'c', 'g1', null, null, null), (2, 'c', 'g2', 1, null, null), (3, 'c', null, 1, null, 'T'),
             (4, 'c', 'g4', 2, null, null), (5, 'c', 'g5', null, {series}, null), (6, 'c', 'g6', 5, null, null),
             (7, 'd', 'g7', null, {series}, null), (8, 'c', 'g8', null, '{{\"recurringEventId\": \"other\"}}', null)"
        ),
    )
    .await;
    let id = rig.request_block().await;
    let live = "select id from block where deleted_at is null and item_status <> 'Deleted' order by id";
    assert_eq!(rig.rows(live).await, ["7", "8"], "children are removed together with their parent");
    rig.work().await;
    assert_eq!(rig.rows("select id from block order by id").await, ["7", "8"]);
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"], "the calendar removes the others with the series");
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["children_deleted"]), (&"completed".into(), &5.into()));
    assert_eq!(rig.rows("select count(*) from sexton_child").await, ["0"]);
}

async fn database_only_delete_goes_directly(server: Server) {
    let resource: String = RESOURCE.split("[[resources.block.targets]]").next().unwrap().to_owned();
    let children = &RESOURCE[RESOURCE.find("[[resources.block.children]]").unwrap()..];
    let children = children.replace("twin = \"goes_with_parent\"\n", "");
    let json = if server.is_postgres() { "jsonb" } else { "text" };
    let rig = Rig::with(server, &BLOCKS.replace("JSON_TYPE", json), &format!("{resource}{children}")).await;
    rig.execute("insert into block (id, original_id) values (1, null), (2, 1), (3, 2), (4, null)").await;
    let id = rig.request_block().await;
    assert_eq!(rig.rows("select id from block").await, ["4"], "without a worker");
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["children_deleted"]), (&"completed".into(), &2.into()));
}

async fn event_that_was_never_synced_needs_no_call(server: Server) {
    let rig = rig(server, "(1, 'c', null, null, null, null)").await;
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.calls(), Vec::<String>::new());
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
    assert_eq!(rig.show(&id).await["confirmations"]["calendar"]["answer"], "skipped");
}

async fn row_is_still_there_when_the_external_call_fails(server: Server) {
    let rig = rig(server, "(1, 'c', 'g1', null, null, null)").await;
    rig.api.script("/calendars/c/events/g1", vec![Answer::Status(500)]);
    let id = rig.request_block().await;
    assert_eq!(rig.rows("select count(*) from block where deleted_at is not null").await, ["1"]);
    rig.work().await;
    assert_eq!(rig.calls().len(), 2);
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
}

async fn toy_that_is_still_a_favorite_is_neither_deleted_nor_waited_for(server: Server) {
    let tables = "create table toy (id bigint primary key, deleted_at TIME_TYPE);
        create table person (id bigint primary key, favorite_toy_id bigint references toy (id) on delete restrict);
        insert into toy (id) values (1), (2); insert into person values (1, 1);";
    let resource =
        "[resources.toy]\ntable = \"toy\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\ngrace = \"1ms\"\n";
    let rig = Rig::with(server, tables, resource).await;
    let ids = rig.request("toy", &["1", "2"]).await;
    rig.work().await;
    assert_eq!(rig.rows("select id from toy").await, ["1"]);
    assert_eq!((rig.state(&ids[0]).await, rig.state(&ids[1]).await), ("dead: referenced".into(), "completed".into()));
}
