//! `make bench`: deletions per second end to end, and the same for a bare loop without ledger or queue, in one run.
//!
//! Both delete the same number of rows on the same PostgreSQL. They call the same local API, which answers 204 at once,
//! with the same number of calls in flight and of database connections. The bare loop does for each row: select it,
//! call the API, delete it. It survives nothing, and is the least that any design has to do.

use std::time::{Duration, Instant};

use axum::{Router, http::StatusCode, routing::delete};
use futures::{StreamExt, stream};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use sexton_tests::{Redis, Sexton, TestDb};
use tokio::net::TcpListener;

const ROWS: usize = 20_000;
const IN_FLIGHT: usize = 64;
const CONNECTIONS: u32 = 16;
const ROUNDS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs this file as well; it is no test.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    rustls::crypto::ring::default_provider().install_default().ok();
    let api = api().await?;
    let redis = Redis::start().await;
    println!("{ROWS} rows, {IN_FLIGHT} calls in flight, {CONNECTIONS} connections, best of {ROUNDS} rounds");
    let (mut best_bare, mut best_sexton, mut best_ledger) = (0.0f64, 0.0f64, 0.0f64);
    for round in 1..=ROUNDS {
        let bare = bare_loop(&api).await?;
        let sexton = with_sexton(&api, Some(&redis)).await?;
        let ledger = with_sexton(&api, None).await?;
        println!("round {round}: bare loop {bare:.0}/s, sexton with Redis {sexton:.0}/s, sexton without {ledger:.0}/s");
        best_bare = best_bare.max(bare);
        best_sexton = best_sexton.max(sexton);
        best_ledger = best_ledger.max(ledger);
    }
    println!();
    println!("bare loop, no ledger, no queue   {best_bare:8.0} deletions/s");
    println!(
        "sexton, PostgreSQL and Redis     {best_sexton:8.0} deletions/s   {:.2} of the bare loop",
        best_sexton / best_bare
    );
    println!(
        "sexton, PostgreSQL only          {best_ledger:8.0} deletions/s   {:.2} of the bare loop",
        best_ledger / best_bare
    );
    Ok(())
}

/// The trivial API; returns its base URL.
async fn api() -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/events/{id}", delete(|| async { StatusCode::NO_CONTENT }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn rows(db: &TestDb) {
    db.execute("create table block (id bigint primary key, gcal_id text, deleted_at timestamptz)").await;
    db.execute(&format!("insert into block select n, 'event-' || n from generate_series(1, {ROWS}) n")).await;
    db.execute("analyze block").await;
}

async fn bare_loop(api: &str) -> Result<f64, Failure> {
    let db = TestDb::new().await;
    rows(&db).await;
    let mut options = ConnectOptions::new(db.url());
    options.max_connections(CONNECTIONS).sqlx_logging(false);
    let conn = Database::connect(options).await?;
    let http = reqwest::Client::builder().pool_max_idle_per_host(IN_FLIGHT).tcp_nodelay(true).build()?;
    let started = Instant::now();
    let results: Vec<Result<(), Failure>> = stream::iter(1..=ROWS as i64)
        .map(|id| delete_one(id, &conn, &http, api))
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;
    let elapsed = started.elapsed();
    results.into_iter().collect::<Result<Vec<()>, Failure>>()?;
    assert_none_left(&db).await;
    Ok(per_second(elapsed))
}

async fn delete_one(id: i64, conn: &DatabaseConnection, http: &reqwest::Client, api: &str) -> Result<(), Failure> {
    let statement = |sql| Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]);
    let row = conn.query_one_raw(statement("select gcal_id from block where id = $1")).await?;
    let gcal_id: String = row.ok_or("the row is gone")?.try_get("", "gcal_id")?;
    let answer = http.delete(format!("{api}/events/{gcal_id}")).send().await?;
    if !answer.status().is_success() {
        return Err(format!("the API answered {}", answer.status()).into());
    }
    conn.execute_raw(statement("delete from block where id = $1")).await?;
    Ok(())
}

/// Phase 1 is done before the clock starts: it belongs to the application, as marking a row does in either design.
async fn with_sexton(api: &str, redis: Option<&Redis>) -> Result<f64, Failure> {
    let db = TestDb::new().await;
    rows(&db).await;
    let queue = redis.map(|redis| format!("url = \"{}\"\nname = \"{}\"\n", redis.url(), db.name())).unwrap_or_default();
    let sexton = Sexton::new(&format!(
        r#"
[database]
url = "{}"
max_connections = {CONNECTIONS}
[queue]
{queue}
[worker]
concurrency = {IN_FLIGHT}
[console]
listen = "127.0.0.1:0"
[resources.block]
table = "block"
key = "id"
marker = {{ column = "deleted_at" }}
[[resources.block.targets]]
name = "calendar"
kind = "http"
url = "{api}/events/{{gcal_id}}"
allow_private = true
"#,
        db.url()
    ));
    drop(sexton.run(&["migrate"]).await.expect_code(0));
    let keys: Vec<String> = (1..=ROWS).map(|id| id.to_string()).collect();
    for keys in keys.chunks(2_000) {
        // Not due before the worker starts, so that no hint is pushed and nothing is under way when the clock starts.
        let mut args = vec!["request", "block", "--after", "1h"];
        args.extend(keys.iter().map(String::as_str));
        drop(sexton.run(&args).await.expect_code(0));
    }
    db.execute("update sexton_deletion set run_at = clock_timestamp()").await;
    db.execute("vacuum analyze sexton_deletion").await;
    let started = Instant::now();
    drop(sexton.run_within(Duration::from_secs(300), &["run", "--until-idle"]).await.expect_code(0));
    let elapsed = started.elapsed();
    assert_none_left(&db).await;
    Ok(per_second(elapsed))
}

async fn assert_none_left(db: &TestDb) {
    let left = db.query_text("select count(*)::text from block").await;
    assert_eq!(left, [[Some("0".to_owned())]], "rows are left");
}

fn per_second(elapsed: Duration) -> f64 {
    ROWS as f64 / elapsed.as_secs_f64()
}
