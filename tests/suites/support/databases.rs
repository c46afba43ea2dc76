use sea_orm::{ConnectionTrait, DatabaseBackend};
use sexton_tests::{Postgres, Server, TestDb, eventually};

fn row(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[tokio::test]
async fn fresh_databases_share_no_tables() {
    let (one, two) = tokio::join!(TestDb::new(), TestDb::new());
    one.execute("create table t (id int); insert into t values (1)").await;
    assert_eq!(two.query_text("select to_regclass('t')").await, [[None]]);
    assert_eq!(one.query_text("select id from t").await, [row(&["1"])]);
    assert_eq!(one.connect().await.get_database_backend(), DatabaseBackend::Postgres);
}

#[tokio::test]
async fn every_type_of_postgres_is_read_as_text() {
    let db = TestDb::new().await;
    let rows = db
        .query_text("select 1::bigint, true, 1.50::numeric, '{\"a\": 1}'::jsonb, array[1,2], '2026-01-02'::date, ''")
        .await;
    assert_eq!(rows, [row(&["1", "t", "1.50", "{\"a\": 1}", "{1,2}", "2026-01-02", ""])]);
    assert_eq!(db.query_text("select null").await, [[None]]);
}

#[tokio::test]
async fn dropped_database_is_gone_even_with_a_connection_open() {
    let db = TestDb::new().await;
    let observer = TestDb::new().await;
    let connection = db.connect().await;
    connection.execute_unprepared("select 1").await.unwrap();
    let find = format!("select count(*) from pg_database where datname = '{}'", db.name());
    assert_eq!(observer.query_text(&find).await, [row(&["1"])]);
    drop(db);
    // The drop happens elsewhere and cuts the connection first: polling is the only event there is.
    eventually("the database is gone", async || observer.query_text(&find).await == [row(&["0"])]).await;
}

#[tokio::test]
async fn created_role_is_no_superuser_and_has_a_url_of_its_own() {
    let db = TestDb::new().await;
    db.execute("create table t (id int)").await;
    let role = db.create_role("app", "connection limit 5").await;
    let app = sea_orm::Database::connect(&role.url).await.unwrap();
    let refused = app.execute_unprepared("select * from t").await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    db.execute(&format!("grant select on t to {}", role.name)).await;
    app.execute_unprepared("select * from t").await.unwrap();
}

#[tokio::test]
async fn dedicated_server_comes_back_with_what_was_committed() {
    let mut server = Postgres::start_dedicated().await;
    let db = TestDb::on(&server).await;
    let application = db.connect().await;
    db.execute("create table t (id int); insert into t values (7)").await;
    application.execute_unprepared("begin; insert into t values (8)").await.unwrap();
    server.stop_immediate().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.is_err());
    server.start_again().await;
    assert_eq!(db.query_text("select id from t").await, [row(&["7"])]);
    application.execute_unprepared("select 1").await.unwrap();
}

#[tokio::test]
async fn stopping_a_dedicated_server_leaves_the_shared_one_alone() {
    let db = TestDb::new().await;
    let mut server = Postgres::start_dedicated().await;
    server.stop_immediate().await;
    assert_eq!(db.query_text("show fsync").await, [row(&["off"])]);
    assert_eq!(db.query_text("show max_connections").await, [row(&["300"])]);
}

#[tokio::test]
async fn sqlite_databases_share_nothing_and_are_read_as_text() {
    let (one, two) = (Server::empty_sqlite(), Server::empty_sqlite());
    one.execute("create table t (id integer, x real, s text); insert into t values (1, 1.5, null)").await;
    let rows = one.query_text("select id, x, s, typeof(s) from t").await;
    assert_eq!(rows, [[Some("1".into()), Some("1.5".into()), None, Some("null".into())]]);
    assert_eq!(two.query_text("select count(*) from sqlite_master").await, [row(&["0"])]);
    assert_eq!(one.connect().await.get_database_backend(), DatabaseBackend::Sqlite);
    assert!(one.url().starts_with("sqlite:///") && one.url().ends_with("?mode=rwc"));
}
