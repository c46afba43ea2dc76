//! Databases in another encoding than UTF-8 (PostgreSQL).

use sea_orm::{ConnectionTrait, Database};
use sexton_tests::{Postgres, Sexton, TestDb, api::Api};

use crate::rig::{BLOCK, RESOURCE, config};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latin1_database_is_migrated_and_worked_on() {
    let neighbour = TestDb::new().await;
    let name = format!("{}_latin1", neighbour.name());
    let create = "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0";
    neighbour.execute(&format!("create database {name} {create}")).await;
    let url = Postgres::shared().await.url("postgres", &name);
    let application = Database::connect(&url).await.unwrap();
    let rows = "insert into block (id, calendar_id, gcal_id, note) values (1, 'c', 'g1', 'Café')";
    application.execute_unprepared(&format!("{}; {rows}", BLOCK.replace("TIME_TYPE", "timestamptz"))).await.unwrap();
    application.close().await.unwrap();
    let api = Api::start().await;
    let sexton = Sexton::new(&config(&url, &api, RESOURCE));
    for command in [
        &["migrate"][..],
        &["migrate"],
        &["check"],
        &["guard", "block"],
        &["request", "block", "1", "--reason", "Café"],
        &["run", "--until-idle"],
        &["sweep"],
    ] {
        drop(sexton.run(command).await.expect_code(0));
    }
    assert_eq!(api.log().len(), 1);
    let exported = sexton.run(&["export", "--since", "1h"]).await.expect_code(0).stdout;
    assert!(exported.contains("\"state\":\"completed\"") && exported.contains("Café"), "{exported}");
    neighbour.execute(&format!("drop database {name} with (force)")).await;
}
