//! PostgreSQL fills the values of `char(n)` up with blanks. They mean nothing, and no other system knows them.

use sexton_tests::api::Answer;

use crate::rig::{Rig, Server};

const TABLES: &str =
    "create table country (code char(6) primary key, region char(4), state char(9) not null default 'Live');
    create table town (id bigint primary key, country char(6) references country (code), deleted_at timestamptz);
    create index on town (country);
    create domain short as char(8);
    create table note (id bigint primary key, ref short, deleted_at timestamptz);";

const RESOURCES: &str = r#"
[resources.country]
table = "country"
key = "code"
marker = { column = "state", value = "Gone" }
[[resources.country.children]]
table = "town"
column = "country"
references = "code"
then = "request"
[[resources.country.targets]]
name = "atlas"
kind = "http"
method = "POST"
url = "@API@/countries/{code}/{region}?of={region}"
query = { also = "{region}" }
headers = { X-Region = "<{region}>" }
body = { region = "{region}" }
allow_private = true

[resources.town]
table = "town"
key = "id"
marker = { column = "deleted_at" }
[[resources.town.targets]]
name = "atlas"
kind = "http"
url = "@API@/towns/{country}/{id}"
allow_private = true
"#;

const NOTE: &str = r#"
[resources.note]
table = "note"
key = "id"
marker = { column = "deleted_at" }
[[resources.note.targets]]
name = "notes"
kind = "http"
url = "@API@/notes/{ref}"
gone = [404]
allow_private = true
"#;

async fn rows(resources: &str) -> Rig {
    let rig = Rig::with(Server::postgres().await, TABLES, resources).await;
    rig.execute(
        "insert into country (code, region) values ('AT', 'EU'), ('NZ', 'OC'), ('A T', 'EU');
         insert into town (id, country) values (1, 'AT'), (2, 'AT'), (3, 'NZ');
         insert into note (id, ref) values (1, 'n 1'), (2, 'n2')",
    )
    .await;
    rig
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blanks_of_a_padded_value_reach_no_request_and_no_key() {
    let rig = rows(RESOURCES).await;
    let ids = rig.request("country", &["AT    "]).await;
    assert_eq!(rig.one("select key from sexton_deletion where resource = 'country'").await, "AT");
    assert_eq!(rig.one("select state from country where code = 'AT'").await.trim_end(), "Gone");
    rig.work().await;
    assert_eq!(rig.state(&ids[0]).await, "completed");
    let mut calls = rig.calls();
    calls.sort();
    assert_eq!(calls, ["DELETE /towns/AT/1", "DELETE /towns/AT/2", "POST /countries/AT/EU?of=EU&also=EU"]);
    let call = rig.api.log().into_iter().find(|call| call.method == "POST").unwrap();
    assert_eq!(call.header("x-region"), Some("<EU>"));
    assert_eq!(call.body, br#"{"region":"EU"}"#);
    assert_eq!(rig.rows("select trim(code) from country order by 1").await, ["A T", "NZ"]);
    assert_eq!(rig.rows("select id from town").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blanks_of_a_padded_value_are_not_in_what_a_guard_or_function_records() {
    let rig = rows(NOTE).await;
    drop(rig.run(&["guard", "--all"]).await.expect_code(0));
    rig.execute("delete from note where id = 1").await;
    rig.execute("select sexton_soft_remove('note', '2', 'why', 'ann')").await;
    let captured = rig.rows("select payload ->> 'ref' from sexton_deletion order by key").await;
    assert_eq!(captured, ["n 1", "n2"]);
    rig.api.script("/notes/n2", vec![Answer::Status(204)]);
    rig.work().await;
    let mut calls = rig.calls();
    calls.sort();
    assert_eq!(calls, ["DELETE /notes/n%201", "DELETE /notes/n2"]);
}

/// Restored and requested again: the marker, the key and the row's own blanks are as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_with_a_padded_key_and_marker_is_restored() {
    let rig = rows(RESOURCES).await;
    drop(rig.run(&["request", "country", "A T", "--after", "1h"]).await.expect_code(0));
    drop(rig.run(&["restore", "country", "A T  "]).await.expect_code(0));
    assert_eq!(rig.rows("select state from country where state = 'Live'").await.len(), 3);
    let again = rig.request("country", &["A T"]).await;
    rig.work().await;
    assert_eq!(
        (rig.state(&again[0]).await.as_str(), rig.calls()),
        ("completed", vec!["POST /countries/A%20T/EU?of=EU&also=EU".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marker_that_a_padded_column_would_cut_is_refused() {
    let rig = rows(RESOURCES).await;
    rig.reconfigure(&RESOURCES.replace("\"Gone\"", "\"Gone for ever\""));
    let refused = rig.run(&["check"]).await.expect_code(2);
    assert!(refused.stderr.contains("`Gone for ever` is not a value of `state`"), "{}", refused.stderr);
}
