//! Rows whose values would lead a careless program to another object: deleted at exactly the right URL, or dead.

use crate::rig::{Rig, Server, on_both};

const THING: &str = "create table thing (id text primary key, ref text, deleted_at TIME_TYPE)";

const RESOURCE: &str = r#"
[resources.thing]
table = "thing"
key = "id"
marker = { column = "deleted_at" }

[[resources.thing.targets]]
name = "store"
kind = "http"
url = "@API@/a/{id}/b/{ref}?k={ref}"
allow_private = true
"#;

/// Values, and their encoding in a URL.
const ODD: [(&str, &str); 14] = [
    ("it's", "it%27s"),
    ("\"quoted\"", "%22quoted%22"),
    ("100%", "100%25"),
    ("a/b", "a%2Fb"),
    ("x..y", "x..y"),
    ("..a/b..", "..a%2Fb.."),
    ("...", "..."),
    ("?q=1#f", "%3Fq%3D1%23f"),
    ("line\nbreak", "line%0Abreak"),
    ("tab\there", "tab%09here"),
    ("žluťoučký 🐎", "%C5%BElu%C5%A5ou%C4%8Dk%C3%BD%20%F0%9F%90%8E"),
    ("{id}", "%7Bid%7D"),
    ("back\\slash", "back%5Cslash"),
    ("'; drop table thing; --", "%27%3B%20drop%20table%20thing%3B%20--"),
];

/// Values that name no object, or another one for a server that decodes before it resolves dots.
const IMPOSSIBLE: [Option<&str>; 8] =
    [None, Some(""), Some("."), Some(".."), Some("%2e%2E"), Some("%252e."), Some("../../etc"), Some("%2e%2e/x")];

fn sql_text(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("'{}'", value.replace('\'', "''")))
}

on_both!(odd_values_are_deleted_at_exactly_the_right_url, impossible_values_are_dead_and_nothing_is_called);

async fn odd_values_are_deleted_at_exactly_the_right_url(server: Server) {
    let rig = Rig::with(server, THING, RESOURCE).await;
    for (value, _) in ODD {
        rig.execute(&format!("insert into thing values ({0}, {0}, null)", sql_text(Some(value)))).await;
    }
    rig.execute("insert into thing values ('bystander', 'x', null)").await;
    let keys: Vec<&str> = ODD.iter().map(|(key, _)| *key).collect();
    rig.request("thing", &keys).await;
    rig.work().await;
    let mut wanted: Vec<_> = ODD.iter().map(|(_, url)| format!("DELETE /a/{url}/b/{url}?k={url}")).collect();
    let mut calls = rig.calls();
    wanted.sort();
    calls.sort();
    assert_eq!(calls, wanted);
    assert_eq!(rig.rows("select id from thing").await, ["bystander"]);
    assert_eq!(rig.rows("select distinct state from sexton_deletion_done").await, ["completed"]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, ["0"]);
}

async fn impossible_values_are_dead_and_nothing_is_called(server: Server) {
    let rig = Rig::with(server, THING, RESOURCE).await;
    let mut keys = Vec::new();
    for (n, value) in IMPOSSIBLE.into_iter().enumerate() {
        keys.push(format!("ok{n}"));
        rig.execute(&format!("insert into thing values ('ok{n}', {}, null)", sql_text(value))).await;
    }
    for value in IMPOSSIBLE.into_iter().flatten() {
        keys.push(value.to_owned());
        rig.execute(&format!("insert into thing values ({}, 'ok', null)", sql_text(Some(value)))).await;
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    rig.request("thing", &keys).await;
    rig.work().await;
    assert_eq!(rig.calls(), Vec::<String>::new());
    assert_eq!(rig.one("select count(*) from thing where deleted_at is not null").await, keys.len().to_string());
    let dead = rig.rows("select dead_kind, count(*) from sexton_deletion group by dead_kind").await;
    assert_eq!(dead, [format!("bad_template|{}", keys.len())]);
    // Nothing was called, so each may still be given up or repaired; the message names the column and not the value.
    let null = rig.rows("select last_error from sexton_deletion where key = 'ok0'").await;
    assert_eq!(null, ["store: column `ref` is null, and the URL needs it"]);
}

/// SQLite keeps NUL characters in text; PostgreSQL does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nul_character_is_part_of_the_url_on_sqlite() {
    let resource = RESOURCE.replace("key = \"id\"", "key = [\"id\", \"ref\"]");
    let table = "create table thing (id text, ref text, deleted_at text, primary key (id, ref))";
    let rig = Rig::with(Server::sqlite().await, table, &resource).await;
    rig.execute("insert into thing values (cast(x'61006200' as text), 'r', null), ('a', 'r', null)").await;
    rig.request("thing", &[r#"["a\u0000b\u0000","r"]"#]).await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /a/a%00b%00/b/r?k=r"]);
    assert_eq!(rig.rows("select id from thing").await, ["a"]);
}

/// A key as the database prints it is a key that finds its row again.
async fn composite_keys_with_odd_parts_find_their_rows(server: Server) {
    let resource = RESOURCE.replace("key = \"id\"", "key = [\"ref\", \"n\"]").replace("/b/{ref}?k={ref}", "");
    let table = "create table thing (id text, ref text, n integer, deleted_at TIME_TYPE, primary key (ref, n))";
    let rig = Rig::with(server, table, &resource).await;
    let mut keys = Vec::new();
    for (n, (value, _)) in ODD.iter().chain(&[("", ""), ("\u{1}\u{7f}\u{8}", "")]).enumerate() {
        rig.execute(&format!("insert into thing values ('i{n}', {}, {n}, null)", sql_text(Some(value)))).await;
        keys.push(serde_json::json!([value, n]).to_string());
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    rig.request("thing", &keys).await;
    rig.work().await;
    assert_eq!(rig.rows("select count(*) from thing").await, ["0"]);
    assert_eq!(rig.api.confirmed().len(), keys.len());
    assert_eq!(rig.rows("select count(*) from sexton_deletion_done").await, [keys.len().to_string()]);
}

async fn names_that_need_quotes_are_only_names(server: Server) {
    let table =
        r#"create table "Odd "" 'table; -- " ("Id {x}" integer primary key, "the ""ref""" text, "select" TIME_TYPE)"#;
    let resource = r#"
[resources.odd]
table = "Odd \" 'table; -- "
key = "Id {x}"
marker = { column = "select" }
[[resources.odd.targets]]
name = "store"
kind = "http"
url = "@API@/{the \"ref\"}"
allow_private = true
"#;
    let rig = Rig::with(server, table, resource).await;
    rig.execute(r#"insert into "Odd "" 'table; -- " values (-7, 'seven', null), (8, 'eight', null)"#).await;
    rig.request("odd", &["-7"]).await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /seven"]);
    assert_eq!(rig.rows(r#"select "Id {x}" from "Odd "" 'table; -- ""#).await, ["8"]);
}

on_both!(
    composite_keys_with_odd_parts_find_their_rows,
    names_that_need_quotes_are_only_names,
    uuid_keys_are_found_however_they_are_written
);

async fn uuid_keys_are_found_however_they_are_written(server: Server) {
    let table = "create table thing (id uuid primary key, ref text, deleted_at TIME_TYPE)";
    let rig = Rig::with(server, table, RESOURCE).await;
    let key = "0193a5a0-7c1e-7000-8000-00000000abcd";
    rig.execute(&format!("insert into thing values ('{key}', 'r', null)")).await;
    let asked = rig.json(&["request", "thing", "0193A5A07C1E7000800000000000ABCD", "--json"]).await;
    assert_eq!(asked[0]["key"], key);
    rig.work().await;
    assert_eq!(rig.calls(), [format!("DELETE /a/{key}/b/r?k=r")]);
    assert_eq!(rig.rows("select count(*) from thing").await, ["0"]);
}
