//! Clients of the console and the API that send nothing, or half a request, or take no answer.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use sexton_tests::{Daemon, PATIENCE, Sexton};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    console::get,
    rig::{RESOURCE, Rig, Server},
};

const TOKEN: &str = "billing-0123456789abcdef";

/// More than the process may have files.
const CLIENTS: usize = 300;
const FILES: u32 = 200;

/// Short deadlines, and an API.
fn settings(http: &str) -> String {
    format!("{RESOURCE}\n[api]\ntokens = [{{ name = \"billing\", token = \"{TOKEN}\" }}]\n[http]\n{http}\n")
}

async fn start(rig: Rig) -> (Rig, Daemon, String) {
    let Rig { server, api, sexton } = rig;
    let rig = Rig { server, api, sexton: Sexton::open_files(sexton, FILES) };
    let daemon = rig.sexton.spawn(&["run"]).await;
    let console = daemon.address("console").await;
    (rig, daemon, console)
}

async fn client(address: &str, sends: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may have been closed already.
    stream.write_all(sends.as_bytes()).await.ok();
    stream
}

/// The header of a request whose body has 100 bytes, of which none is sent.
fn half_a_request() -> String {
    format!(
        "POST /v1/deletions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\
         authorization: Bearer {TOKEN}\r\n\r\n{{\"resource\": "
    )
}

/// What the server still says before it closes the connection.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    // A connection that is reset is closed as well.
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the connection stays open").ok();
    String::from_utf8(said).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_and_probes_go_on_among_more_silent_clients_than_there_are_descriptors() {
    let rig = Rig::blocks_with(Server::postgres().await, 60, &settings("header_timeout = \"60s\"")).await;
    let (rig, daemon, console) = start(rig).await;
    let half = half_a_request();
    let kinds = ["", "GET /healthz HTTP/1.1\r\nhost:", "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n", &half];
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(client(&console, kinds[number % kinds.len()]).await);
    }
    // The answers of the external system take a while, so that many connections are open at once.
    let slow =
        sexton_tests::api::Answer::Delay(Duration::from_millis(100), Box::new(sexton_tests::api::Answer::Status(204)));
    rig.api.set_default(sexton_tests::api::Behaviour::Always(slow));
    let keys: Vec<String> = (1..=60).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    drop(rig.request("block", &keys).await);
    assert_eq!(get(&console, "/healthz").await.1, "ok\n");
    rig.until("select count(*) from block", "0").await;
    let attempts = "select count(*), max(attempts) from sexton_deletion_done where state = 'completed'";
    assert_eq!(rig.rows(attempts).await, ["60|1"]);
    assert_eq!(rig.one("select count(*) from sexton_attempt").await, "0", "no attempt failed");
    for _ in 0..20 {
        assert_eq!(get(&console, "/readyz").await.0, "HTTP/1.1 200 OK");
    }
    drop(clients);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_closed_when_their_time_is_over() {
    let http = "header_timeout = \"300ms\"\nbody_timeout = \"400ms\"\nidle_timeout = \"300ms\"";
    let rig = Rig::blocks_with(Server::sqlite().await, 1, &settings(http)).await;
    let (_rig, daemon, console) = start(rig).await;
    assert_eq!(until_closed(client(&console, "").await).await, "");
    assert_eq!(until_closed(client(&console, "GET /healthz HTTP/1.1\r\nhost:").await).await, "");
    // Each byte comes soon after the last one, and the header never ends.
    let mut trickle = client(&console, "GET /healthz HTTP/1.1\r\nx: ").await;
    let trickled = async {
        while trickle.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trickled).await.expect("the connection stays open");
    let idle = until_closed(client(&console, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
    assert!(idle.starts_with("HTTP/1.1 200 OK") && idle.ends_with("ok\n"), "{idle}");
    let half = until_closed(client(&console, &half_a_request()).await).await;
    assert!(half.starts_with("HTTP/1.1 408 Request Timeout") && half.contains("did not arrive in time"), "{half}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_that_waits_for_a_lock_is_answered_when_its_time_is_over() {
    let rig = Rig::blocks_with(Server::postgres().await, 1, &settings("request_timeout = \"300ms\"")).await;
    let (rig, daemon, console) = start(rig).await;
    let connection = rig.server.connect().await;
    let lock = connection.begin().await.unwrap();
    lock.execute_unprepared("select 1 from block where id = 1 for update").await.unwrap();
    let body = "{\"resource\": \"block\", \"key\": 1}";
    let head = half_a_request().replace("100", &body.len().to_string());
    let request = head.replace("{\"resource\": ", body).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let answer = until_closed(client(&console, &request).await).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: "), "{answer}");
    assert!(answer.contains("took longer than 300ms"), "{answer}");
    lock.rollback().await.unwrap();
    assert_eq!(rig.one("select count(*) from sexton_deletion").await, "0", "it was given up");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_not_spoken() {
    let rig = Rig::blocks_with(Server::sqlite().await, 1, &settings("")).await;
    let (_rig, daemon, console) = start(rig).await;
    // The preface of a client that knows that the server speaks it (RFC 9113 §3.4).
    let said = until_closed(client(&console, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{said:?}");
    daemon.stop().await;
}
