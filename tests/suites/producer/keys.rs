use sexton_producer::{Error, prelude::*};
use uuid::Uuid;

use super::{
    entities::{insert_block, insert_member, insert_toy},
    fixture::Fixture,
};
use crate::rig::on_both;

/// Everything that has broken a key somewhere.
const HOSTILE: [&str; 8] =
    ["a'b", "a\"b", "a\\b", "a%2F/../b", "", "é ß 漢 \u{1F600}", "[\"x\"]", "'; drop table member; --"];

on_both!(
    uuid_keys_are_kept_as_the_database_prints_them,
    composite_keys_name_exactly_one_row,
    rows_are_found_by_resource_and_key,
    text_that_is_no_key_is_refused,
);

async fn uuid_keys_are_kept_as_the_database_prints_them(fixture: Fixture) {
    let id = Uuid::from_u128(0xABCD_EF01_2345_6789_ABCD_EF01_2345_6789);
    let toy = insert_toy(&fixture.conn, id).await;
    insert_toy(&fixture.conn, Uuid::from_u128(1)).await;
    let requested = toy.soft_remove(&fixture.producer().await).await.unwrap();
    assert_eq!(requested.key, "abcdef01-2345-6789-abcd-ef0123456789");
    assert_eq!(fixture.query("select count(*) from toy where removed_at is not null").await, ["1"]);
}

async fn composite_keys_name_exactly_one_row(fixture: Fixture) {
    let producer = fixture.producer().await;
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for name in HOSTILE {
        insert_member(&fixture.conn, two, name).await;
        let member = insert_member(&fixture.conn, one, name).await;
        let requested = member.soft_remove(&producer).await.unwrap();
        let key: Vec<String> = serde_json::from_str(&requested.key).unwrap();
        assert_eq!(key, [one.to_string().as_str(), name]);
        // The key as it is kept finds the same row again.
        let again = producer.soft_remove_by_key("member", &requested.key).await.unwrap();
        assert_eq!((again.id, again.created), (requested.id, false));
    }
    let gone = fixture.query("select count(*), count(distinct name) from member where status = 'gone'").await;
    assert_eq!(gone, [format!("{0}|{0}", HOSTILE.len())]);
    assert_eq!(fixture.query("select count(*) from member where status is null").await, [HOSTILE.len().to_string()]);
}

async fn rows_are_found_by_resource_and_key(fixture: Fixture) {
    let producer = fixture.producer().await;
    insert_block(&fixture.conn, 42, None).await;
    let requested = producer.soft_remove_by_key("block", "42").await.unwrap();
    assert!(requested.created);
    assert_eq!(fixture.marked().await, ["42"]);
    let error = producer.soft_remove_by_key("block", "43").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

async fn text_that_is_no_key_is_refused(fixture: Fixture) {
    let producer = fixture.producer().await;
    for (resource, key) in [("block", "4 2"), ("toy", "42"), ("member", "ada"), ("member", "[\"ada\"]")] {
        let error = producer.soft_remove_by_key(resource, key).await.unwrap_err();
        assert!(matches!(error, Error::InvalidKey { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("resource `{resource}`: `{key}` is not a key: ")), "{error}");
    }
    let error = producer.soft_remove_by_key("blok", "42").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "resource `blok` is not configured (configured: block as `block`, flag as `flag`, member as `member`, toy as `toy`); \
         add [resources.blok] to sexton.toml"
    );
}
