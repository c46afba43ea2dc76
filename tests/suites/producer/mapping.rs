use sea_orm::EntityTrait;
use sexton_core::{db::Db, ledger::Ledger};
use sexton_migrations::{Migrator, MigratorTrait};
use sexton_producer::{Error, Producer, prelude::*};
use sexton_tests::TestDb;

use super::{
    entities::{archived_block, block, insert_block, keyless_block, public_block, stray},
    fixture::Fixture,
};
use crate::rig::on_both;

on_both!(
    entity_of_an_unconfigured_table_is_named,
    entity_without_its_key_is_named,
    table_of_two_resources_is_ambiguous,
    database_without_a_ledger_is_named,
    configuration_that_does_not_fit_is_refused,
);

async fn entity_of_an_unconfigured_table_is_named(fixture: Fixture) {
    let error = stray::Model { id: 1 }.soft_remove(&fixture.producer().await).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `stray` is not a configured resource (configured: block as `block`, flag as `flag`, member as `member`, toy as `toy`); \
         add a [resources.NAME] with table = \"stray\" to sexton.toml and run `sexton migrate`"
    );
}

async fn entity_without_its_key_is_named(fixture: Fixture) {
    let keyless = keyless_block::Model { title: "x".into() };
    let error = keyless.soft_remove(&fixture.producer().await).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the entity of table `block` has no column `id`, which is in the key of resource `block`"
    );
}

async fn table_of_two_resources_is_ambiguous(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    let mut config = fixture.config("");
    let resource = config.resources[&"block".parse().unwrap()].clone();
    config.resources.insert("booking".parse().unwrap(), resource);
    let producer = Producer::connect(fixture.conn.clone(), &config).await.unwrap();
    let error = block.soft_remove(&producer).await.unwrap_err();
    assert!(matches!(&error, Error::AmbiguousTable { resources, .. } if resources == "block, booking"), "{error}");
    producer.soft_remove_by_key("booking", "1").await.unwrap();
    assert_eq!(fixture.ledger().await, ["booking|1|pending"]);
}

async fn database_without_a_ledger_is_named(fixture: Fixture) {
    Migrator::down(&fixture.conn, None).await.unwrap();
    let error = Producer::connect(fixture.conn.clone(), &fixture.config("")).await.unwrap_err();
    assert!(error.to_string().contains("run `sexton migrate` first"), "{error}");
}

async fn configuration_that_does_not_fit_is_refused(fixture: Fixture) {
    let mut config = fixture.config("");
    let mut resource = config.resources[&"block".parse().unwrap()].clone();
    resource.table = "blocks".into();
    config.resources.insert("block".parse().unwrap(), resource);
    let error = Producer::connect(fixture.conn.clone(), &config).await.unwrap_err();
    assert!(error.to_string().contains("resources.block.table: there is no table `blocks`"), "{error}");
}

#[tokio::test]
async fn entity_that_names_its_schema_is_the_same_table() {
    let fixture = Fixture::postgres().await;
    insert_block(&fixture.conn, 1, None).await;
    let producer = fixture.producer().await;
    public_block::Model { id: 1 }.soft_remove(&producer).await.unwrap();
    assert_eq!(fixture.marked().await, ["1"]);
    let error = archived_block::Model { id: 1 }.soft_remove(&producer).await.unwrap_err();
    assert!(matches!(&error, Error::UnknownTable { table, .. } if table == "archive.block"), "{error}");
    let live = public_block::Entity::find_live(&producer).unwrap().all(&fixture.conn).await.unwrap();
    assert!(live.is_empty());
}

/// The bare name stands for the table that the application's sessions find under it, and for no other.
#[tokio::test]
async fn table_hidden_by_another_schema_is_not_taken_for_it() {
    let db = TestDb::new().await;
    db.execute("create schema archive; create table archive.block (id bigint primary key, deleted_at timestamptz)")
        .await;
    let conn = db.connect().await;
    Migrator::up(&conn, None).await.unwrap();
    let text = format!(
        "database.url = \"{}\"
         [resources.archived]
         table = \"archive.block\"
         key = \"id\"
         marker = {{ column = \"deleted_at\" }}
         [[resources.archived.targets]]
         name = \"a\"
         kind = \"http\"
         url = \"https://a.example/{{id}}\"",
        db.url()
    );
    let config = sexton_core::config::parse("test.toml", &text, |_| None).unwrap();
    let app = Db::of_application(conn.clone()).await.unwrap();
    Ledger::open(&app)
        .await
        .unwrap()
        .write_resources(&app, &config.resources, &std::collections::BTreeMap::new())
        .await
        .unwrap();

    let producer = Producer::connect(conn.clone(), &config).await.unwrap();
    assert!(archived_block::Entity::find_live(&producer).is_ok());
    assert!(matches!(block::Entity::find_live(&producer), Err(Error::UnknownTable { .. })));

    let shown = format!("{}?options=-csearch_path%3Darchive,public", db.url());
    let producer = Producer::connect(sea_orm::Database::connect(shown).await.unwrap(), &config).await.unwrap();
    assert!(block::Entity::find_live(&producer).is_ok());
    db.execute("insert into archive.block values (1)").await;
    public_block_in_path(1).soft_remove(&producer).await.unwrap();
    assert_eq!(db.query_text("select deleted_at is null from archive.block").await, [[Some("f".to_owned())]]);
    assert_eq!(archived_block::Entity::find().all(&conn).await.unwrap(), [archived_block::Model { id: 1 }]);
}

fn public_block_in_path(id: i64) -> block::Model {
    block::Model { id, title: String::new(), gcal_id: None, kind: None }
}
