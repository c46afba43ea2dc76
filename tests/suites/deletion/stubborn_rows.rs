//! Rows that the database does not delete: locked, still referenced, kept by a trigger.

use sea_orm::{ConnectionTrait, TransactionTrait};

use sexton_tests::api::{Answer, Gate};

use crate::rig::{PATIENCE, Rig, Server, on_both};

on_both!(
    row_kept_by_a_trigger_is_dead_and_its_confirmation_is_kept,
    row_whose_delete_raises_an_error_is_dead_with_the_databases_code,
    row_still_referenced_is_dead_and_goes_once_the_reference_has_gone,
    row_referenced_by_a_deferred_constraint_is_dead_too,
    one_bad_row_does_not_keep_its_neighbours,
);

impl Rig {
    /// Deleting block 1 does `what` instead.
    async fn trigger(&self, postgres: &str, sqlite: &str) {
        if self.server.is_postgres() {
            self.execute(&format!(
                "create function refuse() returns trigger language plpgsql as
                 $$ begin if old.id = 1 then {postgres} end if; return old; end $$;
                 create trigger refuse before delete on block for each row execute function refuse()"
            ))
            .await;
        } else {
            self.execute(&format!(
                "create trigger refuse before delete on block when old.id = 1 begin select {sqlite}; end"
            ))
            .await;
        }
    }

    async fn drop_trigger(&self) {
        let on = if self.server.is_postgres() { " on block" } else { "" };
        self.execute(&format!("drop trigger refuse{on}")).await;
    }
}

async fn row_kept_by_a_trigger_is_dead_and_its_confirmation_is_kept(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    rig.trigger("return null;", "raise(ignore)").await;
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: not_deleted");
    assert_eq!(rig.rows("select id from block").await, ["1"]);
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: not_deleted");
    rig.drop_trigger().await;
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.calls().len(), 1, "what is confirmed is not asked for again");
}

async fn row_whose_delete_raises_an_error_is_dead_with_the_databases_code(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    rig.trigger("raise exception 'not this one';", "raise(abort, 'not this one')").await;
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: exhausted");
    let error = rig.show(&id).await["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains(if rig.server.is_postgres() { "database_P0001" } else { "database_" }), "{error}");
    assert_eq!((rig.rows("select id from block").await.len(), rig.calls().len()), (1, 1));
}

async fn references(server: Server, constraint: &str) {
    let rig = Rig::blocks(server, 1).await;
    rig.execute(&format!(
        "create table guest (id integer primary key, block_id bigint constraint guest_of_block references block (id) {constraint});
         insert into guest values (1, 1)"
    ))
    .await;
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: referenced");
    let record = rig.show(&id).await;
    let error = record["last_error"].as_str().unwrap();
    assert!(error.contains("guest"), "{error}");
    if rig.server.is_postgres() {
        assert!(error.contains("guest_of_block"), "{error}");
    }
    assert_eq!(record["attempts"], 3);
    assert_eq!(record["failed_attempts"].as_array().unwrap().len(), 3);
    assert_eq!(rig.rows("select id from block where deleted_at is not null").await, ["1"]);
    rig.execute("delete from guest").await;
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.calls().len(), 1, "confirmed once, not asked again");
}

async fn row_still_referenced_is_dead_and_goes_once_the_reference_has_gone(server: Server) {
    references(server, "").await;
}

async fn row_referenced_by_a_deferred_constraint_is_dead_too(server: Server) {
    references(server, "deferrable initially deferred").await;
}

async fn one_bad_row_does_not_keep_its_neighbours(server: Server) {
    let rig = Rig::blocks(server, 20).await;
    rig.trigger("raise exception 'not this one';", "raise(abort, 'not this one')").await;
    rig.execute("create table guest (block_id bigint references block (id)); insert into guest values (2)").await;
    rig.execute("update block set gcal_id = '' where id = 3").await;
    let keys: Vec<_> = (1..=20).map(|n| n.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    rig.request("block", &keys).await;
    rig.work().await;
    let dead = rig.rows("select key, dead_kind from sexton_deletion order by key").await;
    assert_eq!(dead, ["1|exhausted", "2|referenced", "3|bad_template"]);
    assert_eq!(rig.rows("select id from block order by id").await, ["1", "2", "3"]);
    assert_eq!(rig.calls().len(), 19);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_row_waits_without_costing_an_attempt() {
    let rig = Rig::blocks(Server::postgres().await, 2).await;
    let id = rig.request("block", &["1", "2"]).await.remove(0);
    let application = rig.server.connect().await;
    let transaction = application.begin().await.unwrap();
    transaction.execute_unprepared("select * from block where id = 1 for key share").await.unwrap();
    let _daemon = rig.daemon().await;
    let waiting = format!("select attempts, last_error from sexton_deletion where id = '{id}' and state = 'pending'");
    rig.until(&waiting, "0|row: row_locked").await;
    rig.until("select id from block where id = 2 union all select 0", "0").await;
    assert_eq!(rig.rows("select id from block").await, ["1"], "its neighbour does not wait for it");
    transaction.commit().await.unwrap();
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.api.calls_to("/calendars/c/events/g1").len(), 1);
    let record = rig.show(&id).await;
    assert_eq!(record["attempts"], 1);
    assert!(record["fence"].as_i64().unwrap() >= 2, "{record}");
}

/// A renewal, or anything else that holds the entry for a moment, must not look like a lost lease: the deletion would
/// wait until its lease ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledger_entry_locked_for_a_moment_is_not_taken_for_lost() {
    let rig = Rig::blocks(Server::postgres().await, 1).await;
    let gate = Gate::new();
    rig.api.script("/calendars/c/events/g1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let id = rig.request_block().await;
    let daemon = rig.daemon().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    let application = rig.server.connect().await;
    let transaction = application.begin().await.unwrap();
    transaction.execute_unprepared("select * from sexton_deletion for update").await.unwrap();
    gate.open();
    let waiting =
        "select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    rig.until(waiting, "t").await;
    transaction.commit().await.unwrap();
    assert_eq!(rig.settled(&id).await, "completed");
    assert!(!daemon.logs().iter().any(|line| line.text.contains("was lost")));
    assert_eq!(rig.calls().len(), 1);
}
