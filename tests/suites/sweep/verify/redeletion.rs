//! Twins that came back: which are deleted a second time, and which are not.

use serde_json::Value;
use sexton_tests::api::{Answer, Gate};

use super::{ROOM, age, calls, deleted, event, mode_on, mode_report, state, sweep_nonzero};
use crate::rig::{PATIENCE, Rig, Server, on_both};

on_both!(
    twin_that_came_back_is_deleted_again_once_and_the_proof_says_so,
    only_the_target_where_the_twin_is_back_is_called,
    target_whose_twin_is_another_rows_keeps_no_other_from_being_asked,
    twin_of_a_recreated_row_is_not_touched,
    twin_is_not_touched_if_its_row_cannot_be_known,
    row_recreated_at_the_last_moment_is_not_touched,
    row_that_is_requested_anew_is_deleted_with_what_came_back,
    killed_sweep_takes_it_up_once,
    row_that_is_gone_is_not_waited_for,
    kept_row_is_left_as_it_is,
    row_that_is_made_before_the_call_keeps_its_twin,
    twin_whose_name_a_row_spells_differently_is_not_touched,
    twin_that_keeps_coming_back_is_left_to_operators,
    target_that_was_configured_since_is_not_asked,
);

const OF_SWEEP: &str = "select key, requested_by, reason, row_outcome from sexton_deletion_done where requested_by = 'sexton sweep verify'";

async fn open(rig: &Rig) -> Vec<String> {
    rig.rows("select key, lane, requested_by from sexton_deletion order by key").await
}

async fn twin_that_came_back_is_deleted_again_once_and_the_proof_says_so(server: Server) {
    let (rig, twins) = deleted(server, 3, &mode_on()).await;
    twins.come_back(&event(2));
    assert_eq!(sweep_nonzero(&rig).await, "deleted_again 1, finished 3, gone 2, looked 3, returned 1, sampled 3");
    let state = state(&rig).await;
    assert_eq!((&state["found"], &state["done"], &state["backlog"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(open(&rig).await, ["2|block.calendar|sexton sweep verify"]);
    // Another look before a worker comes by.
    rig.execute("update sexton_sweep set cursor = '{}'").await;
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, gone 2, looked 3, owned 1, sampled 3");
    assert_eq!(open(&rig).await.len(), 1);
    let id = rig.one("select id from sexton_deletion").await;
    drop(rig.run(&["restore", &id]).await.expect_code(3));
    rig.work().await;
    assert_eq!(calls(&rig, "DELETE"), [event(1), event(2), event(2), event(3)]);
    assert_eq!(rig.rows(OF_SWEEP).await, ["2|sexton sweep verify|the twin in calendar was there again|already_gone"]);
    let proof = rig.show(&id).await;
    assert_eq!((&proof["state"], &proof["confirmations"]["calendar"]["verified"]), (&"completed".into(), &true.into()));
    let called = proof["confirmations"]["calendar"]["at"].as_str().unwrap().to_owned();
    let before = rig.rows("select confirmations ->> 'calendar' from sexton_deletion_done where reason is null").await;
    assert!(!before.iter().any(|one| one.contains(&called)), "the old answer is no proof: {before:?}");
    assert_eq!(sweep_nonzero(&rig).await, "gone 1, looked 1");
    age(&rig).await;
    rig.work().await;
    assert_eq!(calls(&rig, "DELETE").len(), 4);
}

async fn only_the_target_where_the_twin_is_back_is_called(server: Server) {
    let resources = format!("{}{ROOM}", mode_on());
    let rig = Rig::blocks_with(server, 2, &resources).await;
    let twins = super::Twins::behind(&rig);
    rig.execute("update block set note = 'n'").await;
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    age(&rig).await;
    twins.come_back("/rooms/2");
    assert_eq!(sweep_nonzero(&rig).await, "deleted_again 1, finished 2, gone 3, looked 4, returned 1, sampled 2");
    assert_eq!(open(&rig).await, ["2|block.room|sexton sweep verify"]);
    rig.work().await;
    assert_eq!(calls(&rig, "DELETE"), [event(1), event(2), "/rooms/1".into(), "/rooms/2".into(), "/rooms/2".into()]);
}

async fn target_whose_twin_is_another_rows_keeps_no_other_from_being_asked(server: Server) {
    let rig = Rig::blocks_with(server, 2, &format!("{}{ROOM}", mode_on())).await;
    let twins = super::Twins::behind(&rig);
    rig.execute("update block set note = 'n'").await;
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    age(&rig).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (12, 'c', 'g2')").await;
    twins.come_back(&event(2));
    twins.come_back("/rooms/2");
    assert_eq!(
        sweep_nonzero(&rig).await,
        "deleted_again 1, finished 2, gone 2, looked 4, owned 1, returned 1, sampled 2"
    );
    rig.work().await;
    assert_eq!(open(&rig).await, Vec::<String>::new());
    assert_eq!(calls(&rig, "DELETE"), [event(1), event(2), "/rooms/1".into(), "/rooms/2".into(), "/rooms/2".into()]);
    // What was taken for the other row's is gone with that one.
    rig.execute("delete from block where id = 12").await;
    assert_eq!(sweep_nonzero(&rig).await, "deleted_again 1, looked 1, returned 1");
}

async fn twin_of_a_recreated_row_is_not_touched(server: Server) {
    let (rig, twins) = deleted(server, 5, &mode_on()).await;
    // Under its key, with another twin; under another key, with its twin; removed and kept waiting; and in another
    // calendar.
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'other'), (12, 'c', 'g2')").await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (13, 'c', 'g3'), (14, 'd', 'g4')").await;
    drop(rig.run(&["request", "block", "13", "--after", "1h"]).await.expect_code(0));
    for n in 1..=4 {
        twins.come_back(&event(n));
    }
    assert_eq!(
        sweep_nonzero(&rig).await,
        "deleted_again 1, finished 5, gone 1, looked 5, owned 2, returned 2, sampled 5, unsure 1"
    );
    assert_eq!(rig.rows("select key from sexton_deletion order by key").await, ["13", "4"]);
    rig.work().await;
    assert_eq!(calls(&rig, "DELETE"), [event(1), event(2), event(3), event(4), event(4), event(5)]);
    assert_eq!(rig.rows("select id from block order by id").await, ["1", "12", "13", "14"]);
    // The next pass looks at them; they belong to no row once the rows are gone.
    rig.execute("delete from block where id = 12").await;
    assert_eq!(sweep_nonzero(&rig).await, "deleted_again 1, looked 3, owned 1, returned 2, unsure 1");
    assert_eq!(rig.rows("select key from sexton_deletion order by key").await, ["13", "2"]);
}

async fn twin_is_not_touched_if_its_row_cannot_be_known(server: Server) {
    // What was completed while it was only to be reported does not know all that a call needs.
    let skips = |text: String| text.replace("verify = { url", "skip_when_null = [\"note\"]\nverify = { url");
    let rig = Rig::blocks_with(server, 2, &skips(mode_report())).await;
    let twins = super::Twins::behind(&rig);
    rig.execute("update block set note = 'n'").await;
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    age(&rig).await;
    twins.come_back(&event(1));
    rig.reconfigure(&skips(mode_on()));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    assert_eq!(sweep_nonzero(&rig).await, "finished 2, gone 1, looked 2, returned 1, sampled 2, unsure 1");
    assert_eq!(open(&rig).await, Vec::<String>::new());
    // A second call may do harm.
    rig.reconfigure(&mode_on().replace("timeout = \"2s\"", "timeout = \"2s\"\nrepeatable = false"));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    rig.execute("insert into block (id, calendar_id, gcal_id) values (4, 'c', 'g4')").await;
    rig.request("block", &["4"]).await;
    rig.work().await;
    age(&rig).await;
    twins.come_back(&event(4));
    rig.execute("update sexton_sweep set cursor = '{}'").await;
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, gone 1, looked 3, returned 2, sampled 3, unsure 2");
    // Neither is it known which row it was, if its key is hashed.
    let hashed = mode_on().replace("key = \"id\"", "key = \"id\"\nhash_key = true");
    rig.reconfigure(&hashed);
    drop(rig.run(&["migrate"]).await.expect_code(0));
    rig.execute("insert into block (id, calendar_id, gcal_id) values (3, 'c', 'g3')").await;
    rig.request("block", &["3"]).await;
    rig.work().await;
    rig.execute("delete from sexton_deletion_done where key is not null").await;
    rig.execute("update sexton_sweep set cursor = '{}'").await;
    age(&rig).await;
    twins.come_back(&event(3));
    assert_eq!(sweep_nonzero(&rig).await, "finished 1, looked 1, returned 1, sampled 1, unsure 1");
    assert_eq!(open(&rig).await, Vec::<String>::new());
}

async fn row_recreated_at_the_last_moment_is_not_touched(server: Server) {
    let (rig, twins) = deleted(server, 1, &mode_on()).await;
    twins.come_back(&event(1));
    assert!(sweep_nonzero(&rig).await.contains("deleted_again 1"));
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    let id = rig.one("select id from sexton_deletion").await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: row_live_again");
    assert_eq!(calls(&rig, "DELETE"), [event(1)]);
    assert_eq!(rig.rows("select id, deleted_at from block").await, ["1|-"]);
    // A dead one is for on-call to look at.
    assert_eq!(sweep_nonzero(&rig).await, "");
}

async fn row_that_is_requested_anew_is_deleted_with_what_came_back(server: Server) {
    let (rig, twins) = deleted(server, 1, &mode_on()).await;
    twins.come_back(&event(1));
    assert!(sweep_nonzero(&rig).await.contains("deleted_again 1"));
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'new')").await;
    twins.come_back("/calendars/c/events/new");
    rig.request("block", &["1"]).await;
    rig.work().await;
    assert_eq!(calls(&rig, "DELETE"), [event(1), event(1), "/calendars/c/events/new".to_owned()]);
    assert_eq!(rig.one("select count(*) from block").await, "0");
    assert_eq!(open(&rig).await, Vec::<String>::new());
}

async fn killed_sweep_takes_it_up_once(server: Server) {
    for (point, taken_up) in [("redelete::before", 0), ("redelete::committed", 1)] {
        let server = if server.is_postgres() { Server::postgres().await } else { Server::sqlite().await };
        let (mut rig, twins) = deleted(server, 3, &mode_on()).await;
        twins.come_back(&event(2));
        rig.sexton = rig.sexton.env("FAILPOINTS", &format!("{point}=return"));
        assert_ne!(rig.run(&["sweep", "verify"]).await.code, 0);
        assert_eq!(open(&rig).await.len(), taken_up);
        rig.sexton = rig.sexton.env("FAILPOINTS", "");
        rig.execute("update sexton_sweep set leader = null, lease_until = null").await;
        assert!(sweep_nonzero(&rig).await.contains(if taken_up == 0 { "deleted_again 1" } else { "owned 1" }));
        rig.work().await;
        assert_eq!(rig.rows(OF_SWEEP).await.len(), 1);
        assert_eq!(calls(&rig, "DELETE").len(), 4);
    }
}

async fn row_that_is_gone_is_not_waited_for(server: Server) {
    let resources = mode_on().replace("key = \"id\"", "key = \"id\"\nthen = { delete_after = \"1s\" }");
    let (rig, twins) = deleted(server, 1, &resources).await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    rig.work().await;
    age(&rig).await;
    rig.reconfigure(&resources.replace("1s\" }", "30d\" }"));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    twins.come_back(&event(1));
    assert!(sweep_nonzero(&rig).await.contains("deleted_again 1"));
    rig.work().await;
    assert_eq!(open(&rig).await, Vec::<String>::new());
    assert_eq!(rig.rows(OF_SWEEP).await.len(), 1);
}

async fn kept_row_is_left_as_it_is(server: Server) {
    let resources = mode_on().replace("key = \"id\"", "key = \"id\"\nthen = \"keep\"");
    let (rig, twins) = deleted(server, 1, &resources).await;
    twins.come_back(&event(1));
    assert_eq!(sweep_nonzero(&rig).await, "finished 1, looked 1, returned 1, sampled 1, unsure 1");
    assert_eq!(open(&rig).await, Vec::<String>::new());
    assert_eq!(rig.one("select count(*) from block where deleted_at is not null").await, "1");
}

/// A statement that looks for another owner takes too long, for want of an index: it is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_that_cannot_be_looked_through_in_time_leaves_it_unknown() {
    let (rig, twins) = deleted(Server::postgres().await, 1, &mode_on()).await;
    twins.come_back(&event(1));
    // A locked table is the same to a sweep, which waits for no lock.
    let gate = Gate::new();
    rig.api.script(&event(1), vec![Answer::Held(gate.clone(), Box::new(Answer::StatusBody(200, "{}".to_owned())))]);
    let (sweeping, ()) = tokio::join!(rig.run(&["sweep", "verify", "--json"]), async {
        rig.api.wait_for_in_flight(1, PATIENCE).await;
        let Server::Postgres(db) = &rig.server else { return };
        let conn = db.connect().await;
        use sea_orm::{ConnectionTrait, TransactionTrait};
        let locked = conn.begin().await.unwrap();
        locked.execute_unprepared("alter table block rename column note to remark").await.unwrap();
        gate.open();
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        locked.rollback().await.unwrap();
    });
    let told: Value = serde_json::from_str(&sweeping.expect_code(0).stdout).unwrap();
    assert_eq!((&told["returned"], &told["unsure"], &told["deleted_again"]), (&1.into(), &1.into(), &0.into()));
}

async fn row_that_is_made_before_the_call_keeps_its_twin(server: Server) {
    let (rig, twins) = deleted(server, 2, &mode_on()).await;
    twins.come_back(&event(2));
    assert_eq!(sweep_nonzero(&rig).await, "deleted_again 1, finished 2, gone 1, looked 2, returned 1, sampled 2");
    rig.execute("insert into block (id, calendar_id, gcal_id) values (12, 'c', 'g2')").await;
    let id = rig.one("select id from sexton_deletion").await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: row_live_again");
    assert_eq!(calls(&rig, "DELETE"), [event(1), event(2)]);
}

async fn twin_whose_name_a_row_spells_differently_is_not_touched(server: Server) {
    let (rig, twins) = deleted(server, 2, &mode_on()).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (12, 'C', ' G2')").await;
    twins.come_back(&event(2));
    assert_eq!(sweep_nonzero(&rig).await, "finished 2, gone 1, looked 2, returned 1, sampled 2, unsure 1");
    assert!(open(&rig).await.is_empty());
}

async fn twin_that_keeps_coming_back_is_left_to_operators(server: Server) {
    let (rig, twins) = deleted(server, 1, &mode_on()).await;
    twins.come_back(&event(1));
    assert_eq!(sweep_nonzero(&rig).await, "deleted_again 1, finished 1, looked 1, returned 1, sampled 1");
    rig.work().await;
    age(&rig).await;
    twins.come_back(&event(1));
    let next = sweep_nonzero(&rig).await;
    assert!(next.contains("unsure 1") && !next.contains("deleted_again"), "{next}");
    assert_eq!((open(&rig).await.len(), &state(&rig).await["backlog"]), (0, &1.into()));
}

async fn target_that_was_configured_since_is_not_asked(server: Server) {
    let (rig, twins) = deleted(server, 1, &mode_on()).await;
    twins.come_back(&event(1));
    rig.reconfigure(&format!("{}{ROOM}", mode_on()));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    let seen = sweep_nonzero(&rig).await;
    assert!(seen.contains("unsure 1") && !seen.contains("deleted_again"), "{seen}");
    assert!(open(&rig).await.is_empty());
}
