//! What only the newest PostgreSQL has (18): virtual generated columns, keys that are not enforced or temporal, and
//! `not null` constraints that are not valid.

use crate::rig::{RESOURCE, Rig, Server};

const USUAL: &str = "key = \"id\"\nmarker = { column = \"deleted_at\" }\n";

async fn open(tables: &str, resources: &str) -> Rig {
    let rig = Rig::with(Server::newest_postgres().await, tables, resources).await;
    assert_eq!(rig.one("select current_setting('server_version_num')::int >= 180000").await, "t");
    rig
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_is_deleted_with_its_twin() {
    let rig = open(crate::rig::BLOCK, RESOURCE).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1'), (2, 'c', 'g2')").await;
    drop(rig.run(&["check"]).await.expect_code(0));
    let id = rig.request_block().await;
    rig.execute("select sexton_soft_remove('block', '2')").await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    let mut calls = rig.calls();
    calls.sort();
    assert_eq!(calls, ["DELETE /calendars/c/events/g1", "DELETE /calendars/c/events/g2"]);
    assert_eq!(rig.rows("select count(*) from block").await, ["0"]);
}

/// A trigger's transition table has no values of them (`XX000: unexpected virtual generated column reference`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn virtual_columns_are_captured_also_by_guards() {
    let table = "create table block (id bigint primary key, calendar_id text, gcal_id text, original_id bigint,
        place text generated always as (calendar_id || '-' || gcal_id) virtual, kind text,
        sort text generated always as (upper(kind)) virtual, deleted_at timestamptz, gone_at timestamptz)";
    let when =
        "marker_when = [{ column = \"sort\", equals = \"T\", marker = { column = \"gone_at\" }, then = \"keep\" }]";
    let resource = RESOURCE
        .replace("{calendar_id}/events/{gcal_id}", "{place}/events/{sort}")
        .replace("[[resources.block.targets]]", &format!("{when}\n[[resources.block.targets]]"));
    let child = "[[resources.block.children]]\ntable = \"block\"\ncolumn = \"original_id\"\nreferences = \"id\"\n\
        then = \"delete\"\ntwin = \"goes_with_parent\"\n";
    let rig = open(table, &format!("{resource}{child}")).await;
    rig.execute("create index on block (original_id)").await;
    drop(rig.run(&["guard", "--all"]).await.expect_code(0));
    drop(rig.run(&["check"]).await.expect_code(0));
    let insert = "insert into block (id, calendar_id, gcal_id, kind, original_id)
        values (1, 'c', 'g', 't', null), (2, 'c', 'g', 't', null), (3, 'c', 'g', 't', 2)";
    rig.execute(insert).await;
    rig.request("block", &["1"]).await;
    rig.execute("delete from block where id > 1").await;
    let captured = "select key, payload ->> 'place', payload ->> 'sort' from sexton_deletion order by key";
    assert_eq!(rig.rows(captured).await, ["1|c-g|T", "2|c-g|T"]);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c-g/events/T"; 2]);
    let done = rig.rows("select key, row_outcome from sexton_deletion_done order by key").await;
    assert_eq!(done, ["1|kept", "2|already_gone"]);
}

/// The database neither refuses nor deletes for their sake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_keys_that_are_not_enforced_do_nothing() {
    for action in ["no action", "cascade"] {
        let tables = format!(
            "{}; create table photo (id bigint primary key, deleted_at timestamptz,
                block_id bigint references block (id) on delete {action} not enforced)",
            crate::rig::BLOCK
        );
        let photo = RESOURCE.replace("resources.block", "resources.photo").replace("\"block\"", "\"photo\"");
        let photo = photo.replace("{calendar_id}/events/{gcal_id}", "{id}");
        let rig = open(&tables, &format!("{RESOURCE}{photo}")).await;
        let checked = rig.run(&["check"]).await.expect_code(0).stderr;
        assert!(!checked.contains("references") && !checked.contains("CASCADE"), "{checked}");
        rig.execute(
            "insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1'); insert into photo values (7, null, 1)",
        )
        .await;
        let id = rig.request_block().await;
        rig.work().await;
        assert_eq!(rig.state(&id).await, "completed");
        assert_eq!(rig.rows("select id from photo").await, ["7"]);
        // And nothing is known of references by them.
        let by = "unreferenced = { by = [{ table = \"photo\", column = \"block_id\" }], since = \"deleted_at\", \
            hide_after = \"7d\", delete_after = \"14d\" }\nkey = \"id\"\n";
        rig.reconfigure(&format!("[resources.block]\ntable = \"block\"\n{by}"));
        let checked = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(checked.contains("is NOT ENFORCED"), "{checked}");
    }
}

/// A key of a row and a period names no row by its first part alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporal_keys_name_no_row() {
    let tables = "create extension btree_gist;
        create table room (id bigint, valid tstzrange, deleted_at timestamptz, primary key (id, valid without overlaps));
        create table stay (id bigint primary key, room_id bigint, valid tstzrange, deleted_at timestamptz,
            foreign key (room_id, period valid) references room (id, period valid))";
    let rig = open(tables, "").await;
    rig.reconfigure(&format!("[resources.room]\ntable = \"room\"\n{USUAL}"));
    let checked = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(checked.contains("(id) is not unique"), "{checked}");
    rig.reconfigure(
        "[resources.room]\ntable = \"room\"\nkey = [\"id\", \"valid\"]\nmarker = { column = \"deleted_at\" }",
    );
    let checked = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(checked.contains("`valid` is tstzrange"), "{checked}");
    // With a key of its own it is a table like any other, and the temporal foreign key refuses.
    rig.execute("alter table room add column number bigint unique").await;
    rig.reconfigure("[resources.room]\ntable = \"room\"\nkey = \"number\"\nmarker = { column = \"deleted_at\" }");
    let checked = rig.run(&["migrate"]).await.expect_code(0).stderr;
    assert_eq!(checked, "");
    let checked = rig.run(&["check"]).await.expect_code(0).stderr;
    assert!(checked.contains("`stay` references `room` by (room_id, valid)"), "{checked}");
    let by = "unreferenced = { by = [{ table = \"stay\", columns = [\"room_id\", \"valid\"] }], since = \"deleted_at\", \
        hide_after = \"7d\", delete_after = \"14d\" }\nkey = \"number\"\n";
    rig.reconfigure(&format!("[resources.room]\ntable = \"room\"\n{by}"));
    let checked = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(checked.contains("compares periods"), "{checked}");
}

/// Such a constraint refuses every null that is written, so that no row could be made live.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_null_that_is_not_valid_refuses_like_any_other() {
    let tables = "create table block (id bigint primary key, deleted_at timestamptz);
        insert into block values (1, null);
        alter table block add constraint given not null deleted_at not valid";
    let rig = open(tables, "").await;
    rig.reconfigure(&format!("[resources.block]\ntable = \"block\"\n{USUAL}"));
    let checked = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(checked.contains("`deleted_at` is NOT NULL"), "{checked}");
}
