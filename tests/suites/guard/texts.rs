//! The texts of guards. They are held against what is installed, so a text that changes makes every installed guard
//! outdated until an operator runs `sexton guard`: change one only for a reason that is worth that.

use sexton_core::guard::guards;

use crate::rig::{Server, ledger::Fixture};

const TABLES: &str = "create table toy (
        id bigint primary key, name text, kind text, deleted_at TIME_TYPE, deprecated_at TIME_TYPE, gone_at TIME_TYPE);
    create table person (id bigint primary key, toy_id bigint references toy (id));";

/// A table with everything that a guard's text depends on.
const TOY: &str = r#"
[resources.toy]
table = "toy"
key = "id"
grace = "1h"
marker = { column = "deleted_at" }
marker_when = [{ column = "kind", equals = "T", marker = { column = "gone_at" }, then = "keep" }]
unreferenced = { by = [{ table = "person", column = "toy_id" }], since = "deprecated_at", hide_after = "7d", delete_after = "14d", mode = "on" }
[[resources.toy.targets]]
name = "shop"
kind = "http"
url = "https://shop.example/{name}"
"#;

async fn texts_of_guards(server: Server, time_type: &str) -> String {
    let f = Fixture::with(server, &TABLES.replace("TIME_TYPE", time_type), TOY).await;
    let guards = guards(&f.store.db.conn, &f.store).await.unwrap();
    let sql = guards.iter().flat_map(|guard| guard.trigger.sql_create.iter().chain([&guard.trigger.sql_drop]));
    sql.map(|sql| format!("{sql};\n")).collect()
}

#[tokio::test]
async fn texts_of_guards_are_those_that_are_installed_on_postgres() {
    let server = Server::postgres().await;
    assert_eq!(texts_of_guards(server, "timestamptz").await, include_str!("texts/postgres.sql"));
}

#[tokio::test]
async fn texts_of_guards_are_those_that_are_installed_on_sqlite() {
    let server = Server::sqlite().await;
    assert_eq!(texts_of_guards(server, "timestamp_text").await, include_str!("texts/sqlite.sql"));
}
