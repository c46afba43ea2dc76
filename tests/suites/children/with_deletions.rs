//! `then = "request"`: each child has a deletion of its own, which ends before the parent's targets are called.

use sexton_tests::api::{Answer, Gate};

use crate::rig::{PATIENCE, Rig, Server, on_both};

on_both!(
    children_are_called_for_before_their_parent,
    parent_dies_with_a_child_and_is_retried_with_it,
    parent_that_died_of_its_child_is_retried_with_the_child,
    child_that_arrives_before_the_parent_is_called_goes_first,
    child_that_arrives_while_the_parent_is_called_goes_before_its_row,
    restore_of_the_parent_restores_the_children_that_went_with_it,
    restore_of_the_parent_leaves_a_child_that_was_requested_before,
    parent_is_past_restoring_once_a_child_was_called,
    child_alone_is_not_restored_while_its_parent_waits,
    child_is_not_called_while_its_parent_can_be_restored,
    circle_of_deletions_does_not_wait_for_itself,
    circle_that_came_apart_and_went_behind_our_back_is_worked_off,
    two_parents_wait_for_the_same_child,
    discarded_child_is_not_asked_again_and_keeps_its_parent_if_it_must,
    kept_child_is_waited_for_once,
    grandchildren_below_a_row_that_goes_along_come_first,
    discarded_child_that_is_requested_anew_is_waited_for,
    late_grandchild_below_a_row_that_goes_along_comes_first,
    late_grandchild_below_very_many_rows_that_go_along_comes_first,
);

const TABLES: &str = "
    create table album (id bigint primary key, buddy bigint, deleted_at TIME_TYPE);
    create table photo (id bigint primary key, album_id bigint references album (id), deleted_at TIME_TYPE);
    create table print (id bigint primary key, photo_id bigint references photo (id), deleted_at TIME_TYPE);
    insert into album (id) values (1), (2);
    insert into photo (id, album_id) values (11, 1), (12, 1), (21, 2);
    insert into print (id, photo_id) values (111, 11);";

const RESOURCES: &str = r#"
[resources.album]
table = "album"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "store", kind = "http", url = "@API@/albums/{id}", timeout = "2s", allow_private = true }]
[[resources.album.children]]
table = "photo"
column = "album_id"
references = "id"
then = "request"

[resources.photo]
table = "photo"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "store", kind = "http", url = "@API@/photos/{id}", timeout = "2s", allow_private = true }]
[[resources.photo.children]]
table = "print"
column = "photo_id"
references = "id"
then = "request"

[resources.print]
table = "print"
key = "id"
marker = { column = "deleted_at" }
targets = [{ name = "store", kind = "http", url = "@API@/prints/{id}", timeout = "2s", allow_private = true }]
"#;

const STATES: &str = "select resource, key, state from sexton_deletion order by key";
const LIVE: &str = "select id from album where deleted_at is null union select id from photo where deleted_at is null
    union select id from print where deleted_at is null order by id";

async fn rig(server: Server) -> Rig {
    Rig::with(server, TABLES, RESOURCES).await
}

async fn album(rig: &Rig) -> String {
    rig.request("album", &["1"]).await.remove(0)
}

async fn children_are_called_for_before_their_parent(server: Server) {
    let rig = rig(server).await;
    let id = album(&rig).await;
    assert_eq!(
        rig.rows(STATES).await,
        ["album|1|waiting", "photo|11|waiting", "print|111|pending", "photo|12|pending"]
    );
    assert_eq!(rig.rows("select count(distinct batch_id) from sexton_deletion").await, ["1"]);
    rig.work().await;
    assert_eq!(rig.rows(LIVE).await, ["2", "21"]);
    let calls = rig.calls();
    let place = |path: &str| calls.iter().position(|call| call == &format!("DELETE {path}")).unwrap();
    assert!(place("/prints/111") < place("/photos/11"), "{calls:?}");
    assert!(place("/photos/11").max(place("/photos/12")) < place("/albums/1"), "{calls:?}");
    assert_eq!(calls.len(), 4);
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.show(&id).await["attempts"], 1);
    assert_eq!(rig.rows("select count(*) from sexton_wait").await, ["0"]);
}

async fn parent_dies_with_a_child_and_is_retried_with_it(server: Server) {
    let rig = rig(server).await;
    rig.api.script("/prints/111", vec![Answer::Status(400)]);
    let id = album(&rig).await;
    rig.work().await;
    let dead = "select resource, key, dead_kind from sexton_deletion order by key";
    assert_eq!(rig.rows(dead).await, ["album|1|child_dead", "photo|11|child_dead", "print|111|rejected"]);
    assert!(rig.show(&id).await["last_error"].as_str().unwrap().contains("photo"), "it names the child");
    let print = rig.one("select id from sexton_deletion where key = '111'").await;
    drop(rig.run(&["dlq", "retry", &print]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.rows(LIVE).await, ["2", "21"]);
    assert_eq!(rig.rows(STATES).await, Vec::<String>::new());
}

async fn parent_that_died_of_its_child_is_retried_with_the_child(server: Server) {
    let rig = rig(server).await;
    rig.api.script("/prints/111", vec![Answer::Status(400)]);
    let id = album(&rig).await;
    rig.work().await;
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.rows(STATES).await, Vec::<String>::new());
}

async fn child_that_arrives_before_the_parent_is_called_goes_first(server: Server) {
    let rig = rig(server).await;
    let id = album(&rig).await;
    rig.execute("insert into photo (id, album_id) values (13, 1)").await;
    rig.work().await;
    let calls = rig.calls();
    assert_eq!(calls.last().unwrap(), "DELETE /albums/1");
    assert!(calls.contains(&"DELETE /photos/13".to_owned()), "{calls:?}");
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.rows("select count(distinct batch_id) from sexton_deletion_done").await, ["1"]);
}

async fn child_that_arrives_while_the_parent_is_called_goes_before_its_row(server: Server) {
    let rig = rig(server).await;
    let gate = Gate::new();
    rig.api.script("/albums/1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let id = album(&rig).await;
    let daemon = rig.daemon().await;
    rig.api
        .wait_until("the album is called for", PATIENCE, |calls| calls.iter().any(|c| c.path() == "/albums/1"))
        .await;
    rig.execute("insert into photo (id, album_id) values (13, 1)").await;
    gate.open();
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.rows(LIVE).await, ["2", "21"]);
    let calls = rig.calls();
    assert_eq!(calls.iter().filter(|call| *call == "DELETE /albums/1").count(), 1, "its confirmation still holds");
    assert!(calls.contains(&"DELETE /photos/13".to_owned()), "{calls:?}");
    drop(daemon);
}

async fn restore_of_the_parent_restores_the_children_that_went_with_it(server: Server) {
    let rig = rig(server).await;
    let id = album(&rig).await;
    let restored = rig.json(&["restore", &id, "--json"]).await;
    let keys: Vec<_> = restored.iter().map(|line| line["key"].as_str().unwrap()).collect();
    assert_eq!((restored.len(), keys[0]), (4, "1"), "{restored:?}");
    assert_eq!(rig.rows(LIVE).await, ["1", "2", "11", "12", "21", "111"]);
    assert_eq!(rig.rows(STATES).await, Vec::<String>::new());
    rig.work().await;
    assert_eq!(rig.calls(), Vec::<String>::new());
}

async fn restore_of_the_parent_leaves_a_child_that_was_requested_before(server: Server) {
    let rig = rig(server).await;
    rig.request("photo", &["12"]).await;
    let id = album(&rig).await;
    drop(rig.run(&["restore", &id]).await.expect_code(0));
    assert_eq!(rig.rows(LIVE).await, ["1", "2", "11", "21", "111"]);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /photos/12"]);
}

async fn parent_is_past_restoring_once_a_child_was_called(server: Server) {
    let rig = rig(server).await;
    rig.api.script("/photos/12", vec![Answer::Status(400)]);
    let id = album(&rig).await;
    rig.execute("update sexton_deletion set run_at = '2100-01-01T00:00:00.000Z' where key in ('111', '11')").await;
    let daemon = rig.daemon().await;
    rig.until("select state from sexton_deletion where key = '12'", "dead").await;
    rig.until("select state from sexton_deletion where key = '1'", "dead").await;
    drop(daemon);
    let refused = rig.run(&["restore", &id]).await.expect_code(3);
    assert!(refused.stderr.contains("it is dead"), "{}", refused.stderr);
    assert_eq!(rig.rows(LIVE).await, ["2", "21"], "all or nothing");
}

async fn child_alone_is_not_restored_while_its_parent_waits(server: Server) {
    let rig = rig(server).await;
    let id = album(&rig).await;
    let refused = rig.run(&["restore", "photo", "12"]).await.expect_code(3);
    assert!(refused.stderr.contains(&id), "it says which deletion to restore: {}", refused.stderr);
    // With its whole request it is.
    drop(rig.run(&["restore", "photo", "12", "--batch"]).await.expect_code(0));
    assert_eq!(rig.rows(LIVE).await, ["1", "2", "11", "12", "21", "111"]);
}

async fn child_is_not_called_while_its_parent_can_be_restored(server: Server) {
    let rig = Rig::with(server, TABLES, &RESOURCES.replacen("key = \"id\"", "key = \"id\"\ngrace = \"1h\"", 1)).await;
    let id = album(&rig).await;
    rig.work().await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "not even the grandchild is");
    drop(rig.run(&["restore", &id]).await.expect_code(0));
    assert_eq!(rig.rows(LIVE).await, ["1", "2", "11", "12", "21", "111"]);
}

async fn circle_of_deletions_does_not_wait_for_itself(server: Server) {
    let circle = r#"
[[resources.album.children]]
table = "album"
column = "buddy"
references = "id"
then = "request"
"#;
    let rig =
        Rig::with(server, TABLES, &RESOURCES.replace("[resources.photo]", &format!("{circle}\n[resources.photo]")))
            .await;
    rig.execute("insert into album (id, buddy) values (3, 1), (4, 4)").await;
    rig.execute("update album set buddy = 3 where id = 1").await;
    let id = album(&rig).await;
    rig.request("album", &["4"]).await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.rows(LIVE).await, ["2", "21"]);
    assert_eq!(rig.calls().last().unwrap(), "DELETE /albums/1");
}

async fn circle_that_came_apart_and_went_behind_our_back_is_worked_off(server: Server) {
    let past = if server.is_postgres() { "now()" } else { "'2020-01-01T00:00:00.000Z'" };
    let circle = r#"
[[resources.album.children]]
table = "album"
column = "buddy"
references = "id"
then = "request"
"#;
    let resources = RESOURCES.replace("[resources.photo]", &format!("{circle}\n[resources.photo]"));
    let rig = Rig::with(server, TABLES, &resources).await;
    rig.execute("insert into album (id, buddy) values (3, 4), (4, 3)").await;
    drop(rig.run(&["request", "album", "4", "--after", "1h"]).await.expect_code(0));
    rig.execute("update album set buddy = 99 where id = 3").await;
    let ids = rig.request("album", &["3", "4"]).await;
    rig.execute("delete from album where id in (3, 4)").await;
    rig.execute(&format!("update sexton_deletion set run_at = {past}")).await;
    rig.work().await;
    assert_eq!((rig.state(&ids[0]).await.as_str(), rig.state(&ids[1]).await.as_str()), ("completed", "completed"));
    assert_eq!(rig.rows("select count(*) from sexton_wait").await, ["0"]);
}

async fn two_parents_wait_for_the_same_child(server: Server) {
    let second = r#"
[[resources.album.children]]
table = "photo"
column = "id"
references = "buddy"
scope = []
then = "request"
"#;
    let resources = RESOURCES.replace("[resources.photo]", &format!("{second}\n[resources.photo]"));
    let tables = format!("{TABLES} create unique index album_buddy on album (buddy);");
    let rig = Rig::with(server, &tables, &resources).await;
    rig.execute("update album set buddy = 12 where id = 2").await;
    let first = album(&rig).await;
    let second = rig.request("album", &["2"]).await.remove(0);
    rig.api.script("/photos/12", vec![Answer::Status(500), Answer::Status(500)]);
    rig.work().await;
    assert_eq!((rig.state(&first).await.as_str(), rig.state(&second).await.as_str()), ("completed", "completed"));
    let calls = rig.calls();
    let last = |path: &str| calls.iter().rposition(|call| call == &format!("DELETE {path}")).unwrap();
    assert!(last("/photos/12") < last("/albums/1") && last("/photos/12") < last("/albums/2"), "{calls:?}");
}

async fn discarded_child_is_not_asked_again_and_keeps_its_parent_if_it_must(server: Server) {
    let rig = rig(server).await;
    rig.api.script("/photos/12", vec![Answer::Status(400)]);
    let id = album(&rig).await;
    rig.work().await;
    let photo = rig.one("select id from sexton_deletion where key = '12'").await;
    drop(rig.run(&["dlq", "discard", &photo, "--reason", "the store lost it"]).await.expect_code(0));
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: referenced", "its row is still there, and names the album");
    assert_eq!(rig.calls().iter().filter(|call| *call == "DELETE /photos/12").count(), 1);
    rig.execute("delete from photo where id = 12").await;
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
}

async fn kept_child_is_waited_for_once(server: Server) {
    // Also when only a hash of its key is kept.
    let kept = RESOURCES.replace("[resources.photo]\n", "[resources.photo]\nthen = \"keep\"\nhash_key = true\n");
    let tables = TABLES.replace("album_id bigint references album (id)", "album_id bigint");
    let rig = Rig::with(server, &tables, &kept).await;
    let id = album(&rig).await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.rows("select id from photo order by id").await, ["11", "12", "21"]);
    assert_eq!(rig.calls().len(), 4);
}

async fn grandchildren_below_a_row_that_goes_along_come_first(server: Server) {
    let along = RESOURCES.replacen("then = \"request\"", "then = \"delete\"\ntwin = \"goes_with_parent\"", 1);
    let rig = Rig::with(server, TABLES, &along).await;
    let id = album(&rig).await;
    assert_eq!(rig.rows(STATES).await, ["album|1|waiting", "print|111|pending"]);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /prints/111", "DELETE /albums/1"]);
    assert_eq!(rig.show(&id).await["children_deleted"], 2);
    assert_eq!(rig.rows(LIVE).await, ["2", "21"]);
}

async fn discarded_child_that_is_requested_anew_is_waited_for(server: Server) {
    let rig = rig(server).await;
    rig.api.script("/photos/12", vec![Answer::Status(400)]);
    let photo = rig.request("photo", &["12"]).await.remove(0);
    rig.work().await;
    drop(rig.run(&["dlq", "discard", &photo, "--reason", "a mistake"]).await.expect_code(0));
    // It still carries the marker of the deletion that was given up.
    drop(rig.run(&["request", "photo", "12", "--after", "1h"]).await.expect_code(0));
    let id = album(&rig).await;
    rig.work().await;
    assert!(!rig.calls().contains(&"DELETE /albums/1".to_owned()), "{:?}", rig.calls());
    assert_eq!(rig.state(&id).await, "waiting");
    rig.execute("update sexton_deletion set run_at = '2020-01-01T00:00:00.000Z' where key = '12'").await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.calls().last().unwrap(), "DELETE /albums/1");
}

async fn late_grandchild_below_a_row_that_goes_along_comes_first(server: Server) {
    let along = RESOURCES.replacen("then = \"request\"", "then = \"delete\"\ntwin = \"goes_with_parent\"", 1);
    let rig = Rig::with(server, TABLES, &along).await;
    let id = album(&rig).await;
    rig.execute("insert into print (id, photo_id) values (112, 12)").await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    let mut calls = rig.calls();
    assert_eq!(calls.pop().unwrap(), "DELETE /albums/1");
    calls.sort();
    assert_eq!(calls, ["DELETE /prints/111", "DELETE /prints/112"]);
}

async fn late_grandchild_below_very_many_rows_that_go_along_comes_first(server: Server) {
    let along = RESOURCES.replacen("then = \"request\"", "then = \"delete\"\ntwin = \"goes_with_parent\"", 1);
    let tables = TABLES.replace("photo_id bigint references photo (id)", "photo_id bigint");
    let rig = Rig::with(server, &tables, &along).await;
    rig.execute(
        "with recursive n(i) as (select 1000 union all select i + 1 from n where i < 2200)
         insert into photo (id, album_id) select i, 1 from n",
    )
    .await;
    rig.execute("create index photo_album on photo (album_id)").await;
    rig.execute("create index print_photo on print (photo_id)").await;
    let id = album(&rig).await;
    rig.execute("insert into print (id, photo_id) values (112, 1005)").await;
    rig.work().await;
    assert_eq!(rig.rows("select id from print").await, Vec::<String>::new(), "nothing would find it any more");
    assert_eq!(rig.state(&id).await, "completed");
    assert!(rig.calls().contains(&"DELETE /prints/112".to_owned()), "{:?}", rig.calls());
    assert_eq!(rig.show(&id).await["children_deleted"], 1203);
}
