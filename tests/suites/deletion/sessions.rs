//! Databases and roles with settings of their own (PostgreSQL).

use sexton_tests::{
    api::{Answer, Gate},
    eventually,
};

use crate::rig::{BLOCK, PATIENCE, RESOURCE, Rig, Server};

async fn rig_of_a_role() -> Rig {
    rig_of_a_role_with(RESOURCE).await
}

async fn rig_of_a_role_with(resource: &str) -> Rig {
    let server = Server::empty_postgres().await;
    let Server::Postgres(db) = &server else { unreachable!() };
    let role = db.create_role("app", "").await;
    let grant = format!(
        "alter default privileges grant all on tables to {0}; alter default privileges grant all on sequences to {0};
         grant all on schema public to {0}",
        role.name
    );
    db.execute(&grant).await;
    let rig = Rig::as_role(server, &role.url, BLOCK, resource).await;
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
    // The attempts must last until the policy has had its effect and is dropped.
    let patient = format!("[retry]\ninitial_interval = \"200ms\"\nmax_interval = \"2s\"\n{RESOURCE}");
    let rig = rig_of_a_role_with(&patient).await;
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
    daemon.stop().await;
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
    let server = Server::empty_postgres().await;
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
async fn backslash_is_a_backslash_whatever_the_database_says() {
    let server = Server::empty_postgres().await;
    let Server::Postgres(db) = &server else { unreachable!() };
    db.execute(&format!("alter database {} set standard_conforming_strings to off", db.name())).await;
    let tables = BLOCK.replace("note text", r#""a\ 'b" text"#);
    let resource = RESOURCE.replace("{calendar_id}", r"{a\\ 'b}");
    let rig =
        Rig::with(server, &tables, &resource.replace("\"deleted_at\"", r#""item_status", value = "\\' gone""#)).await;
    rig.execute(r#"insert into block (id, "a\ 'b", gcal_id, calendar_id) values (1, e'x\\y', 'g1', 'c')"#).await;
    let id = rig.request_block().await;
    assert_eq!(rig.rows("select item_status from block").await, [r"\' gone"]);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/x%5Cy/events/g1"]);
    assert_eq!(rig.state(&id).await, "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitioned_tables_and_keys_of_every_type_are_deleted_from() {
    let table = "create domain code as varchar(8) check (value <> ''); create schema \"My App\";
        create table \"My App\".\"Block\" (a smallint, b code, c uuid, d bigint, gcal_id numeric, deleted_at timestamp(3), primary key (a, b, c, d))
        partition by hash (a, d);
        create table \"My App\".p0 partition of \"My App\".\"Block\" for values with (modulus 2, remainder 0);
        create table \"My App\".p1 partition of \"My App\".\"Block\" for values with (modulus 2, remainder 1)";
    let resource = RESOURCE
        .replace("table = \"block\"", "table = \"My App.Block\"")
        .replace("key = \"id\"", "key = [\"d\", \"b\", \"a\", \"c\"]")
        .replace("{calendar_id}", "{d}-{c}");
    let rig = Rig::with(Server::empty_postgres().await, table, &resource).await;
    let uuid = "0193a5a0-7c1e-7000-8000-00000000abcd";
    for n in 1..=4 {
        rig.execute(&format!("insert into \"My App\".\"Block\" values ({n}, 'x/{n}', '{uuid}', -{n}, 1.50)")).await;
    }
    let key = |n: i64| format!(r#"["-{n}","x/{n}","{n}","{uuid}"]"#);
    rig.request("block", &[&key(1), &key(2), &key(3)]).await;
    rig.work().await;
    let mut calls = rig.calls();
    calls.sort();
    assert_eq!(calls, [1, 2, 3].map(|n| format!("DELETE /calendars/-{n}-{uuid}/events/1.50")));
    assert_eq!(rig.rows("select d from \"My App\".\"Block\"").await, ["-4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatable_read_as_the_default_hides_no_change() {
    let server = Server::empty_postgres().await;
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

/// Twins would go and rows would stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_rights_are_named_before_anything_is_called() {
    let child = "[[resources.block.children]]\ntable = \"photo\"\ncolumn = \"block_id\"\nreferences = \"id\"\nthen = \"delete\"\n";
    let rig = rig_of_a_role_with(&format!("{RESOURCE}{child}")).await;
    rig.execute("create table photo (id bigint primary key, block_id bigint)").await;
    drop(rig.run(&["migrate"]).await);
    let role = rig.one("select rolname from pg_roles where rolname like 'app_' || current_database()").await;
    rig.request_block().await;
    drop(rig.run(&["check"]).await.expect_code(0));
    for (right, from, named) in [
        ("delete", "block", "DELETE on the table public.block"),
        ("update", "block", "UPDATE on the column deleted_at of public.block"),
        ("delete", "photo", "DELETE on the table public.photo"),
        ("update", "photo", "UPDATE on the table public.photo"),
        ("insert", "sexton_deletion_done", "INSERT on the table public.sexton_deletion_done"),
        ("update", "sexton_breaker", "UPDATE on the table public.sexton_breaker"),
    ] {
        rig.execute(&format!("revoke {right} on {from} from {role}")).await;
        for command in [&["check"][..], &["run", "--until-idle"]] {
            let refused = rig.run(command).await.expect_code(2).stderr;
            assert!(refused.contains(named), "{named} is not in: {refused}");
        }
        rig.execute(&format!("grant {right} on {from} to {role}")).await;
    }
    assert_eq!(rig.calls(), [""; 0]);
    rig.work().await;
    assert_eq!(rig.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_that_is_lost_later_stops_calls_and_costs_nothing() {
    let rig = rig_of_a_role().await;
    let role = rig.one("select rolname from pg_roles where rolname like 'app_' || current_database()").await;
    let daemon = rig.daemon().await;
    let console = daemon.address("console").await;
    rig.execute(&format!("revoke delete on block from {role}")).await;
    eventually("the lane is shut", async || {
        let (_, metrics) = crate::console::get(&console, "/metrics").await;
        metrics.contains("sexton_breaker_open{lane=\"block.calendar\"} 1")
    })
    .await;
    daemon.wait_for_log("DELETE on the table public.block", PATIENCE).await;
    let status = rig.json(&["status", "--json"]).await.remove(0);
    assert_eq!(status["missing_rights"][0]["path"], "resources.block.table", "{status}");
    let id = rig.request_block().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!((rig.calls().len(), rig.one("select attempts from sexton_deletion").await.as_str()), (0, "0"));
    rig.execute(&format!("grant delete on block to {role}")).await;
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.calls().len(), 1);
}
