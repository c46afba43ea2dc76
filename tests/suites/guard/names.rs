//! Tables, columns and values with unusual names.

use super::{Rig, Server, guarded, on_both};

on_both!(
    names_that_need_quotes_are_only_names,
    composite_keys_with_odd_parts_are_recorded_as_they_are,
    uuid_keys_are_recorded_as_they_are,
    very_long_names_are_names,
    rows_of_very_many_captured_columns_are_captured_whole,
);

async fn names_that_need_quotes_are_only_names(server: Server) {
    let table = r#"create table "Odd "" 'table; -- $sexton$" ("Id \ $sexton$ {x}" integer primary key, "the ""ref""" text, "select" TIME_TYPE)"#;
    let resource = r#"
[resources.odd]
table = "Odd \" 'table; -- $sexton$"
key = "Id \\ $sexton$ {x}"
marker = { column = "select" }
[[resources.odd.targets]]
name = "store"
kind = "http"
url = "@API@/{the \"ref\"}"
allow_private = true
"#;
    let rig = guarded(Rig::with(server, table, resource).await).await;
    rig.execute(r#"insert into "Odd "" 'table; -- $sexton$" values (-7, 'se''ven', null), (8, 'eight', null)"#).await;
    rig.execute(r#"delete from "Odd "" 'table; -- $sexton$" where "Id \ $sexton$ {x}" < 0"#).await;
    assert_eq!(rig.rows("select key from sexton_deletion").await, ["-7"]);
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /se%27ven"]);
    let listed = rig.json(&["guard", "--json"]).await.remove(0);
    assert_eq!((listed["resource"].as_str(), listed["state"].as_str()), (Some("odd"), Some("installed")), "{listed}");
}

const THING: &str = r#"
[resources.thing]
table = "thing"
key = ["ref", "n"]
marker = { column = "deleted_at" }
[[resources.thing.targets]]
name = "store"
kind = "http"
url = "@API@/a/{n}"
allow_private = true
"#;

/// A key is recorded as the one that asking for it gives, so that there is one deletion and not two.
async fn composite_keys_with_odd_parts_are_recorded_as_they_are(server: Server) {
    let table = "create table thing (ref text, n bigint, deleted_at TIME_TYPE, primary key (ref, n))";
    let rig = guarded(Rig::with(server, table, THING).await).await;
    let odd = ["", "it's", "\"quoted\"", "back\\slash", "žluťoučký 🐎", "line\nbreak", "\u{1}\u{7f}\u{8}", "[]"];
    let mut keys = Vec::new();
    for (n, value) in odd.iter().enumerate() {
        rig.execute(&format!("insert into thing values ('{}', {n}, null)", value.replace('\'', "''"))).await;
        keys.push(serde_json::json!([value, n]).to_string());
    }
    let asked: Vec<&str> = keys.iter().map(String::as_str).collect();
    let args = [&["request", "thing", "--after", "1h", "--json", "--"], &asked[..]].concat();
    drop(rig.json(&args).await);
    rig.execute("delete from thing").await;
    assert_eq!(rig.rows("select count(*) from sexton_deletion").await, [odd.len().to_string()]);
    rig.execute("delete from sexton_deletion").await;
    for (n, value) in odd.iter().enumerate() {
        rig.execute(&format!("insert into thing values ('{}', {n}, null)", value.replace('\'', "''"))).await;
    }
    rig.execute("delete from thing").await;
    rig.work().await;
    assert_eq!(rig.calls().len(), odd.len());
    assert_eq!(rig.rows("select distinct row_outcome from sexton_deletion_done").await, ["already_gone"]);
}

async fn uuid_keys_are_recorded_as_they_are(server: Server) {
    let resource = THING.replace("key = [\"ref\", \"n\"]", "key = \"id\"").replace("{n}", "{id}");
    let table = "create table thing (id uuid primary key, deleted_at TIME_TYPE)";
    let rig = guarded(Rig::with(server, table, &resource).await).await;
    let key = "0193a5a0-7c1e-7000-8000-00000000abcd";
    rig.execute(&format!("insert into thing values ('{}', null); delete from thing", key.to_uppercase())).await;
    assert_eq!(rig.rows("select key from sexton_deletion").await, [key]);
    rig.work().await;
    assert_eq!(rig.calls(), [format!("DELETE /a/{key}")]);
}

async fn very_long_names_are_names(server: Server) {
    let names = ["b", "c"].map(|last| format!("{}{last}", "a".repeat(61)));
    let tables = names
        .iter()
        .map(|name| format!("create table {name} (ref text, n bigint, deleted_at TIME_TYPE, primary key (ref, n))"));
    let resources =
        names.each_ref().map(|name| THING.replace("thing", name).replace("/a/", &format!("/{}/", &name[61..])));
    let rig = guarded(Rig::with(server, &tables.collect::<Vec<_>>().join(";"), &resources.concat()).await).await;
    for name in &names {
        rig.execute(&format!("insert into {name} values ('x', 1, null); delete from {name}")).await;
    }
    assert_eq!(rig.rows("select resource from sexton_deletion order by resource").await, names);
}

/// A function takes at most a hundred arguments, and null is a value like any other.
async fn rows_of_very_many_captured_columns_are_captured_whole(server: Server) {
    let columns: Vec<String> = (0..90).map(|n| format!("c{n:02}")).collect();
    let table = format!(
        "create table thing (ref text, n bigint, {}, deleted_at TIME_TYPE, primary key (ref, n))",
        columns.iter().map(|name| format!("{name} text")).collect::<Vec<_>>().join(", ")
    );
    let skipped = format!(
        "skip_when_null = [{}]",
        columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    );
    let rig = guarded(Rig::with(server, &table, &format!("{THING}{skipped}\n")).await).await;
    rig.execute("insert into thing (ref, n, c00) values ('r', 1, 'x'); delete from thing").await;
    let payload: serde_json::Value =
        serde_json::from_str(&rig.one("select payload from sexton_deletion").await).unwrap();
    let payload = payload.as_object().unwrap();
    assert!(columns.iter().all(|name| payload.contains_key(name)), "{payload:?}");
    assert!(payload["c00"] == "x" && payload["c89"].is_null() && payload["n"] == "1");
}
