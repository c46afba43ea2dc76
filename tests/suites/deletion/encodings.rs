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

/// In a database in SQL_ASCII a column holds any bytes, and the server cannot give them to a client that reads UTF-8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn value_that_cannot_be_decoded_is_dead_alone() {
    let neighbour = TestDb::new().await;
    let name = format!("{}_ascii", neighbour.name());
    let create = "encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0";
    neighbour.execute(&format!("create database {name} {create}")).await;
    let url = Postgres::shared().await.url("postgres", &name);
    let application = Database::connect(&url).await.unwrap();
    let execute = async |sql: &str| application.execute_unprepared(sql).await.unwrap();
    execute(&BLOCK.replace("TIME_TYPE", "timestamptz")).await;
    execute("insert into block (id, calendar_id, gcal_id) select n, 'c', 'g' || n from generate_series(1, 9) n").await;
    let api = Api::start().await;
    let sexton = Sexton::new(&config(&url, &api, RESOURCE));
    drop(sexton.run(&["migrate"]).await.expect_code(0));
    // One is bad from the start, and one is bad by the time it is claimed.
    let bad = "gcal_id = convert_from('\\x67ff', 'SQL_ASCII')";
    execute(&format!("update block set {bad} where id = 3")).await;
    let keys: Vec<_> = (1..=9).map(|n| n.to_string()).collect();
    let args = [&["request", "block"][..], &keys.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    drop(sexton.run(&args).await.expect_code(0));
    execute(&format!("update block set {bad} where id = 7")).await;
    drop(sexton.run(&["run", "--until-idle"]).await.expect_code(0));
    assert_eq!(api.log().len(), 7, "the others are called");
    let letters = sexton.run(&["dlq", "list", "--json"]).await.expect_code(0).stdout;
    let letters: Vec<serde_json::Value> = letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), 2, "{letters:?}");
    for letter in &letters {
        assert_eq!(letter["kind"], "unreadable", "{letter}");
        assert!(letter["error"].as_str().unwrap().contains("22021"), "{letter}");
    }
    // Mended and requested anew they go.
    execute("update block set gcal_id = 'g' || id").await;
    drop(sexton.run(&["request", "block", "3", "7"]).await.expect_code(0));
    drop(sexton.run(&["run", "--until-idle"]).await.expect_code(0));
    assert_eq!(api.log().len(), 9);
    application.close().await.unwrap();
    neighbour.execute(&format!("drop database {name} with (force)")).await;
}
