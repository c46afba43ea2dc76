//! `make bench-sync`: the sweep for unreferenced rows on 5 million rows of which 50,000 are unreferenced, and what it
//! costs an application that reads and writes the same tables meanwhile.
//!
//! Three passes: one that writes down what is unreferenced, one with nothing to do, and, when these rows are old
//! enough, one that deletes them. `SEXTON_BENCH_ROWS` says another number of rows.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures::future::join_all;
use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use serde_json::Value;
use sexton_tests::{Daemon, Postgres, Sexton, TestDb};

/// The share of rows that nothing references: one in this many.
const ORPHANS: usize = 100;
const CLIENTS: usize = 4;
const ALONE: Duration = Duration::from_secs(20);
/// Between two queries of a client: an application that is busy, and not at its limit.
const PAUSE: Duration = Duration::from_millis(2);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // `cargo test --benches` runs this file as well; it is no test.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let rows: usize = std::env::var("SEXTON_BENCH_ROWS").map_or(Ok(5_000_000), |rows| rows.parse())?;
    let server = Postgres::start_dedicated().await;
    let db = TestDb::on(&server).await;
    let started = Instant::now();
    fill(&db, rows).await;
    println!("{rows} rows, {} of them unreferenced, made in {:.0} s", rows / ORPHANS, started.elapsed().as_secs_f64());
    // The server says of every statement of this role how long it took.
    let role = db.create_role("sweeper", "superuser").await;
    db.execute(&format!("alter role {} set log_min_duration_statement = 0", role.name)).await;
    let sexton = Sexton::new(&config(&role.url));
    drop(sexton.run(&["migrate"]).await.expect_code(0));

    let alone = Application::on(&db, rows, async { tokio::time::sleep(ALONE).await }).await?;
    println!("application alone                 {}", alone.1);
    pass(&server, &db, &sexton, rows, "finds them").await?;
    pass(&server, &db, &sexton, rows, "has nothing to do").await?;
    db.execute("update toy set deprecated_at = deprecated_at - interval '15 days' where deprecated_at is not null")
        .await;
    db.execute(
        r#"update sexton_sweep set cursor = jsonb_set(cursor, '{covered,toy,from}', '"2020-01-01T00:00:00.000Z"')"#,
    )
    .await;
    pass(&server, &db, &sexton, rows, "deletes them").await?;
    let left = db.query_text("select count(*)::text from toy").await;
    assert_eq!(left, [[Some((rows - rows / ORPHANS).to_string())]], "rows are left, or too many went");
    Ok(())
}

async fn fill(db: &TestDb, rows: usize) {
    db.execute(&format!(
        "create table toy (id bigint primary key, name text, deprecated_at timestamptz);
         create table person (id bigint primary key, favorite_toy_id bigint);
         insert into toy select n, 'toy ' || n from generate_series(1, {rows}) n;
         insert into person select n, n from generate_series(1, {rows}) n where n % {ORPHANS} <> 0;
         create index on_toy on person (favorite_toy_id);
         alter table person add foreign key (favorite_toy_id) references toy (id)"
    ))
    .await;
    db.execute("vacuum analyze toy").await;
    db.execute("vacuum analyze person").await;
}

fn config(url: &str) -> String {
    format!(
        r#"
[database]
url = "{url}"
[console]
listen = "127.0.0.1:0"
[resources.toy]
table = "toy"
key = "id"
unreferenced = {{ by = [{{ table = "person", column = "favorite_toy_id" }}], since = "deprecated_at", hide_after = "7d", delete_after = "14d", mode = "on" }}
"#
    )
}

/// A pass with the application beside it.
async fn pass(server: &Postgres, db: &TestDb, sexton: &Sexton, rows: usize, what: &str) -> Result<(), Failure> {
    let logged = server.log().len();
    let started = Instant::now();
    let sweeping = async {
        let sweep = sexton.spawn(&["sweep", "unreferenced", "--json"]).await;
        let memory = peak_memory(&sweep).await;
        (sweep.wait(Duration::from_secs(10)).await, memory, started.elapsed(), sweep.logs())
    };
    let ((code, memory, took, output), beside) = Application::on(db, rows, sweeping).await?;
    let output: Vec<String> = output.into_iter().map(|line| line.text).collect();
    assert_eq!(code, 0, "{output:?}");
    let figures: Value = serde_json::from_str(output.last().ok_or("nothing was printed")?)?;
    let seconds = took.as_secs_f64();
    println!();
    println!("a pass that {what}: {figures}");
    println!("  {seconds:.1} s, {:.0} rows a second", figures["looked"].as_f64().unwrap_or_default() / seconds);
    let mut times: Vec<f64> = server.log().iter().skip(logged).filter_map(|line| duration(&line.text)).collect();
    times.sort_by(f64::total_cmp);
    let longest = times.last().ok_or("the server logged no statement")?;
    println!(
        "  {} statements, the longest {longest:.1} ms, 99 in 100 within {:.1} ms",
        times.len(),
        share(&times, 0.99)
    );
    println!("  memory at its peak {:.0} MB", memory as f64 / 1024.0);
    println!("  application beside it             {beside}");
    Ok(())
}

/// `… LOG:  duration: 0.123 ms  execute …`
fn duration(line: &str) -> Option<f64> {
    line.split_once("duration: ")?.1.split_once(" ms")?.0.parse().ok()
}

/// In kilobytes, until the process ends (proc(5), `VmHWM`).
async fn peak_memory(process: &Daemon) -> u64 {
    let mut peak = 0;
    while process.exit_code().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak = peak.max(line.trim().trim_end_matches(" kB").parse().unwrap_or_default());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    peak
}

fn share(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Clients that read rows and reference them.
struct Application;

impl Application {
    /// Their queries while `beside` takes place: how long they took.
    async fn on<T>(db: &TestDb, rows: usize, beside: impl Future<Output = T>) -> Result<(T, String), Failure> {
        let stop = AtomicBool::new(false);
        let clients = join_all((0..CLIENTS).map(|number| client(db, rows, number, &stop)));
        let beside = async {
            let result = beside.await;
            stop.store(true, Relaxed);
            result
        };
        let (clients, result) = tokio::join!(clients, beside);
        let mut times = Vec::new();
        for client in clients {
            times.extend(client?);
        }
        times.sort_by(f64::total_cmp);
        let text = format!(
            "{} queries, half of them within {:.2} ms, 99 in 100 within {:.2} ms, all within {:.0} ms",
            times.len(),
            share(&times, 0.5),
            share(&times, 0.99),
            share(&times, 1.0)
        );
        Ok((result, text))
    }
}

/// Reads a row, adds a reference to one, reads the references to one, and deletes the reference.
async fn client(db: &TestDb, rows: usize, number: usize, stop: &AtomicBool) -> Result<Vec<f64>, Failure> {
    let mut options = ConnectOptions::new(db.url());
    options.max_connections(1).sqlx_logging(false);
    let conn = Database::connect(options).await?;
    let (mut times, mut dice) = (Vec::new(), (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    while !stop.load(Relaxed) {
        // xorshift64 (Marsaglia 2003).
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        // One that is referenced: the conflict with an unreferenced one is not what is measured.
        let toy = (dice % (rows / ORPHANS) as u64) * ORPHANS as u64 + 1;
        let person = 1_000_000_000 + number;
        for sql in [
            format!("select name from toy where id = {toy}"),
            format!("insert into person values ({person}, {toy})"),
            format!("select id from person where favorite_toy_id = {toy}"),
            format!("delete from person where id = {person}"),
        ] {
            let started = Instant::now();
            conn.execute_unprepared(&sql).await?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(times)
}
