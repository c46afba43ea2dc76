//! Families of more rows than one transaction should delete: long chains, many leaves, circles.

use sexton_tests::{PATIENCE, Sexton};

use crate::rig::{Rig, Server, config, on_both};

on_both!(circle_of_more_rows_than_one_part_goes_as_a_whole);

const NODE: &str = "create table node (id bigint primary key, calendar_id text, parent_id bigint references node (id),
    name text, kind text default 'k', deleted_at TIME_TYPE);
    create index node_parent on node (parent_id); create index node_name on node (name);";

const RESOURCE: &str = r#"
[resources.node]
table = "node"
key = "id"
marker = { column = "deleted_at" }
[[resources.node.targets]]
name = "calendar"
kind = "http"
url = "@API@/nodes/{id}"
allow_private = true
[[resources.node.children]]
table = "node"
column = "parent_id"
references = "id"
then = "delete"
twin = "goes_with_parent"
"#;

/// A row is also a child of those whose calendar is its name.
const BY_NAME: &str = r#"
[[resources.node.children]]
table = "node"
column = "name"
references = "calendar_id"
scope = ["kind"]
then = "delete"
twin = "goes_with_parent"
"#;

/// Nodes 1 to `n`; the parent of each but the first is `parent` (SQL on its number `i`).
async fn family(server: Server, n: usize, parent: &str, resources: &str) -> Rig {
    let rig = Rig::with(server, NODE, resources).await;
    rig.execute(&format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {n})
         insert into node (id, parent_id) select i, case when i > 1 then {parent} end from n"
    ))
    .await;
    rig
}

/// Works off what is due, and says how often the table was looked into for it (PostgreSQL).
async fn looks_for_work(rig: &Rig) -> usize {
    // What a session read is reported when it ends.
    rig.execute("select pg_stat_reset()").await;
    let settings = config(rig.server.url(), &rig.api, RESOURCE);
    drop(Sexton::new(&settings).run_within(PATIENCE * 4, &["run", "--until-idle"]).await.expect_code(0));
    assert_eq!(rig.rows("select count(*) from node").await, ["0"]);
    rig.one("select idx_scan + seq_scan from pg_stat_user_tables where relname = 'node'").await.parse().unwrap()
}

async fn looks_for_family(rows: usize, parent: &str) -> usize {
    let rig = family(Server::postgres().await, rows, parent, RESOURCE).await;
    rig.request("node", &["1"]).await;
    looks_for_work(&rig).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chain_costs_the_same_for_each_row_however_long_it_is() {
    let (short, long) = (looks_for_family(1100, "i - 1").await, looks_for_family(2200, "i - 1").await);
    assert!(long < 3 * short && long < 20 * 2200, "{short} for 1,100 rows, {long} for 2,200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_of_a_chain_cost_the_same_for_each_row() {
    // A chain of 300 rows, each with ten leaves.
    let looks = looks_for_family(3300, "case when i <= 300 then i - 1 else i % 300 + 1 end").await;
    assert!(looks < 20 * 3300, "{looks} for 3,300 rows");
}

async fn circle_of_more_rows_than_one_part_goes_as_a_whole(server: Server) {
    let rig = family(server, 1200, "i - 1", RESOURCE).await;
    // Below the circle there is a chain, and beside it there are leaves.
    rig.execute("update node set parent_id = 1100 where id = 1").await;
    rig.execute("update node set parent_id = 5 where id > 1150").await;
    let id = rig.request("node", &["1"]).await.remove(0);
    rig.work().await;
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["children_deleted"]), (&"completed".into(), &1199.into()), "{record}");
    assert_eq!(rig.rows("select count(*) from node").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circle_of_too_many_rows_is_dead_and_named() {
    // A tree of which each row has ten children; its root is a child of each leaf.
    let rig = family(Server::postgres().await, 10_500, "(i + 8) / 10", &format!("{RESOURCE}{BY_NAME}")).await;
    rig.execute(
        "update node set calendar_id = 'x' where not exists (select 1 from node c where c.parent_id = node.id)",
    )
    .await;
    rig.execute("update node set name = 'x' where id = 1; analyze node").await;
    let id = rig.request("node", &["1"]).await.remove(0);
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: referenced");
    let error = rig.show(&id).await["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("more than 10000 of its children reference each other in a circle"), "{error}");
    assert_eq!(rig.rows("select count(*) from node").await, ["10500"]);
    // Once the circle is broken the rows go in parts.
    rig.execute("update node set name = null where id = 1").await;
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
}

/// Comments of a post that reply to each other are children of the post and of each other, and yet no circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn siblings_that_name_each_other_are_no_circle() {
    let rig = family(Server::postgres().await, 22_001, "1", &format!("{RESOURCE}{BY_NAME}")).await;
    rig.execute(
        "update node set calendar_id = 'c' || id where id % 2 = 0;
         update node set name = 'c' || (id - 1) where id % 2 = 1 and id > 1; analyze node",
    )
    .await;
    let id = rig.request("node", &["1"]).await.remove(0);
    rig.work().await;
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["children_deleted"]), (&"completed".into(), &22_000.into()), "{record}");
    assert_eq!(rig.rows("select count(*) from node").await, ["0"]);
}
