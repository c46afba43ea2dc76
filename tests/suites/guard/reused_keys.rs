//! Rows under the key of a recorded one: neither they nor their twins are touched.

use sexton_tests::api::{Answer, Gate};

use super::{Rig, Server, blocks, guarded, on_both, resource_with};
use crate::rig::PATIENCE;

on_both!(
    row_that_is_back_stays_and_nothing_is_called,
    row_that_is_back_is_not_touched_however_it_is_marked,
    row_that_comes_back_during_the_call_stays,
    row_that_is_back_and_is_removed_in_its_turn_leaks_no_twin,
    recorded_deletion_that_is_restored_leaves_twin_and_row_alone,
    twins_of_all_rows_that_had_the_key_are_deleted,
    row_recreated_within_the_grace_keeps_its_twin,
);

async fn row_that_is_back_stays_and_nothing_is_called(server: Server) {
    let rig = blocks(server, 1).await;
    rig.execute("delete from block; insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    let id = rig.one("select id from sexton_deletion").await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: row_live_again");
    let why = rig.show(&id).await["last_error"].as_str().unwrap().to_owned();
    assert!(why.contains("deleted without a request") && why.contains("again"), "{why}");
    // However often it is tried.
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!((rig.state(&id).await.as_str(), rig.calls().len()), ("dead: row_live_again", 0));
    assert_eq!(rig.rows("select id, gcal_id, deleted_at from block").await, ["1|g1|-"]);
}

/// As a restored backup has it: the same marker as before, but no request.
async fn row_that_is_back_is_not_touched_however_it_is_marked(server: Server) {
    let status =
        resource_with("").replace("{ column = \"deleted_at\" }", "{ column = \"item_status\", value = \"Deleted\" }");
    for (resource, column, value) in
        [(resource_with(""), "deleted_at", "2025-01-01 00:00:00"), (status, "item_status", "Deleted")]
    {
        let server = if server.is_postgres() { Server::postgres().await } else { Server::sqlite().await };
        let rig = guarded(Rig::blocks_with(server, 0, &resource).await).await;
        let insert = format!("insert into block (id, calendar_id, gcal_id, {column}) values (1, 'c', 'g1', '{value}')");
        rig.execute(&format!("{insert}; delete from block; {insert}")).await;
        let id = rig.one("select id from sexton_deletion").await;
        rig.work().await;
        assert_eq!((rig.state(&id).await.as_str(), rig.calls().len()), ("dead: row_live_again", 0));
        assert_eq!(rig.rows("select id from block").await, ["1"]);
    }
}

async fn row_that_comes_back_during_the_call_stays(server: Server) {
    let rig = blocks(server, 1).await;
    rig.execute("delete from block").await;
    let id = rig.one("select id from sexton_deletion").await;
    let gate = Gate::new();
    rig.api.script("/calendars/c/events/g1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let _daemon = rig.daemon().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    gate.open();
    assert_eq!(rig.settled(&id).await, "dead: row_live_again");
    assert_eq!(rig.rows("select id from block").await, ["1"]);
    assert_eq!(rig.show(&id).await["confirmations"]["calendar"]["answer"], "deleted");
}

async fn row_that_is_back_and_is_removed_in_its_turn_leaks_no_twin(server: Server) {
    for dead_first in [false, true] {
        let server = if server.is_postgres() { Server::postgres().await } else { Server::sqlite().await };
        let rig = blocks(server, 2).await;
        // One comes back with a twin of its own, one with the same.
        rig.execute(
            "delete from block; insert into block (id, calendar_id, gcal_id) values (1, 'c', 'new'), (2, 'c', 'g2')",
        )
        .await;
        if dead_first {
            rig.work().await;
            assert_eq!(rig.calls(), Vec::<String>::new());
        }
        rig.request("block", &["1", "2"]).await;
        rig.work().await;
        let mut calls = rig.calls();
        calls.sort();
        let wanted =
            ["DELETE /calendars/c/events/g1", "DELETE /calendars/c/events/g2", "DELETE /calendars/c/events/new"];
        assert_eq!(calls, wanted, "{dead_first}");
        assert_eq!(rig.rows("select count(*) from block").await, ["0"]);
        assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
    }
}

async fn recorded_deletion_that_is_restored_leaves_twin_and_row_alone(server: Server) {
    let rig = blocks(server, 1).await;
    rig.execute("delete from block").await;
    let id = rig.one("select id from sexton_deletion").await;
    drop(rig.run(&["restore", &id]).await.expect_code(0));
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    rig.work().await;
    assert_eq!((rig.state(&id).await.as_str(), rig.calls().len()), ("cancelled", 0));
    assert_eq!(rig.rows("select id, deleted_at from block").await, ["1|-"]);
}

async fn twins_of_all_rows_that_had_the_key_are_deleted(server: Server) {
    let rig = blocks(server, 2).await;
    rig.execute("delete from block where id = 1; insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g8')")
        .await;
    rig.execute("delete from block where id = 1; insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g9')")
        .await;
    rig.execute("delete from block where id = 1").await;
    // And one that was changed after its deletion was requested.
    rig.request("block", &["2"]).await;
    rig.execute("update block set gcal_id = 'g7' where id = 2; delete from block where id = 2").await;
    rig.work().await;
    let mut calls = rig.calls();
    calls.sort();
    let event = |n: u32| format!("DELETE /calendars/c/events/g{n}");
    assert_eq!(calls, [event(1), event(2), event(7), event(8), event(9)]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
}

async fn row_recreated_within_the_grace_keeps_its_twin(server: Server) {
    let rig = guarded(Rig::blocks_with(server, 1, &resource_with("grace = \"1h\"")).await).await;
    rig.execute("delete from block").await;
    rig.work().await;
    assert_eq!(rig.calls().len(), 0);
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    rig.execute("update sexton_deletion set run_at = '2020-01-01T00:00:00.000Z'").await;
    rig.work().await;
    assert_eq!((rig.calls().len(), rig.rows("select id from block").await), (0, vec!["1".to_owned()]));
    let id = rig.one("select id from sexton_deletion").await;
    assert_eq!(rig.state(&id).await, "dead: row_live_again");
}
