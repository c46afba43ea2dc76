//! Rows that change, go or come back between the request and the hard delete.

use sexton_tests::api::{Answer, Gate};

use crate::rig::{PATIENCE, RESOURCE, Rig, Server, on_both};

const OTHER: &str = r#"
[[resources.block.targets]]
name = "other"
kind = "http"
url = "@API@/other/{kind}"
timeout = "2s"
allow_private = true
"#;

on_both!(
    row_changed_before_the_call_is_deleted_at_its_new_url,
    row_changed_during_the_call_is_asked_for_again_at_its_new_url,
    only_targets_that_use_the_changed_column_are_asked_again,
    changes_in_other_columns_have_no_effect,
    row_made_live_before_the_call_stays_and_nothing_is_called,
    row_made_live_during_the_call_stays_and_keeps_its_confirmation,
    row_deleted_behind_our_back_is_still_deleted_outside,
    row_deleted_during_the_call_is_reported_as_not_ours,
    event_written_late_is_deleted,
    event_of_a_new_sync_is_deleted_and_the_one_before_does_not_leak,
    row_created_again_under_the_same_key_keeps_its_own_event,
    row_restored_and_removed_again_is_deleted_once_with_its_last_event,
    row_created_again_and_removed_in_its_turn_leaks_no_event,
);

/// Starts a worker whose first call to `path` is not answered until the gate opens, and runs `sql` meanwhile.
async fn during_the_call(rig: &Rig, path: &str, sql: &str) -> sexton_tests::Daemon {
    let gate = Gate::new();
    rig.api.script(path, vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let daemon = rig.daemon().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    rig.execute(sql).await;
    gate.open();
    daemon
}

async fn row_changed_before_the_call_is_deleted_at_its_new_url(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    rig.execute("update block set gcal_id = 'new'").await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/new"]);
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
}

async fn row_changed_during_the_call_is_asked_for_again_at_its_new_url(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    let _daemon = during_the_call(&rig, "/calendars/c/events/g1", "update block set gcal_id = 'new'").await;
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1", "DELETE /calendars/c/events/new"]);
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
    assert_eq!(rig.show(&id).await["row_outcome"], "deleted");
}

async fn only_targets_that_use_the_changed_column_are_asked_again(server: Server) {
    let rig = Rig::blocks_with(server, 1, &format!("{RESOURCE}{OTHER}")).await;
    rig.execute("update block set kind = 'k1'").await;
    let id = rig.request_block().await;
    let _daemon = during_the_call(&rig, "/calendars/c/events/g1", "update block set kind = 'k2'").await;
    assert_eq!(rig.settled(&id).await, "completed");
    let asked = ["DELETE /calendars/c/events/g1", "DELETE /other/k1", "DELETE /other/k2"];
    assert_eq!(rig.calls(), asked);
}

async fn changes_in_other_columns_have_no_effect(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    rig.execute("update block set note = 'before'").await;
    let _daemon = during_the_call(&rig, "/calendars/c/events/g1", "update block set note = 'during'").await;
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
}

async fn row_made_live_before_the_call_stays_and_nothing_is_called(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    rig.execute("update block set deleted_at = null").await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: row_live_again");
    assert_eq!(rig.calls(), Vec::<String>::new());
    assert_eq!(rig.show(&id).await["called_at"], serde_json::Value::Null);
    // The operator retries it without a look: still nothing happens to a live row.
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!((rig.state(&id).await.as_str(), rig.calls().len()), ("dead: row_live_again", 0));
    assert_eq!(rig.rows("select id, deleted_at from block").await, ["1|-"]);
    // Removed anew, it goes.
    let again = rig.request_block().await;
    rig.work().await;
    assert_eq!((rig.state(&id).await.as_str(), rig.state(&again).await.as_str()), ("cancelled", "completed"));
}

async fn row_made_live_during_the_call_stays_and_keeps_its_confirmation(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    let _daemon = during_the_call(&rig, "/calendars/c/events/g1", "update block set deleted_at = null").await;
    assert_eq!(rig.settled(&id).await, "dead: row_live_again");
    assert_eq!(rig.rows("select id, deleted_at from block").await, ["1|-"]);
    let record = rig.show(&id).await;
    assert_eq!(record["confirmations"]["calendar"]["answer"], "deleted");
    assert!(record["last_error"].as_str().unwrap().contains("deleted_at"), "{record}");
    assert_eq!(rig.calls().len(), 1);
}

async fn row_deleted_behind_our_back_is_still_deleted_outside(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    rig.execute("delete from block").await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    assert_eq!(rig.show(&id).await["row_outcome"], "already_gone");
    let shown = rig.run(&["show", &id]).await.expect_code(0).stdout;
    assert!(shown.contains("Sexton did not delete it"), "{shown}");
}

async fn row_deleted_during_the_call_is_reported_as_not_ours(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    let _daemon = during_the_call(&rig, "/calendars/c/events/g1", "delete from block").await;
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.show(&id).await["row_outcome"], "already_gone");
}

async fn event_written_late_is_deleted(server: Server) {
    let resource = RESOURCE.replace("timeout =", "skip_when_null = [\"gcal_id\"]\ntimeout =");
    let rig = Rig::blocks_with(server, 2, &format!("{resource}{OTHER}")).await;
    rig.execute("update block set gcal_id = null, kind = 'k' || id").await;
    let ids = rig.request("block", &["1", "2"]).await;
    // Before a worker looks at it …
    rig.execute("update block set gcal_id = 'late1' where id = 1").await;
    // … and after it found nothing to call, while another target is still busy.
    let gate = Gate::new();
    rig.api.script("/other/k2", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let _daemon = rig.daemon().await;
    let asked = |calls: &[sexton_tests::api::Call]| calls.iter().any(|call| call.path() == "/other/k2");
    rig.api.wait_until("the other target is called", PATIENCE, asked).await;
    rig.execute("update block set gcal_id = 'late2' where id = 2").await;
    gate.open();
    assert_eq!((rig.settled(&ids[0]).await, rig.settled(&ids[1]).await), ("completed".into(), "completed".into()));
    let mut calls = rig.calls();
    calls.sort();
    let wanted = ["/calendars/c/events/late1", "/calendars/c/events/late2", "/other/k1", "/other/k2"];
    assert_eq!(calls, wanted.map(|path| format!("DELETE {path}")));
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
}

async fn event_of_a_new_sync_is_deleted_and_the_one_before_does_not_leak(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    // The first event is deleted before the sync replaces it, so that both are gone in the end.
    let _daemon =
        during_the_call(&rig, "/calendars/c/events/g1", "update block set calendar_id = 'd', gcal_id = 'g2'").await;
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1", "DELETE /calendars/d/events/g2"]);
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
    assert_eq!(rig.show(&id).await["attempts"], 1, "a change costs no attempt");
}

async fn row_created_again_under_the_same_key_keeps_its_own_event(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let id = rig.request_block().await;
    rig.execute("delete from block where id = 1").await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'mine')").await;
    rig.work().await;
    // The row is live: whatever has its key now was never asked to go. On-call sees that the old one's event was not
    // called for.
    assert_eq!(rig.state(&id).await, "dead: row_live_again");
    assert_eq!(rig.calls(), Vec::<String>::new());
    assert_eq!(rig.rows("select id, gcal_id from block").await, ["1|mine"]);
    // Removed in its turn, both events go.
    rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1", "DELETE /calendars/c/events/mine"]);
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
}

async fn row_restored_and_removed_again_is_deleted_once_with_its_last_event(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let first = rig.request_block().await;
    drop(rig.run(&["restore", &first]).await.expect_code(0));
    rig.execute("update block set gcal_id = 'g2'").await;
    let second = rig.request_block().await;
    assert_ne!(first, second);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g2"]);
    assert_eq!((rig.state(&first).await.as_str(), rig.state(&second).await.as_str()), ("cancelled", "completed"));
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
}

async fn row_created_again_and_removed_in_its_turn_leaks_no_event(server: Server) {
    let rig = Rig::blocks(server, 2).await;
    let first = rig.request_block().await;
    for event in ["g7", "g8", "g8"] {
        rig.execute("delete from block where id = 1").await;
        rig.execute(&format!("insert into block (id, calendar_id, gcal_id) values (1, 'c', '{event}')")).await;
        assert_eq!(rig.request_block().await, first, "one open deletion a key");
    }
    // The same row, requested twice and synced anew meanwhile, has one event: the last.
    rig.request("block", &["2"]).await;
    rig.execute("update block set gcal_id = 'h2' where id = 2").await;
    rig.request("block", &["2"]).await;
    rig.api.script("/calendars/c/events/g7", vec![Answer::Status(500)]);
    rig.work().await;
    let mut calls = rig.calls();
    calls.sort();
    calls.dedup();
    let wanted = ["g1", "g7", "g8", "h2"];
    assert_eq!(calls, wanted.map(|event| format!("DELETE /calendars/c/events/{event}")));
    assert_eq!(rig.state(&first).await, "completed");
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
}
