//! `sexton request` and `sexton restore`.

use sea_orm::{ConnectionTrait, TransactionTrait};
use sexton_tests::api::{Answer, Gate};

use crate::rig::{PATIENCE, RESOURCE, Rig, Server, on_both};

on_both!(
    several_keys_are_removed_together_or_not_at_all,
    second_request_gives_the_same_deletion,
    request_says_who_why_and_when,
    restored_row_is_live_and_nothing_is_called,
    deletion_cannot_be_restored_once_a_call_was_made,
    restore_gives_the_marker_column_its_old_value_back,
    row_that_was_marked_before_is_left_marked_only_if_that_is_meant,
);

async fn several_keys_are_removed_together_or_not_at_all(server: Server) {
    let rig = Rig::blocks(server, 3).await;
    for (keys, code, wanted) in [
        (&["1", "999", "-5"][..], 3, "block has no row with the key `999`, `-5`; nothing was removed"),
        (&["1", "seven"], 2, "`seven` is not a key: column id is a whole number"),
        (&["1", "99999999999999999999"], 2, "99999999999999999999"),
        (&["1", ""], 2, "`` is not a key"),
    ] {
        let refused = rig.run(&[&["request", "block"], keys].concat()).await.expect_code(code).stderr;
        assert!(refused.contains(wanted), "{refused}");
        assert_eq!(rig.rows("select count(*) from block where deleted_at is null").await, ["3"]);
        assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
    }
    let unknown = rig.run(&["request", "blok", "1"]).await.expect_code(2).stderr;
    assert!(unknown.contains("there is no resource `blok`; configured are block"), "{unknown}");
    drop(rig.run(&["request", "block"]).await.expect_code(2));
    let made = rig.json(&["request", "block", "1", "02", "2", "1", "--json"]).await;
    assert_eq!(made.len(), 2, "a key named twice is one row: {made:?}");
    assert_eq!(rig.rows("select count(distinct batch_id) from sexton_deletion").await, ["1"]);
}

async fn second_request_gives_the_same_deletion(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let first = rig.json(&["request", "block", "1", "--json"]).await.remove(0);
    let marker = rig.one("select deleted_at from block").await;
    let second = rig.json(&["request", "block", "1", "--json"]).await.remove(0);
    assert_eq!((&first["created"], &second["created"], &first["id"]), (&true.into(), &false.into(), &second["id"]));
    assert_eq!(rig.one("select deleted_at from block").await, marker, "the first removal counts");
    let text = rig.run(&["request", "block", "1"]).await.expect_code(0).stdout;
    assert!(text.contains("was requested already"), "{text}");
    rig.work().await;
    assert_eq!(rig.calls().len(), 1);
}

async fn request_says_who_why_and_when(server: Server) {
    let rig = Rig::blocks(server, 2).await;
    let args = ["request", "block", "1", "--by", "ann", "--reason", "ticket 4711", "--after", "1h", "--json"];
    let id = rig.json(&args).await[0]["id"].as_str().unwrap().to_owned();
    rig.work().await;
    let record = rig.show(&id).await;
    assert_eq!((&record["requested_by"], &record["reason"]), (&"ann".into(), &"ticket 4711".into()));
    assert_eq!((&record["state"], &record["called_at"]), (&"pending".into(), &serde_json::Value::Null));
    assert!(record["run_at"].as_str().unwrap() > record["requested_at"].as_str().unwrap());
    assert_eq!(rig.calls(), Vec::<String>::new(), "not due yet");
    drop(rig.run(&["request", "block", "2", "--after", "soon"]).await.expect_code(2));
}

async fn restored_row_is_live_and_nothing_is_called(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    let restored = rig.json(&["restore", &id, "--reason", "mistake", "--by", "ann", "--json"]).await.remove(0);
    assert_eq!(restored, serde_json::json!({ "id": id, "resource": "block", "key": "1", "row_restored": true }));
    rig.work().await;
    assert_eq!(rig.rows("select id, deleted_at from block").await, ["1|-"]);
    assert_eq!(rig.calls(), Vec::<String>::new());
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["cancelled_by"]), (&"cancelled".into(), &"restored".into()));
    assert_eq!((&record["actions"][0]["who"], &record["actions"][0]["reason"]), (&"ann".into(), &"mistake".into()));
    let again = rig.run(&["restore", &id]).await.expect_code(3).stderr;
    assert!(again.contains("it was restored already"), "{again}");
    // A later request is a deletion of its own.
    let later = rig.request_block().await;
    assert_ne!(later, id);
    rig.execute("update block set deleted_at = null").await;
    let changed = rig.run(&["restore", &later]).await.expect_code(0).stdout;
    assert!(changed.contains("was live already"), "{changed}");
}

async fn deletion_cannot_be_restored_once_a_call_was_made(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let gate = Gate::new();
    rig.api.script("/calendars/c/events/g1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(400)))]);
    let id = rig.request_block().await;
    let _daemon = rig.daemon().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    let running = rig.run(&["restore", &id]).await.expect_code(3).stderr;
    assert!(running.contains("it is running, and the first external call was made at"), "{running}");
    gate.open();
    assert_eq!(rig.settled(&id).await, "dead: rejected");
    drop(rig.run(&["restore", &id]).await.expect_code(3));
    assert_eq!(rig.rows("select count(*) from block where deleted_at is not null").await, ["1"]);
}

async fn restore_gives_the_marker_column_its_old_value_back(server: Server) {
    let resource = RESOURCE.replace("column = \"deleted_at\"", "column = \"item_status\", value = \"Deleted\"");
    let rig = Rig::blocks_with(server, 1, &resource).await;
    rig.execute("update block set item_status = 'Half ''open'''").await;
    let id = rig.request_block().await;
    assert_eq!(rig.rows("select item_status from block").await, ["Deleted"]);
    rig.request_block().await;
    drop(rig.run(&["restore", &id]).await.expect_code(0));
    assert_eq!(rig.rows("select item_status from block").await, ["Half 'open'"]);
}

/// The grace ends while the restore of a batch waits for a row.
#[tokio::test]
async fn batch_that_is_being_restored_is_not_worked_on() {
    let rig = Rig::blocks(Server::postgres().await, 3).await;
    let ids: Vec<String> = rig
        .json(&["request", "block", "1", "2", "3", "--after", "2s", "--json"])
        .await
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    let application = rig.server.connect().await.begin().await.unwrap();
    application.execute_unprepared("select 1 from public.block where id = 2 for update").await.unwrap();
    let restore = rig.sexton.spawn(&["restore", &ids[0], "--batch"]).await;
    rig.server.until_waiting_for_locks(1).await;
    let daemon = rig.daemon().await;
    rig.until("select min(requested_at) + interval '3 seconds' < clock_timestamp() from sexton_deletion", "t").await;
    application.commit().await.unwrap();
    assert_eq!(restore.wait(PATIENCE).await, 0, "{:?}", restore.logs());
    daemon.stop().await;
    assert_eq!(rig.rows("select count(*) from block where deleted_at is null").await, ["3"]);
    assert_eq!(rig.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn batch_that_cannot_be_restored_is_due_when_it_was() {
    let rig = Rig::blocks(Server::postgres().await, 2).await;
    let made = rig.json(&["request", "block", "1", "2", "--after", "1h", "--json"]).await;
    let due = rig.rows("select run_at from sexton_deletion order by key").await;
    rig.execute("update sexton_deletion set called_at = now() where key = '2'").await;
    let refused = rig.run(&["restore", made[0]["id"].as_str().unwrap(), "--batch"]).await.expect_code(3).stderr;
    assert!(refused.contains("of block 2 cannot be restored"), "the row that keeps it is named: {refused}");
    assert_eq!(rig.rows("select run_at from sexton_deletion order by key").await, due);
}

async fn row_that_was_marked_before_is_left_marked_only_if_that_is_meant(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    rig.execute("update block set deleted_at = '2025-06-01 12:00:00'").await;
    let id =
        rig.json(&["request", "block", "1", "--after", "1h", "--json"]).await[0]["id"].as_str().unwrap().to_owned();
    let refused = rig.run(&["restore", &id]).await.expect_code(3).stderr;
    assert!(refused.contains("the row would stay removed") && refused.contains("--leave-marked"), "{refused}");
    assert_eq!(rig.state(&id).await, "pending");
    let left = rig.json(&["restore", &id, "--leave-marked", "--json"]).await.remove(0);
    assert_eq!(left["row_restored"], false);
    assert_eq!(rig.show(&id).await["cancelled_by"], "restored");
}
