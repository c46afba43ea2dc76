//! Databases and roles with settings of their own (PostgreSQL).

use sexton_tests::api::{Answer, Gate};

use super::rig::{BLOCK, PATIENCE, RESOURCE, Rig, Server};

async fn rig_of_a_role() -> Rig {
    let server = Server::postgres().await;
    let Server::Postgres(db) = &server else { unreachable!() };
    let role = db.create_role("app", "").await;
    let grant = format!(
        "alter default privileges grant all on tables to {0}; alter default privileges grant all on sequences to {0};
         grant all on schema public to {0}",
        role.name
    );
    db.execute(&grant).await;
    let rig = Rig::as_role(server, &role.url, BLOCK, RESOURCE).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    rig
}

const HIDE: &str = "alter table block enable row level security; create policy nothing on block using (false)";
const REVEAL: &str = "alter table block disable row level security";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_level_security_is_refused_with_the_remedy() {
    let rig = rig_of_a_role().await;
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.execute(HIDE).await;
    for command in [&["check"][..], &["run", "--until-idle"], &["request", "block", "1"]] {
        let refused = rig.run(command).await.expect_code(2).stderr;
        let named = ["sexton.toml: resources.block.table: ", "row-level security", "bypassrls"];
        assert!(named.iter().all(|part| refused.contains(part)), "{refused}");
    }
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_that_appears_before_the_claim_completes_nothing() {
    let rig = rig_of_a_role().await;
    let daemon = rig.daemon().await;
    rig.execute(HIDE).await;
    // The producer is not subject to the policy, as the owner of the table is not.
    let role = std::fs::read_to_string(rig.sexton.dir().join("sexton.toml")).unwrap();
    rig.reconfigure(RESOURCE);
    let id = rig.request_block().await;
    rig.sexton.write("sexton.toml", &role);
    rig.until("select attempts > 0 and last_error like '%42501%' from sexton_deletion", "t").await;
    rig.execute(REVEAL).await;
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.rows("select count(*) from block").await, ["0"]);
    assert_eq!(rig.calls().len(), 1);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(PATIENCE).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_that_appears_during_the_call_completes_nothing() {
    let rig = rig_of_a_role().await;
    let gate = Gate::new();
    rig.api.script("/calendars/c/events/g1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let id = rig.request_block().await;
    let _daemon = rig.daemon().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    rig.execute(HIDE).await;
    gate.open();
    assert_eq!(rig.settled(&id).await, "dead: exhausted");
    assert_eq!(rig.rows("select id from block where deleted_at is not null").await, ["1"]);
    let record = rig.show(&id).await;
    assert!(record["last_error"].as_str().unwrap().contains("database_42501"), "{record}");
    rig.execute(REVEAL).await;
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.rows("select count(*) from block").await, ["0"]);
    assert_eq!(rig.calls().len(), 1, "what is confirmed is not asked for again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_search_path_leads_to_its_own_tables() {
    let server = Server::postgres().await;
    let Server::Postgres(db) = &server else { unreachable!() };
    server.execute(BLOCK).await;
    db.execute("insert into block (id, calendar_id, gcal_id) values (1, 'wrong', 'wrong')").await;
    db.execute(&format!("create schema app; alter database {} set search_path to \"$user\", app, public", db.name()))
        .await;
    let tables = BLOCK.replace("create table block", "create table app.block");
    let rig = Rig::with(server, &tables, RESOURCE).await;
    rig.execute("insert into app.block (id, calendar_id, gcal_id) values (1, 'c', 'g1'), (2, 'c', 'g2')").await;
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    assert_eq!(rig.rows("select id from app.block").await, ["2"]);
    assert_eq!(rig.rows("select id, deleted_at from public.block").await, ["1|-"]);
    // Named in full, the other one is meant.
    rig.reconfigure(&RESOURCE.replace("table = \"block\"", "table = \"public.block\""));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.rows("select id from public.block").await, Vec::<String>::new());
    assert_eq!(rig.rows("select id from app.block").await, ["2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatable_read_as_the_default_hides_no_change() {
    let server = Server::postgres().await;
    let Server::Postgres(db) = &server else { unreachable!() };
    let name = db.name();
    db.execute(&format!("alter database {name} set default_transaction_isolation to 'repeatable read'")).await;
    let rig = Rig::blocks(server, 1).await;
    let gate = Gate::new();
    rig.api.script("/calendars/c/events/g1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let id = rig.request_block().await;
    let _daemon = rig.daemon().await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    rig.execute("update block set gcal_id = 'new'").await;
    gate.open();
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1", "DELETE /calendars/c/events/new"]);
    assert_eq!(rig.rows("select count(*) from block").await, ["0"]);
}
