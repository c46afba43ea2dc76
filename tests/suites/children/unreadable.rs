//! Documents of the type `json`, which PostgreSQL keeps as they are written and cannot always read (22P05, 22P02).

use crate::rig::{BLOCK, RESOURCE, Rig, Server};

const CHILD: &str = r#"
[[resources.block.children]]
table = "exception"
json = { column = "event", path = "series" }
references = "gcal_id"
scope = ["calendar_id"]
then = "delete"
"#;

/// One such document must not fail the requests of all parents, and it names its own parent like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn document_that_cannot_be_read_stops_no_request() {
    let tables = format!("{BLOCK}; create table exception (id bigint primary key, calendar_id text, event json)");
    let rig = Rig::with(Server::postgres().await, &tables, &format!("{RESOURCE}{CHILD}")).await;
    let documents = [
        r#"{"note": "\u0000\u0000", "series": "g1"}"#,
        r#"{"note": "\ud83d", "series": "g1"}"#,
        r#"{"note": "\ude00 \ud83d\ud83d", "series": "g1"}"#,
        r#"{"note": "\ud83d\ude00", "series": "g1"}"#,
        r#"{"series": "g1\u0000"}"#,
        r#"{"note": "\\u0000", "series": "g1"}"#,
        r#"{"note": "\\\u0000", "series": "\u0067\u0032"}"#,
    ];
    for (id, document) in documents.iter().enumerate() {
        rig.execute(&format!("insert into exception values ({id}, 'c', '{document}')")).await;
    }
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1'), (2, 'c', 'g2'), (3, 'c', 'g3')")
        .await;
    let ids = rig.request("block", &["1"]).await;
    rig.work().await;
    assert_eq!(rig.state(&ids[0]).await, "completed");
    assert_eq!(rig.rows("select id from exception order by id").await, ["4", "6"]);
    rig.execute("select sexton_soft_remove('block', '2')").await;
    rig.request("block", &["3"]).await;
    rig.work().await;
    assert_eq!(rig.rows("select id from exception order by id").await, ["4"]);
    assert_eq!(rig.rows("select count(*) from block").await, ["0"]);
}

/// Where an index has the expression, there are no such documents, and the index is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn index_on_a_value_in_a_document_is_used() {
    let tables = format!(
        "{BLOCK}; create table exception (id bigint primary key, calendar_id text, event json);
         create index series on exception ((event ->> 'series'))"
    );
    let rig = Rig::with(Server::postgres().await, &tables, &format!("{RESOURCE}{CHILD}")).await;
    let checked = rig.run(&["check"]).await.expect_code(0).stderr;
    assert_eq!(checked, "");
    rig.execute("drop index series").await;
    let checked = rig.run(&["check"]).await.expect_code(0).stderr;
    assert!(checked.contains("create index concurrently") && checked.contains("(\"event\" ->> 'series')"), "{checked}");
}

/// Nor what a target uses of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn document_that_a_target_uses_is_passed_on_as_it_is() {
    let table = BLOCK.replace("note text", "note json");
    let resource = RESOURCE.replace("timeout =", "skip_when_null = [\"note\"]\ntimeout =");
    let rig = Rig::with(Server::postgres().await, &table, &resource).await;
    rig.execute(r#"insert into block (id, calendar_id, gcal_id, note) values (1, 'c', 'g1', '{"a": "\u0000"}')"#).await;
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!((rig.state(&id).await.as_str(), rig.calls().len()), ("completed", 1));
}
