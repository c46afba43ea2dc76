//! Rows that Sexton itself deletes are not recorded; rows that others delete in the same transaction are.

use sea_orm::ConnectionTrait;
use sexton_core::{
    config,
    db::Db,
    ledger::Ledger,
    soft_remove::{DeletionRequest, soft_remove},
    store::Store,
};

use super::{OPEN, RESOURCE, Rig, Server, blocks, guarded, on_both};

on_both!(
    row_that_sexton_deletes_is_recorded_once,
    children_that_go_with_their_parent_are_not_recorded,
    very_many_children_are_not_recorded,
    row_deleted_at_once_and_its_children_are_not_recorded_but_what_the_caller_deletes_is,
    row_deleted_through_another_resource_is_not_recorded,
    row_that_a_trigger_of_the_application_deletes_along_is_recorded,
    rows_deleted_by_a_cascade_below_our_delete_are_not_recorded,
);

async fn row_that_sexton_deletes_is_recorded_once(server: Server) {
    let rig = blocks(server, 2).await;
    let ids = rig.request("block", &["1", "2"]).await;
    rig.work().await;
    assert_eq!(rig.show(&ids[0]).await["row_outcome"], "deleted");
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion_done").await, ["2"]);
    assert_eq!(rig.calls().len(), 2);
    // And nothing of ours outlives its transaction.
    rig.execute("insert into block (id, calendar_id, gcal_id) values (3, 'c', 'g3'); delete from block").await;
    assert_eq!(rig.rows(OPEN).await, ["3"]);
}

const FAMILY: &str = "create table node (id bigint primary key, parent_id bigint, name text, deleted_at TIME_TYPE);
    create index node_parent on node (parent_id);
    create table room (name text primary key, removed_at TIME_TYPE)";

const NODE: &str = r#"
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

[resources.room]
table = "room"
key = "name"
marker = { column = "removed_at" }
[[resources.room.children]]
table = "node"
column = "name"
references = "name"
then = "delete"
twin = "goes_with_parent"
"#;

async fn children_that_go_with_their_parent_are_not_recorded(server: Server) {
    let rig = guarded(Rig::with(server, FAMILY, NODE).await).await;
    rig.execute("insert into node (id, parent_id) values (1, null), (2, 1), (4, null), (5, 4)").await;
    let id = rig.request("node", &["1"]).await.remove(0);
    // One that is not marked, and a circle.
    rig.execute("insert into node (id, parent_id) values (3, 2)").await;
    rig.execute("update node set parent_id = 5 where id = 4").await;
    rig.request("node", &["4"]).await;
    rig.work().await;
    assert_eq!(rig.rows("select count(*) from node").await, ["0"]);
    assert_eq!(rig.show(&id).await["children_deleted"], 2);
    assert_eq!(
        rig.rows("select key from sexton_deletion union all select key from sexton_deletion_done order by key").await,
        ["1", "4"]
    );
    assert_eq!(rig.calls().len(), 2);
}

async fn very_many_children_are_not_recorded(server: Server) {
    let rig = guarded(Rig::with(server, FAMILY, NODE).await).await;
    rig.execute("insert into node (id, parent_id) values (1, null)").await;
    let id = rig.request("node", &["1"]).await.remove(0);
    rig.execute(
        "insert into node (id, parent_id)
         with recursive n (n) as (select 2 union all select n + 1 from n where n < 1102) select n, 1 from n",
    )
    .await;
    rig.work().await;
    assert_eq!(rig.rows("select count(*) from node").await, ["0"]);
    assert_eq!(rig.show(&id).await["children_deleted"], 1101);
    assert_eq!(rig.rows("select count(*) from sexton_deletion_done").await, ["1"]);
    assert_eq!(rig.rows(OPEN).await, [""; 0]);
}

async fn row_deleted_at_once_and_its_children_are_not_recorded_but_what_the_caller_deletes_is(server: Server) {
    let rig = guarded(Rig::with(server, FAMILY, NODE).await).await;
    rig.execute(
        "insert into room (name) values ('blue'); insert into node (id, name) values (1, 'blue'), (2, null), (3, null)",
    )
    .await;
    let config = config::load(&rig.sexton.dir().join("sexton.toml")).unwrap();
    let db = Db::of_application(rig.server.connect().await).await.unwrap();
    let ledger = Ledger::open(&db).await.unwrap();
    let store = Store::load(db, ledger, &config).await.unwrap();
    let table = store.catalog.by_name("room").unwrap();
    let transaction = store.db.begin().await.unwrap();
    transaction.execute_unprepared("delete from node where id = 2").await.unwrap();
    let key = table.parse_key("blue").unwrap();
    let request = DeletionRequest::by("the application");
    drop(soft_remove(&transaction, &store, table, &[key], &request).await.unwrap());
    transaction.execute_unprepared("delete from node where id = 3").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(rig.rows("select (select count(*) from room) + (select count(*) from node)").await, ["0"]);
    assert_eq!(rig.rows("select key, children_deleted from sexton_deletion_done").await, ["blue|1"]);
    assert_eq!(rig.rows(OPEN).await, ["2", "3"]);
}

async fn row_deleted_through_another_resource_is_not_recorded(server: Server) {
    let plain = "[resources.plain]\ntable = \"block\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\n";
    let other = RESOURCE.replace("resources.block", "resources.other").replace("/calendars/", "/others/");
    let rig = guarded(Rig::blocks_with(server, 4, &format!("{plain}{other}{RESOURCE}")).await).await;
    rig.request("plain", &["1"]).await;
    rig.request("block", &["2"]).await;
    if rig.server.is_postgres() {
        rig.execute("select sexton_soft_remove('plain', '3')").await;
    }
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g2"]);
    rig.execute("delete from block where id = 4").await;
    let recorded = rig.rows("select resource, key from sexton_deletion order by resource").await;
    assert_eq!(recorded, ["block|4", "other|4"]);
}

async fn row_that_a_trigger_of_the_application_deletes_along_is_recorded(server: Server) {
    let photo = RESOURCE.replace("resources.block", "resources.photo").replace("\"block\"", "\"photo\"");
    let photo = photo.replace("/calendars/{calendar_id}/events/{gcal_id}", "/photos/{id}");
    let tables = format!(
        "{}; create table photo (id bigint primary key, block_id bigint, deleted_at TIME_TYPE)",
        crate::rig::BLOCK
    );
    let rig = guarded(Rig::with(server, &tables, &format!("{RESOURCE}{photo}")).await).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1'); insert into photo values (7, 1, null), (8, 2, null)")
        .await;
    rig.execute(if rig.server.is_postgres() {
        "create function along() returns trigger language plpgsql as $$ begin delete from public.photo where block_id = old.id; return null; end $$;
         create trigger along after delete on block for each row execute function along()"
    } else {
        "create trigger along after delete on block begin delete from photo where block_id = old.id; end"
    })
    .await;
    rig.request("block", &["1"]).await;
    rig.work().await;
    rig.work().await;
    assert_eq!(rig.rows("select id from photo").await, ["8"]);
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1", "DELETE /photos/7"]);
}

/// The foreign key deletes, in a statement of its own below ours, also where nothing is left to it.
async fn rows_deleted_by_a_cascade_below_our_delete_are_not_recorded(server: Server) {
    let family = FAMILY.replace("parent_id bigint,", "parent_id bigint references node (id) on delete cascade,");
    let rig = guarded(Rig::with(server, &family, NODE).await).await;
    rig.execute("insert into node (id, parent_id) values (1, null), (2, 1), (3, 2), (4, null), (5, null)").await;
    rig.request("node", &["1"]).await;
    rig.work().await;
    assert_eq!(rig.rows("select id from node order by id").await, ["4", "5"]);
    assert_eq!(rig.rows("select key from sexton_deletion_done order by key").await, ["1"]);
    assert_eq!(rig.rows(OPEN).await, Vec::<String>::new());
    if rig.server.is_postgres() {
        rig.execute("begin; set local sexton.deleting = '0'; delete from node where id = 4; commit").await;
        assert_eq!(rig.rows(OPEN).await, Vec::<String>::new(), "on purpose");
    }
    rig.execute("delete from node where id = 5").await;
    assert_eq!(rig.rows(OPEN).await, ["5"]);
}
