//! Nothing may be left of a test run, however it ended.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sexton_tests::{Postgres, Redis, SqliteDb, TestDb};

/// What happens in another process has no event here, so this looks again and again.
pub(super) async fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
#[ignore = "not a test: the process that the next one kills"]
async fn process_with_servers() {
    let (_db, sqlite, redis) = (TestDb::new().await, SqliteDb::new().await, Redis::start().await);
    sqlite.execute("create table t (id int)").await;
    let server = Postgres::shared().await;
    let file = sqlite.url().trim_start_matches("sqlite://").trim_end_matches("?mode=rwc");
    println!("\nLEFT {} {} {} {file} END", server.port(), redis.port(), server.socket_dir().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn servers_and_directories_do_not_outlive_a_killed_test_process() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "support::leftovers::process_with_servers", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = std::io::BufReader::new(victim.stdout.take().unwrap());
    let find = move || std::io::BufRead::lines(stdout).map_while(Result::ok).find(|line| line.starts_with("LEFT "));
    let line = tokio::task::spawn_blocking(find).await.unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();

    let line = line.unwrap();
    let parts: Vec<&str> = line.split(' ').collect();
    for port in &parts[1..3] {
        let address = format!("127.0.0.1:{port}");
        until("a server is gone", || TcpStream::connect(&address).is_err()).await;
    }
    for path in &parts[3..5] {
        until("a directory is gone", || !Path::new(path).exists()).await;
    }
}
