//! `then = "delete"` and `then = "nullify"`: children that go, or lose their reference, in the parent's transaction.

use std::time::Duration;

use serde_json::Value;
use sexton_tests::Sexton;

use crate::rig::{PATIENCE, Rig, Server, config, on_both};

on_both!(
    children_are_removed_to_any_depth_and_circles_end,
    child_that_arrives_after_the_request_goes_as_well,
    child_that_moved_to_another_parent_stays,
    rows_of_a_table_that_is_no_resource_go_as_well,
    reference_is_cleared_where_the_rule_says_so,
    restore_brings_back_what_this_request_removed_and_nothing_else,
    child_of_two_parents_is_live_again_when_both_are_restored,
    child_that_a_trigger_keeps_keeps_its_parent,
    kept_parent_keeps_its_children,
    very_many_children_go_in_parts_and_are_counted,
    very_many_children_of_a_row_without_targets_go_through_the_ledger,
    circle_of_a_row_without_targets_goes_at_once,
    children_of_a_row_that_was_deleted_with_sql_go_as_well,
    dead_deletion_that_is_requested_anew_still_knows_its_children,
    parent_that_a_trigger_keeps_keeps_its_children,
    boolean_in_json_references_no_row,
);

const NODE: &str = "create table node (id bigint primary key, calendar_id text, parent_id bigint references node (id),
    name text, deleted_at TIME_TYPE); create index node_parent on node (parent_id);";

const RESOURCE: &str = r#"
[resources.node]
table = "node"
key = "id"
marker = { column = "deleted_at" }
[[resources.node.targets]]
name = "calendar"
kind = "http"
url = "@API@/nodes/{id}"
timeout = "2s"
allow_private = true
[[resources.node.children]]
table = "node"
column = "parent_id"
references = "id"
then = "delete"
twin = "goes_with_parent"
"#;

/// Nodes as `(id, parent)`.
async fn rig(server: Server, nodes: &str, resources: &str) -> Rig {
    let rig = Rig::with(server, NODE, resources).await;
    rig.execute(&format!("insert into node (id, parent_id) values {nodes}")).await;
    rig
}

const LEFT: &str = "select id from node order by id";
const LIVE: &str = "select id from node where deleted_at is null order by id";

async fn children_are_removed_to_any_depth_and_circles_end(server: Server) {
    let chain: Vec<_> = (2..=40).map(|id| format!("({id}, {})", id - 1)).collect();
    let rig = rig(server, &format!("(1, null), {}, (50, null), (51, 50)", chain.join(", ")), RESOURCE).await;
    // 1 is now a child of its own great-grandchild, and 5 its own parent.
    rig.execute("update node set parent_id = 4 where id = 1").await;
    rig.execute("update node set parent_id = 20 where id = 5").await;
    rig.execute("update node set parent_id = 5 where id = 20").await;
    let id = rig.request("node", &["1"]).await.remove(0);
    assert_eq!(rig.rows(LIVE).await[..3], ["5", "6", "7"], "5 and what is below it has no parent any more");
    let of_circle = rig.request("node", &["5"]).await.remove(0);
    rig.work().await;
    assert_eq!(rig.rows(LEFT).await, ["50", "51"]);
    assert_eq!(rig.show(&id).await["children_deleted"], 3);
    assert_eq!(rig.show(&of_circle).await["children_deleted"], 35);
    let mut calls = rig.calls();
    calls.sort();
    assert_eq!(calls, ["DELETE /nodes/1", "DELETE /nodes/5"]);
}

async fn child_that_arrives_after_the_request_goes_as_well(server: Server) {
    let rig = rig(server, "(1, null), (2, 1)", RESOURCE).await;
    rig.request("node", &["1"]).await;
    rig.execute("insert into node (id, parent_id) values (3, 2), (4, 1)").await;
    rig.work().await;
    assert_eq!(rig.rows(LEFT).await, Vec::<String>::new());
}

async fn child_that_moved_to_another_parent_stays(server: Server) {
    let rig = rig(server, "(1, null), (2, 1), (3, null)", RESOURCE).await;
    rig.request("node", &["1"]).await;
    rig.execute("update node set parent_id = 3 where id = 2").await;
    rig.work().await;
    assert_eq!(rig.rows(LEFT).await, ["2", "3"]);
}

async fn rows_of_a_table_that_is_no_resource_go_as_well(server: Server) {
    let rule = "[[resources.node.children]]\ntable = \"comment\"\ncolumn = \"node_id\"\nreferences = \"id\"\nthen = \"delete\"\n";
    server
        .execute(
            "create table comment (number integer, node_id bigint, primary key (number, node_id));
             insert into comment values (1, 1), (2, 1), (1, 2), (1, 3)",
        )
        .await;
    let rig = rig(server, "(1, null), (2, 1), (3, null)", &format!("{RESOURCE}{rule}")).await;
    let id = rig.request("node", &["1"]).await.remove(0);
    assert_eq!(rig.rows("select count(*) from comment").await, ["4"], "they carry no marker, so they stay till then");
    rig.work().await;
    assert_eq!(rig.rows("select number, node_id from comment").await, ["1|3"]);
    assert_eq!(rig.show(&id).await["children_deleted"], 4);
}

async fn reference_is_cleared_where_the_rule_says_so(server: Server) {
    let json = if server.is_postgres() { "jsonb" } else { "text" };
    let resources = format!(
        "{}\n[[resources.node.children]]\ntable = \"alarm\"\njson = {{ column = \"data\", path = \"about.node\" }}\n\
         references = \"id\"\nthen = \"nullify\"\n",
        RESOURCE.replace("then = \"delete\"\ntwin = \"goes_with_parent\"", "then = \"nullify\"")
    );
    server
        .execute(&format!(
            "create table alarm (id bigint primary key, data {json});
             insert into alarm values (1, '{{\"about\": {{\"node\": 1}}, \"x\": 1}}'), (2, '{{\"about\": {{\"node\": \"1\"}}}}'),
                (3, '{{\"about\": {{\"node\": 2}}}}'), (4, '[]'), (5, null)"
        ))
        .await;
    let rig = rig(server, "(1, null), (2, 1), (3, null)", &resources).await;
    let id = rig.request("node", &["1"]).await.remove(0);
    assert_eq!(rig.rows("select parent_id from node where id = 2").await, ["1"], "a restore must find it as it was");
    rig.work().await;
    assert_eq!(rig.rows("select id, parent_id from node order by id").await, ["2|-", "3|-"]);
    let named = rig.rows("select id, data from alarm order by id").await;
    let named: Vec<Value> = named
        .iter()
        .map(|row| row.split_once('|').unwrap().1)
        .map(|data| serde_json::from_str(data).unwrap_or(Value::Null))
        .collect();
    assert_eq!(named[0], serde_json::json!({ "about": {}, "x": 1 }));
    assert_eq!((&named[1], &named[2]["about"]["node"]), (&serde_json::json!({ "about": {} }), &2.into()));
    assert_eq!(rig.show(&id).await["children_deleted"], 0);
}

async fn restore_brings_back_what_this_request_removed_and_nothing_else(server: Server) {
    let rig = rig(server, "(1, null), (2, 1), (3, 2), (4, 1)", RESOURCE).await;
    // 4 was removed before, by hand: it is no business of the request.
    rig.execute("update node set deleted_at = '2020-01-01 00:00:00' where id = 4").await;
    let id = rig.request("node", &["1"]).await.remove(0);
    assert_eq!(rig.rows(LIVE).await, Vec::<String>::new());
    drop(rig.run(&["restore", &id]).await.expect_code(0));
    assert_eq!(rig.rows(LIVE).await, ["1", "2", "3"]);
    assert!(rig.rows("select deleted_at from node where id = 4").await[0].starts_with("2020-01-01"));
    assert_eq!(rig.rows("select count(*) from sexton_child").await, ["0"]);
    // A second request for both.
    rig.request("node", &["1"]).await;
    rig.work().await;
    assert_eq!(rig.rows(LEFT).await, Vec::<String>::new());
}

async fn child_of_two_parents_is_live_again_when_both_are_restored(server: Server) {
    let second = RESOURCE[RESOURCE.find("[[resources.node.children]]").unwrap()..]
        .replace("parent_id", "name")
        .replace("references = \"id\"", "references = \"calendar_id\"\nscope = [\"id\"]");
    // A rule that is for 3 only: its name is the calendar of 2, and so is its own.
    let second = second.replace("scope = [\"id\"]", "scope = [\"parent_id\"]");
    let rig = rig(server, "(1, null), (2, 1), (3, 1)", &format!("{RESOURCE}{second}")).await;
    rig.execute("update node set calendar_id = 'x' where id = 2").await;
    rig.execute("update node set name = 'x' where id = 3").await;
    let of_second = rig.request("node", &["2"]).await.remove(0);
    assert_eq!(rig.rows(LIVE).await, ["1"], "3 goes with 2");
    let of_first = rig.request("node", &["1"]).await.remove(0);
    let of_third = rig.request("node", &["3"]).await.remove(0);
    drop(rig.run(&["restore", &of_first]).await.expect_code(0));
    assert_eq!(rig.rows(LIVE).await, ["1"], "2 was removed before, and 3 with it");
    drop(rig.run(&["restore", &of_second]).await.expect_code(0));
    assert_eq!(rig.rows(LIVE).await, ["1", "2"], "3 was removed for itself as well");
    drop(rig.run(&["restore", &of_third]).await.expect_code(0));
    assert_eq!(rig.rows(LIVE).await, ["1", "2", "3"]);
}

async fn child_that_a_trigger_keeps_keeps_its_parent(server: Server) {
    if !server.is_postgres() {
        // SQLite's `raise(ignore)` in a BEFORE trigger.
        server.execute(NODE).await;
        server
            .execute("create trigger keep before delete on node when old.id = 2 begin select raise(ignore); end")
            .await;
    } else {
        server.execute(NODE).await;
        server
            .execute(
                "create function keep() returns trigger language plpgsql as 'begin return null; end';
                 create trigger keep before delete on node for each row when (old.id = 2) execute function keep()",
            )
            .await;
    }
    let rig = Rig::with(server, "select 1", RESOURCE).await;
    rig.execute("insert into node (id, parent_id) values (1, null), (2, 1), (3, 1), (4, null)").await;
    let ids = rig.request("node", &["1", "4"]).await;
    rig.work().await;
    assert_eq!(rig.state(&ids[0]).await, "dead: not_deleted");
    assert!(rig.show(&ids[0]).await["last_error"].as_str().unwrap().contains("node"));
    assert_eq!(rig.rows(LEFT).await, ["1", "2", "3"], "not one of the family went, and its neighbour did");
    assert_eq!(rig.state(&ids[1]).await, "completed");
}

async fn kept_parent_keeps_its_children(server: Server) {
    let rig =
        rig(server, "(1, null), (2, 1)", &RESOURCE.replace("key = \"id\"", "key = \"id\"\nthen = \"keep\"")).await;
    rig.request("node", &["1"]).await;
    rig.work().await;
    assert_eq!(rig.rows(LEFT).await, ["1", "2"]);
    assert_eq!(rig.rows(LIVE).await, Vec::<String>::new());
    assert_eq!(rig.rows("select key from sexton_child").await, ["2"], "it is not taken for a forgotten one");
}

async fn very_many_children_go_in_parts_and_are_counted(server: Server) {
    let rig = many(server, RESOURCE).await;
    let id = rig.request("node", &["1"]).await.remove(0);
    assert_eq!(rig.rows("select count(*) from node where deleted_at is null").await, ["0"]);
    // Killed after the second part: what went is gone and counted, and another worker continues.
    let settings = config(rig.server.url(), &rig.api, RESOURCE);
    let mortal = Sexton::new(&settings).env("FAILPOINTS", "children::committed=1*off->return");
    let killed = mortal.spawn(&["run"]).await;
    assert_ne!(killed.wait(PATIENCE).await, 0);
    let left: i64 = rig.one("select count(*) from node").await.parse().unwrap();
    assert!((501..2501).contains(&left), "{left}");
    assert_eq!(rig.one("select children_deleted from sexton_deletion").await, (2501 - left).to_string());
    rig.execute("update sexton_deletion set lease_until = '2020-01-01T00:00:00.000Z'").await;
    rig.work().await;
    assert_eq!(rig.rows(LEFT).await, Vec::<String>::new());
    assert_eq!(rig.show(&id).await["children_deleted"], 2500);
}

/// Node 1 with 1,500 children, one of which has 1,000 of its own.
async fn many(server: Server, resources: &str) -> Rig {
    let rig = rig(server, "(1, null)", resources).await;
    let numbers = |from: i32, to: i32, parent: i32| {
        format!(
            "with recursive n(i) as (select {from} union all select i + 1 from n where i < {to})
             insert into node (id, parent_id) select i, {parent} from n"
        )
    };
    rig.execute(&numbers(2, 1501, 1)).await;
    rig.execute(&numbers(2001, 3000, 700)).await;
    rig
}

async fn very_many_children_of_a_row_without_targets_go_through_the_ledger(server: Server) {
    let resource = RESOURCE.split("[[").next().unwrap();
    let children =
        RESOURCE[RESOURCE.find("[[resources.node.children]]").unwrap()..].replace("twin = \"goes_with_parent\"", "");
    let rig = many(server, &format!("{resource}{children}")).await;
    rig.execute("insert into node (id) values (5000)").await;
    let ids = rig.request("node", &["1", "5000"]).await;
    assert_eq!((rig.state(&ids[0]).await.as_str(), rig.state(&ids[1]).await.as_str()), ("pending", "completed"));
    assert_eq!(rig.rows("select count(*) from node where deleted_at is not null").await, ["2501"]);
    rig.work().await;
    assert_eq!(rig.rows(LEFT).await, Vec::<String>::new());
    assert_eq!(rig.show(&ids[0]).await["children_deleted"], 2500);
}

async fn circle_of_a_row_without_targets_goes_at_once(server: Server) {
    let resource = RESOURCE.split("[[").next().unwrap();
    let children =
        RESOURCE[RESOURCE.find("[[resources.node.children]]").unwrap()..].replace("twin = \"goes_with_parent\"", "");
    let rig = rig(server, "(1, null), (2, 1), (3, 2), (4, null)", &format!("{resource}{children}")).await;
    rig.execute("update node set parent_id = 3 where id = 1").await;
    let id = rig.request("node", &["2"]).await.remove(0);
    assert_eq!(rig.rows(LEFT).await, ["4"]);
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["children_deleted"]), (&"completed".into(), &2.into()));
}

async fn children_of_a_row_that_was_deleted_with_sql_go_as_well(server: Server) {
    let resources = RESOURCE
        .replace("references = \"id\"", "references = \"name\"\nscope = [\"calendar_id\"]")
        .replace("parent_id", "parent_name");
    server.execute("create table node (id bigint primary key, calendar_id text, name text, parent_name text, deleted_at TIME_TYPE)").await;
    let rig = Rig::with(server, "select 1", &resources).await;
    rig.execute("insert into node (id, calendar_id, name, parent_name) values (1, 'c', 'a', null), (2, 'c', 'b', 'a')")
        .await;
    let id = rig.request("node", &["1"]).await.remove(0);
    rig.execute("delete from node where id = 1").await;
    rig.work().await;
    assert_eq!(rig.rows(LEFT).await, Vec::<String>::new());
    let record = rig.show(&id).await;
    assert_eq!((&record["row_outcome"], &record["children_deleted"]), (&"already_gone".into(), &1.into()));
}

async fn dead_deletion_that_is_requested_anew_still_knows_its_children(server: Server) {
    let rig = rig(server, "(1, null), (2, 1)", RESOURCE).await;
    rig.api.script("/nodes/1", vec![sexton_tests::api::Answer::Status(400)]);
    rig.request("node", &["1"]).await;
    rig.work().await;
    // What is requested anew after a call is past restoring, so forget that there was one.
    rig.execute("update sexton_deletion set called_at = null").await;
    let again = rig.request("node", &["1"]).await.remove(0);
    assert_eq!(rig.rows("select deletion_id from sexton_child").await, std::slice::from_ref(&again));
    drop(rig.run(&["restore", &again]).await.expect_code(0));
    assert_eq!(rig.rows(LIVE).await, ["1", "2"]);
}

async fn parent_that_a_trigger_keeps_keeps_its_children(server: Server) {
    server.execute(NODE).await;
    let keep = if server.is_postgres() {
        "create function keep() returns trigger language plpgsql as 'begin return null; end';
         create trigger keep before delete on node for each row when (old.id = 1) execute function keep()"
    } else {
        "create trigger keep before delete on node when old.id = 1 begin select raise(ignore); end"
    };
    server.execute(keep).await;
    let rig = Rig::with(server, "select 1", RESOURCE).await;
    rig.execute("insert into node (id, parent_id) values (1, null), (2, 1), (3, null), (4, 3)").await;
    let ids = rig.request("node", &["1", "3"]).await;
    rig.work().await;
    assert_eq!(rig.state(&ids[0]).await, "dead: not_deleted");
    assert_eq!(rig.state(&ids[1]).await, "completed");
    assert_eq!(rig.rows(LEFT).await, ["1", "2"], "a family goes as a whole or not at all");
}

async fn boolean_in_json_references_no_row(server: Server) {
    let json = if server.is_postgres() { "jsonb" } else { "text" };
    let rule = "[[resources.node.children]]\ntable = \"alarm\"\njson = { column = \"data\", path = \"node\" }\n\
                references = \"id\"\nthen = \"delete\"\n";
    server
        .execute(&format!(
            "create table alarm (id bigint primary key, data {json});
             insert into alarm values (1, '{{\"node\": true}}'), (2, '{{\"node\": 1}}'), (3, '{{\"node\": [1]}}'),
                (4, '{{\"node\": null}}'), (5, '\"node\"'), (6, '{{\"node\": 1.0}}'), (7, '{{\"node\": \"1\"}}')"
        ))
        .await;
    let rig = rig(server, "(1, null)", &format!("{RESOURCE}{rule}")).await;
    if !rig.server.is_postgres() {
        rig.execute("insert into alarm values (0, '{\"node\": 1')").await;
    }
    rig.request("node", &["1"]).await;
    rig.work().await;
    let left = rig.rows("select id from alarm where id > 0 order by id").await;
    assert_eq!(left, ["1", "3", "4", "5", "6"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_locked_children_are_not_waited_for() {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    let rig = many(Server::postgres().await, RESOURCE).await;
    let id = rig.request("node", &["1"]).await.remove(0);
    let application = rig.server.connect().await;
    let holder = application.begin().await.unwrap();
    holder.execute_unprepared("select 1 from node where id <> 1 for update").await.unwrap();
    let daemon = rig.daemon().await;
    rig.until("select count(*) from sexton_deletion where last_error_kind = 'throttled'", "1").await;
    assert_eq!(rig.rows("select count(*) from node").await, ["2501"]);
    holder.rollback().await.unwrap();
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.show(&id).await["children_deleted"], 2500);
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_child_is_not_waited_for() {
    use sea_orm::{ConnectionTrait, TransactionTrait};
    let rig = rig(Server::postgres().await, "(1, null), (2, 1), (3, null), (4, 3)", RESOURCE).await;
    let ids = rig.request("node", &["1", "3"]).await;
    let application = rig.server.connect().await;
    let holder = application.begin().await.unwrap();
    holder.execute_unprepared("select 1 from node where id = 2 for update").await.unwrap();
    let daemon = rig.daemon().await;
    rig.until(&format!("select state from sexton_deletion_done where id = '{}'", ids[1]), "completed").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(rig.rows(LEFT).await, ["1", "2"]);
    // A lock costs no attempt: between two looks it has none.
    let snoozed = format!("select attempts from sexton_deletion where id = '{}' and state = 'pending'", ids[0]);
    rig.until(&snoozed, "0").await;
    holder.rollback().await.unwrap();
    assert_eq!(rig.settled(&ids[0]).await, "completed");
    drop(daemon);
}
