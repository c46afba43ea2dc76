//! Keys and values of every supported type, and hostile ones, come back exactly as they are in the row.

use sea_orm::{ConnectionTrait, Value};
use sexton_core::restore::{MarkedRows, restore};

use crate::rig::{RESOURCE, Rig, Server, ledger::Fixture, on_both};

on_both!(
    composite_keys_are_json_arrays_in_configured_order,
    uuid_keys_are_found_in_every_spelling,
    hostile_texts_round_trip_through_key_and_payload,
    tables_and_columns_may_have_any_name,
    integer_keys_of_every_size_are_found,
);

const HOSTILE: [&str; 13] = [
    "",
    "'",
    "\"",
    "\\",
    "\\u0041\\n",
    "%_",
    "a/b/../c",
    "line\nbreak\r\ttab",
    "Ünï—çødé 日本 🪦",
    "$1 ? :x {id}",
    "'; drop table block; --",
    "[\"1\"]",
    "\u{1}\u{1f}\u{7f}\u{2028}",
];

/// Takes the deletion back: the row must be found by the key that the ledger keeps.
async fn restored(f: &Fixture, resource: &str, key: &str) -> bool {
    let id = f.store.ledger.find(&f.store.db.conn, resource, key).await.unwrap().unwrap();
    let transaction = f.begin().await;
    let restored = restore(&transaction, &f.store, id, MarkedRows::Refuse).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(restored.key, key);
    restored.row_restored
}

async fn insert(f: &Fixture, sql: &str, values: Vec<Value>) {
    f.store.db.conn.execute_raw(f.store.db.dialect.statement(sql, values)).await.unwrap();
}

async fn composite_keys_are_json_arrays_in_configured_order(f: Fixture) {
    let schema = if f.is_postgres() { "public." } else { "" };
    for (n, name) in HOSTILE.iter().enumerate() {
        let sql = format!("insert into {schema}pair (tenant, name, gcal_id) values ($1, $2, $2)");
        insert(&f, &sql, vec![i32::try_from(n).unwrap().into(), (*name).into()]).await;
        let asked = serde_json::json!([n, name]).to_string();
        let requested = f.request_one("pair", &asked).await;
        assert_eq!(requested.key, serde_json::json!([n.to_string(), name]).to_string());
        assert_eq!(f.table("pair").parse_key(&asked).unwrap().to_string(), requested.key);
        assert_eq!(f.claim_one(requested.id).await.payload["gcal_id"].as_deref(), Some(*name));
        f.execute("update sexton_deletion set state = 'pending', lease_until = null, worker = null, called_at = null")
            .await;
        assert!(restored(&f, "pair", &requested.key).await);
    }
    for bad in ["1", "[1]", "[1, null]", "[1, \"a\", \"b\"]", "[\"x\", \"a\"]", "[70000, \"a\"]"] {
        let parsed = f.table("pair").parse_key(bad);
        assert!(parsed.is_err() || (!f.is_postgres() && bad.contains("70000")), "{bad}");
    }
}

async fn uuid_keys_are_found_in_every_spelling(f: Fixture) {
    let uuid = "0190163d-8694-739b-aea5-966c26f8ad91";
    let simple = uuid.replace('-', "");
    let upper = uuid.to_uppercase();
    if f.is_postgres() {
        f.execute(&format!("insert into thing (id, ref) values ('{uuid}', '{uuid}')")).await;
        f.execute(&format!("insert into thing_text (id) values ('{uuid}')")).await;
    } else {
        f.execute(&format!("insert into thing (id, ref) values (x'{simple}', x'{simple}')")).await;
        f.execute(&format!("insert into thing_text (id) values ('{uuid}')")).await;
    }
    for resource in ["thing", "thing_text"] {
        for asked in [uuid, &upper, &simple] {
            assert_eq!(f.request_one(resource, asked).await.key, uuid);
        }
        assert_eq!(f.one(&format!("select count(*) from sexton_deletion where resource = '{resource}'")).await, "1");
        assert!(restored(&f, resource, uuid).await);
        assert_eq!(f.one(&format!("select deleted_at from {resource}")).await, "-");
    }
    let id = f.request_one("thing", uuid).await.id;
    assert_eq!(f.claim_one(id).await.payload["ref"].as_deref(), Some(uuid));
    assert!(f.table("thing").parse_key("nonsense").is_err());
    if !f.is_postgres() {
        for other in [&upper, &simple] {
            f.execute("delete from sexton_deletion").await;
            f.execute(&format!("update thing_text set id = '{other}'")).await;
            assert_eq!(f.request_one("thing_text", uuid).await.key, uuid, "stored as {other}");
            assert!(restored(&f, "thing_text", uuid).await);
        }
    }
}

async fn hostile_texts_round_trip_through_key_and_payload(f: Fixture) {
    let schema = if f.is_postgres() { "public." } else { "" };
    // PostgreSQL has no NUL in a text.
    let nul = if f.is_postgres() { None } else { Some("a\0b") };
    for text in HOSTILE.into_iter().chain(nul) {
        let sql = format!("insert into {schema}note (name, body) values ($1, $1)");
        insert(&f, &sql, vec![text.into()]).await;
        let requested = f.request_one("note", text).await;
        assert_eq!(requested.key, text);
        let claim = f.claim_one(requested.id).await;
        assert_eq!((claim.key.as_str(), claim.payload["body"].as_deref()), (text, Some(text)));
        f.execute("update sexton_deletion set state = 'pending', lease_until = null, worker = null, called_at = null")
            .await;
        assert!(restored(&f, "note", text).await, "{text:?}");
    }
    assert_eq!(f.one("select count(*) from note where deleted_at is not null").await, "0");
    assert_eq!(f.table("note").parse_key("a\0b").is_err(), f.is_postgres());
}

async fn tables_and_columns_may_have_any_name(f: Fixture) {
    f.execute(r#"insert into "We""ird T%" ("Id ""x", "Ünï") values (1, 'ü')"#).await;
    let requested = f.request_one("weird", "1").await;
    let claim = f.claim_one(requested.id).await;
    assert_eq!(claim.payload["Ünï"].as_deref(), Some("ü"));
    assert!(claim.payload["Delet ed'At"].is_some());
    f.execute("update sexton_deletion set state = 'pending', lease_until = null, worker = null, called_at = null")
        .await;
    assert!(restored(&f, "weird", "1").await);
}

async fn integer_keys_of_every_size_are_found(f: Fixture) {
    for key in ["9223372036854775807", "-9223372036854775808", "0"] {
        f.execute(&format!("insert into block (id) values ({key})")).await;
        assert_eq!(f.request_one("block", key).await.key, key);
    }
    f.execute("insert into flag (id) values (-2147483648)").await;
    assert_eq!(f.request_one("flag", "-2147483648").await.key, "-2147483648");
    assert_eq!(f.request_one("block", "+0").await.key, "0");
    for bad in ["", "x", "1.5", "9223372036854775808", " 1"] {
        assert!(f.table("block").parse_key(bad).is_err(), "{bad}");
    }
    assert_eq!(f.table("flag").parse_key("2147483648").is_err(), f.is_postgres());
}

#[tokio::test]
async fn times_are_captured_alike_under_any_session_setting() {
    let f = Fixture::postgres().await;
    f.execute("insert into block (id) values (1); insert into pair (tenant, name) values (1, 'a')").await;
    let marker = "select resource, marker_value, payload ->> 'deleted_at' from sexton_deletion order by resource";
    f.request_one("block", "1").await;
    f.request_one("pair", "[1, \"a\"]").await;
    let before = f.rows(marker).await;
    for settings in
        ["set local timezone = 'Asia/Tokyo'", "set local datestyle = 'German'", "set local intervalstyle = 'iso_8601'"]
    {
        let transaction = f.begin().await;
        transaction.execute_unprepared(settings).await.unwrap();
        for (resource, key) in [("block", "1"), ("pair", "[1, \"a\"]")] {
            let table = f.table(resource);
            let keys = [table.parse_key(key).unwrap()];
            let request = sexton_core::soft_remove::DeletionRequest::by("test");
            sexton_core::soft_remove::soft_remove(&transaction, &f.store, &table, &keys, &request).await.unwrap();
        }
        transaction.commit().await.unwrap();
        assert_eq!(f.rows(marker).await, before, "{settings}");
    }
    let transaction = f.begin().await;
    transaction
        .execute_unprepared("set local timezone = 'Asia/Tokyo'; set local datestyle = 'SQL, DMY'")
        .await
        .unwrap();
    f.execute("delete from sexton_deletion; insert into pair (tenant, name) values (2, 'b')").await;
    let table = f.table("pair");
    let request = sexton_core::soft_remove::DeletionRequest::by("test");
    let keys = [table.parse_key("[2, \"b\"]").unwrap()];
    let id =
        sexton_core::soft_remove::soft_remove(&transaction, &f.store, &table, &keys, &request).await.unwrap()[0].id;
    transaction.commit().await.unwrap();
    // A column without a time zone holds UTC.
    let utc = "select abs(extract(epoch from deleted_at - (now() at time zone 'utc'))) < 60 from pair where tenant = 2";
    assert_eq!(f.one(utc).await, "t");
    let transaction = f.begin().await;
    transaction
        .execute_unprepared("set local timezone = 'America/Lima'; set local datestyle = 'German'")
        .await
        .unwrap();
    assert!(restore(&transaction, &f.store, id, MarkedRows::Refuse).await.unwrap().row_restored);
}

/// One row would have several keys. This stands apart from the other mistakes in configurations, because not every build
/// of PostgreSQL has such collations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_in_which_different_texts_are_equal_is_refused() {
    let table = "create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        create table block (id text collate loose primary key, calendar_id text, gcal_id text, deleted_at timestamptz)";
    let rig = Rig::with(Server::postgres().await, table, RESOURCE).await;
    let refused = rig.run(&["check"]).await.expect_code(2).stderr;
    let why = "resources.block.key: `id` has the collation loose, in which different texts are equal";
    assert!(refused.contains(why), "{refused}");
}
