//! Servers and directories do not outlive a test run, however it ends.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use sexton_tests::{Postgres, Redis, Server, TestDb, eventually};

#[tokio::test]
#[ignore = "not a test: the process that the next one kills"]
async fn process_with_servers() {
    let (_db, sqlite, redis) = (TestDb::new().await, Server::sqlite().await, Redis::start().await);
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
        eventually("a server is gone", async || TcpStream::connect(&address).is_err()).await;
    }
    for path in &parts[3..5] {
        eventually("a directory is gone", async || !Path::new(path).exists()).await;
    }
}
