//! The operators' HTTP address, and what a daemon says of itself.

use sexton_tests::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{RESOURCE, Rig, Server};

/// Status line and body of a GET.
pub(super) async fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_answers_health_readiness_and_metrics() {
    let rig = Rig::blocks(Server::postgres().await, 2).await;
    rig.execute("update block set gcal_id = '' where id = 2").await;
    let ids = rig.request("block", &["1", "2"]).await;
    let daemon = rig.sexton.spawn(&["run"]).await;
    let console = daemon.address("console").await;
    assert_eq!(get(&console, "/healthz").await, ("HTTP/1.1 200 OK".to_owned(), "ok\n".to_owned()));
    let (status, body) = get(&console, "/readyz").await;
    let ready: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status.as_str(), &ready["database"]), ("HTTP/1.1 200 OK", &"ok".into()));
    assert_eq!(ready["redis"], "not configured");
    for id in ids {
        rig.settled(&id).await;
    }
    // Gauges are refreshed now and then.
    let mut metrics = String::new();
    eventually("the gauges are there", async || {
        metrics = get(&console, "/metrics").await.1;
        metrics.contains("sexton_dead_letters")
    })
    .await;
    for line in [
        "# TYPE sexton_claims_total counter",
        "sexton_claims_total{resource=\"block\"} 2",
        "sexton_calls_total{resource=\"block\",target=\"calendar\",outcome=\"confirmed\"} 1",
        "# TYPE sexton_call_duration_seconds histogram",
        "sexton_completions_total{resource=\"block\",row=\"deleted\"} 1",
        "sexton_dead_total{resource=\"block\",kind=\"bad_template\"} 1",
        "# TYPE sexton_in_flight_deletions gauge",
        "# TYPE sexton_dead_letters gauge",
        "sexton_fed_by_redis 0",
    ] {
        assert!(metrics.lines().any(|known| known.starts_with(line)), "no {line} in:\n{metrics}");
    }
    assert!(!metrics.contains("outcome=\"bad_template\""), "what was never called is not a call:\n{metrics}");
    assert!(get(&console, "/nowhere").await.0.contains("404"));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_worker_on_a_taken_console_address_fails() {
    let rig = Rig::blocks(Server::sqlite().await, 1).await;
    let daemon = rig.sexton.spawn(&["run"]).await;
    let console = daemon.address("console").await;
    let file = std::fs::read_to_string(rig.sexton.dir().join("sexton.toml")).unwrap();
    rig.sexton.write("sexton.toml", &file.replace("127.0.0.1:0", &console));
    let failed = rig.run(&["run"]).await.expect_code(1).stderr;
    let said = ["console.listen", &console, "in use"];
    assert!(said.iter().all(|part| failed.contains(part)), "{failed}");
    assert_eq!(daemon.exit_code(), None, "the first one keeps running");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_in_no_log_line() {
    let rig = Rig::blocks(Server::postgres().await, 1).await;
    let file = std::fs::read_to_string(rig.sexton.dir().join("sexton.toml")).unwrap();
    // The private server lets every user in, whatever the password.
    let file = file
        .replace("postgres@", "postgres:hunter2@")
        .replace("timeout =", "headers = { Authorization = \"Bearer hunter2\" }\ntimeout =");
    let redis = "[queue]\nurl = \"redis://:hunter2@127.0.0.1:1/\"\n[retry]";
    rig.sexton.write("sexton.toml", &file.replace("[retry]", redis));
    let Rig { server, api, sexton } = rig;
    let rig = Rig { server, api, sexton: sexton.env("SEXTON_LOG", "trace") };
    rig.api.script("/calendars/c/events/g1", vec![sexton_tests::api::Answer::Status(500)]);
    let mut outputs = vec![rig.run(&["request", "block", "1"]).await.expect_code(0)];
    outputs.push(rig.run(&["run", "--until-idle"]).await.expect_code(0));
    outputs.push(rig.run(&["check"]).await.expect_code(1));
    assert_eq!(rig.calls().len(), 2);
    for output in outputs {
        assert!(!output.stderr.is_empty());
        let lines = [output.stdout, output.stderr].concat();
        let leaks: Vec<_> = lines.lines().filter(|line| line.contains("hunter2")).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
    assert!(RESOURCE.contains("timeout ="));
}
