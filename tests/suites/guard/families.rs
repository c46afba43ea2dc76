//! Parents and children whose twins go together, deleted without a request: one deletion, one call.

use super::{OPEN, Rig, Server, guarded, on_both};

on_both!(
    rows_that_a_foreign_key_deletes_go_with_their_parent,
    parents_may_be_deleted_before_their_children,
    children_may_be_deleted_before_their_parents,
    many_parents_have_a_deletion_each,
    child_that_is_deleted_alone_has_a_deletion_of_its_own,
    child_of_a_parent_that_is_back_has_a_deletion_of_its_own,
    children_of_a_parent_that_was_requested_go_with_it,
    rows_of_one_table_go_with_their_parents,
    rows_in_a_circle_keep_a_deletion,
);

const TABLES: &str =
    "create table block (id bigint primary key, original_id bigint, gcal_id text, deleted_at TIME_TYPE);
    create table exception (
        id bigint primary key,
        block_id bigint references block (id) on delete cascade deferrable initially deferred,
        gcal_id text, deleted_at TIME_TYPE);
    create table remark (
        id bigint primary key, exception_id bigint references exception (id) on delete cascade, deleted_at TIME_TYPE);
    create index exception_block on exception (block_id);
    create index remark_exception on remark (exception_id);
    create index block_original on block (original_id)";

/// Exceptions by the key of their blocks, remarks by it and another column, blocks by the event.
const RESOURCES: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }
[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "@API@/blocks/{id}"
allow_private = true
[[resources.block.children]]
table = "exception"
column = "block_id"
references = "id"
then = "delete"
twin = "goes_with_parent"
[[resources.block.children]]
table = "block"
column = "original_id"
references = "id"
then = "delete"
twin = "goes_with_parent"

[resources.exception]
table = "exception"
key = "id"
marker = { column = "deleted_at" }
[[resources.exception.targets]]
name = "calendar"
kind = "http"
url = "@API@/exceptions/{id}"
allow_private = true
[[resources.exception.children]]
table = "remark"
column = "exception_id"
references = "id"
then = "delete"
twin = "goes_with_parent"

[resources.remark]
table = "remark"
key = "id"
marker = { column = "deleted_at" }
[[resources.remark.targets]]
name = "calendar"
kind = "http"
url = "@API@/remarks/{id}"
allow_private = true
"#;

/// Blocks 1 to 3, each with 20 exceptions (1 to 20, 21 to 40, ...), each of which has a remark of the same number.
async fn family(server: Server) -> Rig {
    let rig = guarded(Rig::with(server, TABLES, RESOURCES).await).await;
    let numbers = "with recursive n (n) as (select 1 union all select n + 1 from n where n < 60)";
    rig.execute(&format!(
        "insert into block (id) values (1), (2), (3);
         insert into exception (id, block_id) {numbers} select n, (n + 19) / 20 from n;
         insert into remark (id, exception_id) {numbers} select n, n from n"
    ))
    .await;
    rig
}

const ALL: &str = "select resource || ' ' || key from sexton_deletion order by 1";

async fn rows_that_a_foreign_key_deletes_go_with_their_parent(server: Server) {
    let rig = family(server).await;
    rig.execute("delete from block where id = 1").await;
    assert_eq!(rig.rows("select count(*) from exception").await, ["40"]);
    assert_eq!(rig.rows(ALL).await, ["block 1"]);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /blocks/1"]);
}

/// As Django does, in batches.
async fn parents_may_be_deleted_before_their_children(server: Server) {
    let table = "references block (id) on delete cascade deferrable initially deferred";
    let (tables, three_levels) = (TABLES.replace(table, ""), server.is_postgres());
    let tables = tables.replace("references exception (id) on delete cascade", "");
    let rig = guarded(Rig::with(server, &tables, RESOURCES).await).await;
    rig.execute(
        "insert into block (id) values (1); insert into exception (id, block_id) values (1, 1), (2, 1), (3, 1), (4, null);
         insert into remark (id, exception_id) values (1, 1), (2, 2), (4, 4)",
    )
    .await;
    rig.execute(
        "begin; delete from block where id = 1; delete from exception where id <= 2; delete from exception where id = 3; commit",
    )
    .await;
    assert_eq!(rig.rows(ALL).await, ["block 1"]);
    if three_levels {
        rig.execute(
            "insert into block (id) values (2); insert into exception (id, block_id) values (5, 2);
             insert into remark (id, exception_id) values (5, 5);
             begin; delete from block where id = 2; delete from exception where id = 5; delete from remark where id = 5; commit",
        )
        .await;
        assert_eq!(rig.rows(ALL).await, ["block 1", "block 2"]);
    }
}

async fn children_may_be_deleted_before_their_parents(server: Server) {
    let rig = family(server).await;
    rig.execute(
        "begin; delete from remark where exception_id <= 20; delete from exception where block_id = 1 and id <= 10;
         delete from exception where block_id = 1; delete from block where id = 1; commit",
    )
    .await;
    assert_eq!(rig.rows(ALL).await, ["block 1"]);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /blocks/1"]);
}

async fn many_parents_have_a_deletion_each(server: Server) {
    let rig = family(server).await;
    rig.execute("delete from block").await;
    assert_eq!(rig.rows("select count(*) from remark").await, ["0"]);
    assert_eq!(rig.rows(ALL).await, ["block 1", "block 2", "block 3"]);
}

async fn child_that_is_deleted_alone_has_a_deletion_of_its_own(server: Server) {
    let rig = family(server).await;
    rig.execute("delete from exception where id in (1, 2)").await;
    assert_eq!(rig.rows(ALL).await, ["exception 1", "exception 2"]);
    rig.work().await;
    assert_eq!(rig.calls().len(), 2);
    if rig.server.is_postgres() {
        // And keeps it: the parent may come back without it. SQLite cannot tell these transactions from one.
        rig.execute("delete from exception where id = 3").await;
        rig.execute("delete from block where id = 1").await;
        assert_eq!(rig.rows(ALL).await, ["block 1", "exception 3"]);
        rig.execute("begin; savepoint s; delete from block where id = 2; rollback to s; delete from exception where id = 21; commit")
            .await;
        assert_eq!(rig.rows(ALL).await, ["block 1", "exception 21", "exception 3"]);
    }
}

async fn child_of_a_parent_that_is_back_has_a_deletion_of_its_own(server: Server) {
    let rig = family(server).await;
    rig.execute(
        "begin; delete from block where id = 1; insert into block (id) values (1);
         insert into exception (id, block_id) values (99, 1); delete from exception where id = 99; commit",
    )
    .await;
    assert_eq!(rig.rows(ALL).await, ["block 1", "exception 99"]);
}

async fn children_of_a_parent_that_was_requested_go_with_it(server: Server) {
    let rig = family(server).await;
    drop(rig.run(&["request", "block", "1", "--after", "1h"]).await.expect_code(0));
    rig.execute("delete from block where id = 1").await;
    assert_eq!(rig.rows(ALL).await, ["block 1"]);
}

async fn rows_of_one_table_go_with_their_parents(server: Server) {
    for cascades in [true, false] {
        let key = if cascades {
            "original_id bigint references block (id) on delete cascade,"
        } else {
            "original_id bigint,"
        };
        let server = if server.is_postgres() { Server::postgres().await } else { Server::sqlite().await };
        let tables = TABLES.replace("original_id bigint,", key);
        let rig = guarded(Rig::with(server, &tables, RESOURCES).await).await;
        let insert =
            "insert into block (id, original_id) values (1, null), (2, 1), (3, 2), (4, 3), (5, null), (6, 5), (7, 1)";
        rig.execute(insert).await;
        rig.execute(if cascades {
            "delete from block where id = 1"
        } else if rig.server.is_postgres() {
            "delete from block where id in (4, 7, 2, 1, 3)"
        } else {
            "begin; delete from block where id in (4, 7); delete from block where id = 3; delete from block where id = 2;
             delete from block where id = 1; commit"
        })
        .await;
        assert_eq!(rig.rows(ALL).await, ["block 1"], "{cascades}");
        rig.execute("delete from block where id = 6").await;
        assert_eq!(rig.rows(ALL).await, ["block 1", "block 6"], "{cascades}");
    }
}

/// Not one may be lost: that all of them name another is no deletion of any.
async fn rows_in_a_circle_keep_a_deletion(server: Server) {
    let rig = guarded(Rig::with(server, TABLES, RESOURCES).await).await;
    let insert = "insert into block (id, original_id) values (1, 2), (2, 1), (3, 3)";
    rig.execute(&format!("{insert}; delete from block")).await;
    let open = rig.rows(OPEN).await;
    assert!(open.contains(&"3".to_owned()) && open.len() >= 2, "{open:?}");
    rig.execute(&format!("delete from sexton_deletion; {insert}")).await;
    rig.execute(
        "begin; delete from block where id = 1; delete from block where id = 2; delete from block where id = 3; commit",
    )
    .await;
    let open = rig.rows(OPEN).await;
    assert!(open.contains(&"3".to_owned()) && open.len() >= 2, "{open:?}");
}
