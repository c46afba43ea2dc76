//! Rows once all their twins are gone, and rows that never had one.

use crate::rig::{BLOCK, RESOURCE, Rig, Server, on_both};

on_both!(
    kept_row_stays_marked,
    row_goes_when_its_delay_has_passed,
    first_rule_that_matches_says_how_a_row_is_marked_and_what_becomes_of_it,
    row_that_was_never_synced_is_deleted_without_a_call,
    row_with_nothing_outside_and_no_grace_is_deleted_at_once,
    target_that_is_not_configured_any_more_is_waited_for,
    no_target_confirms_after_its_row_went,
);

async fn kept_row_stays_marked(server: Server) {
    let rig = Rig::blocks_with(server, 1, &RESOURCE.replace("key =", "then = \"keep\"\nkey =")).await;
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    assert_eq!(rig.rows("select id from block where deleted_at is not null").await, ["1"]);
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["row_outcome"]), (&"completed".into(), &"kept".into()));
}

async fn row_goes_when_its_delay_has_passed(server: Server) {
    let past = if server.is_postgres() { "now() - interval '1 second'" } else { "'2020-01-01T00:00:00.000Z'" };
    let resource = RESOURCE.replace("key =", "then = { delete_after = \"30d\" }\nkey =");
    let rig = Rig::blocks_with(server, 1, &resource).await;
    let id = rig.request_block().await;
    rig.work().await;
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["phase"]), (&"pending".into(), &"remove".into()));
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    assert_eq!(rig.rows("select id from block where deleted_at is not null").await, ["1"]);
    let refused = rig.run(&["restore", &id]).await.expect_code(3);
    assert!(refused.stderr.contains("first external call"), "{}", refused.stderr);
    // Thirty days later, as far as the ledger can tell.
    rig.execute(&format!("update sexton_deletion set run_at = {past}")).await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
    assert_eq!(rig.calls().len(), 1, "nothing is called in the second phase");
}

async fn first_rule_that_matches_says_how_a_row_is_marked_and_what_becomes_of_it(server: Server) {
    let rules = r#"marker_when = [
  { column = "kind", equals = "T", marker = { column = "item_status", value = "Deleted" }, then = "keep" },
  { column = "kind", equals = "U", marker = { column = "item_status", value = "Removed" } },
]
key ="#;
    let rig = Rig::with(server, BLOCK, &RESOURCE.replace("key =", rules)).await;
    rig.execute(
        "insert into block (id, calendar_id, gcal_id, kind, item_status)
         values (1, 'c', 'g1', 'T', 'Open'), (2, 'c', 'g2', 'U', 'Open'), (3, 'c', 'g3', null, 'Open'), (4, 'c', 'g4', 'X', 'Open')",
    )
    .await;
    rig.request("block", &["1", "2", "3", "4"]).await;
    let marked =
        "select id, item_status, case when deleted_at is null then 'unset' else 'set' end from block order by id";
    assert_eq!(rig.rows(marked).await, ["1|Deleted|unset", "2|Removed|unset", "3|Open|set", "4|Open|set"]);
    rig.work().await;
    assert_eq!(rig.rows(marked).await, ["1|Deleted|unset"]);
    assert_eq!(rig.calls().len(), 4);
}

async fn row_that_was_never_synced_is_deleted_without_a_call(server: Server) {
    let resource = RESOURCE.replace("timeout =", "skip_when_null = [\"gcal_id\", \"note\"]\ntimeout =");
    let rig = Rig::blocks_with(server, 2, &resource).await;
    rig.execute("update block set note = 'n', gcal_id = case id when 1 then null else gcal_id end").await;
    let ids = rig.request("block", &["1", "2"]).await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g2"]);
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
    assert_eq!(rig.show(&ids[0]).await["confirmations"]["calendar"]["answer"], "skipped");
    assert_eq!(rig.show(&ids[1]).await["confirmations"]["calendar"]["answer"], "deleted");
}

async fn row_with_nothing_outside_and_no_grace_is_deleted_at_once(server: Server) {
    let resource = RESOURCE.split("[[").next().unwrap().to_owned();
    let rig = Rig::blocks_with(server, 1, &resource).await;
    let id = rig.request_block().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.rows("select id from block").await, Vec::<String>::new());
    assert_eq!(rig.calls(), Vec::<String>::new());
}

async fn target_that_is_not_configured_any_more_is_waited_for(server: Server) {
    let now = if server.is_postgres() { "now()" } else { "'2020-01-01T00:00:00.000Z'" };
    let mirror =
        RESOURCE[RESOURCE.find("[[").unwrap()..].replace("calendar\"", "mirror\"").replace("/calendars", "/mirror");
    let both = format!("{RESOURCE}{mirror}");
    let rig = Rig::blocks_with(server, 1, &both).await;
    let id = rig.request_block().await;
    rig.reconfigure(RESOURCE);
    let daemon = rig.sexton.spawn(&["run", "--allow-drift"]).await;
    let waits = "select state, attempts, last_error_kind from sexton_deletion";
    rig.until(waits, "pending|0|target_not_configured").await;
    assert!(rig.show(&id).await["last_error"].as_str().unwrap().contains("mirror"));
    assert_eq!(rig.rows("select count(*) from block").await, ["1"]);
    daemon.stop().await;
    rig.reconfigure(&both);
    rig.execute(&format!("update sexton_deletion set run_at = {now}")).await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1", "DELETE /mirror/c/events/g1"]);
}

async fn no_target_confirms_after_its_row_went(server: Server) {
    let rig = Rig::blocks(server, 0).await;
    let rows = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 500)
        insert into block (id, calendar_id, gcal_id) select i, 'c', 'g' || i from n";
    rig.execute(rows).await;
    drop(rig.run(&["request", "block", "--where", "id > 0", "--yes"]).await.expect_code(0));
    rig.work().await;
    let exported = rig.json(&["export", "--since", "1h"]).await;
    let late = exported.iter().filter(|one| {
        let (confirmed, finished) = (&one["confirmations"]["calendar"]["at"], &one["finished_at"]);
        confirmed.as_str().unwrap() > finished.as_str().unwrap()
    });
    assert_eq!((exported.len(), late.count()), (500, 0));
}
