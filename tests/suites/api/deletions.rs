//! Requesting deletions, and reading what became of them.

use std::time::{Duration, Instant};

use serde_json::json;
use sexton_tests::{
    api::{Answer, Gate},
    measure::{median, takes_at_most},
};

use super::setup::{API, blocks, serve};
use crate::rig::{PATIENCE, Rig, Server, on_both};

on_both!(
    deletion_requested_over_http_is_carried_out,
    second_request_gives_the_same_deletion,
    several_keys_are_removed_together_or_not_at_all,
    keys_may_be_written_as_the_table_has_them,
    row_without_targets_is_gone_with_the_answer,
);

async fn deletion_requested_over_http_is_carried_out(server: Server) {
    let rig = blocks(server, 1).await;
    let (daemon, mut client) = serve(&rig).await;
    client.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let body = json!({ "resource": "block", "key": 1, "reason": "ticket 4711", "requested_by": "ann" });
    let answer = client.post(body).await.expect(201);
    let (id, key) = (answer.text("/deletions/0/id").to_owned(), answer.text("/deletions/0/key"));
    assert_eq!((key, &answer.body["deletions"][0]["created"]), ("1", &json!(true)));
    assert_eq!(answer.header("location"), format!("/v1/deletions/{id}"));
    assert_eq!(rig.settled(&id).await, "completed");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    assert_eq!(rig.one("select count(*) from block").await, "0");
    let shown = client.get(answer.header("location")).await.expect(200);
    assert_eq!(shown.body, rig.show(&id).await, "the same as `sexton show --json`");
    assert_eq!((shown.text("/reason"), shown.text("/requested_by")), ("ticket 4711", "ann via billing"));
    assert_eq!(shown.text("/confirmations/calendar/answer"), "deleted");
    let trace = rig.one("select trace_context from sexton_deletion_done").await;
    assert_eq!(trace, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    // The row is gone, but what became of it is known.
    let found = client.get("/v1/deletions?resource=block&key=1").await.expect(200);
    assert_eq!(found.text("/id"), id);
    client.get("/v1/deletions?resource=block&key=2").await.expect(404);
    client.get("/v1/deletions/01939d1c-0000-7000-8000-000000000000").await.expect(404);
    client.get("/v1/deletions/nonsense").await.expect(404);
    let again = client.post(json!({ "resource": "block", "key": 1 })).await.expect(404);
    assert_eq!(again.text("/detail"), "block has no row with the key `1`; nothing was removed");
    daemon.stop().await;
}

async fn second_request_gives_the_same_deletion(server: Server) {
    let rig = blocks(server, 2).await;
    let gate = Gate::new();
    rig.api.script("/calendars/c/events/g1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let (daemon, client) = serve(&rig).await;
    let body = json!({ "resource": "block", "key": "1", "reason": "first" });
    let first = client.post(body.clone()).await.expect(201).text("/deletions/0/id").to_owned();
    rig.api.wait_for_calls(1, PATIENCE).await;
    let second = client.post(json!({ "resource": "block", "key": 1, "reason": "second" })).await.expect(200);
    assert_eq!((second.text("/deletions/0/id"), second.text("/deletions/0/state")), (first.as_str(), "running"));
    assert_eq!(second.header("location"), "", "nothing was created");
    let both = client.post(json!({ "resource": "block", "keys": [2, 1, 2], "after": "1h" })).await.expect(201);
    let made = |n: usize| (both.text(&format!("/deletions/{n}/key")), both.body["deletions"][n]["created"].clone());
    assert_eq!((made(0), made(1)), (("2", json!(true)), ("1", json!(false))), "in the order of the keys");
    assert_eq!(both.body["deletions"].as_array().unwrap().len(), 2);
    gate.open();
    assert_eq!(rig.settled(&first).await, "completed");
    let shown = client.get(&format!("/v1/deletions/{first}")).await.expect(200);
    assert_eq!((shown.text("/reason"), shown.text("/requested_by")), ("first", "billing"));
    let later = client.get("/v1/deletions?resource=block&key=2").await.expect(200);
    assert_eq!(later.text("/state"), "pending", "not before an hour has passed");
    assert_eq!(rig.calls().len(), 1);
    daemon.stop().await;
}

async fn several_keys_are_removed_together_or_not_at_all(server: Server) {
    let rig = blocks(server, 3).await;
    let (daemon, client) = serve(&rig).await;
    let refused = client.post(json!({ "resource": "block", "keys": [1, 999, "-5", 2] })).await.expect(404);
    assert_eq!(refused.text("/detail"), "block has no row with the key `999`, `-5`; nothing was removed");
    assert_eq!(rig.one("select count(*) from block where deleted_at is not null").await, "0");
    assert_eq!(rig.one("select count(*) from sexton_deletion").await, "0");
    let made = client.post(json!({ "resource": "block", "keys": [3, 1, 2] })).await.expect(201);
    assert_eq!(made.header("location"), "");
    rig.until("select count(*) from block", "0").await;
    assert_eq!(rig.one("select count(distinct batch_id) from sexton_deletion_done").await, "1");
    daemon.stop().await;
}

async fn keys_may_be_written_as_the_table_has_them(server: Server) {
    let tables = "create table seat (hall text, n integer, deleted_at TIME_TYPE, primary key (hall, n));
        insert into seat (hall, n) values ('a', 1), ('a', 2), ('b \"\\', 1)";
    let seat = "[resources.seat]\ntable = \"seat\"\nkey = [\"hall\", \"n\"]\ngrace = \"1h\"\n\
                marker = { column = \"deleted_at\" }\n";
    let rig = Rig::with(server, tables, &format!("{seat}{API}")).await;
    let (daemon, client) = serve(&rig).await;
    let made = client.post(json!({ "resource": "seat", "keys": [["a", 1], ["b \"\\", "1"]] })).await.expect(201);
    let key = made.text("/deletions/0/key").to_owned();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&key).unwrap(), json!(["a", "1"]));
    // The key in the answer can be used in the next request.
    client.post(json!({ "resource": "seat", "key": key })).await.expect(200);
    let found = client.get("/v1/deletions?resource=seat&key=%5B%22b%20%5C%22%5C%5C%22,1%5D").await.expect(200);
    assert_eq!(found.text("/id"), made.text("/deletions/1/id"));
    for (key, why) in [
        (json!("a"), "expected a JSON array with a value for each of hall, n"),
        (json!(["a"]), "expected a JSON array with a value for each of hall, n"),
        (json!(["a", "one"]), "column n is a whole number"),
        (json!(["a", 1.5]), "1.5 is not a whole number"),
    ] {
        let refused = client.post(json!({ "resource": "seat", "key": key })).await.expect(422);
        assert!(refused.text("/detail").contains(why), "{refused:?}");
        assert_eq!(refused.text("/field"), "key");
    }
    daemon.stop().await;
}

async fn row_without_targets_is_gone_with_the_answer(server: Server) {
    let tables = "create table tag (id integer primary key, deleted_at TIME_TYPE);
        create table post (id integer primary key, tag integer not null references tag (id));
        insert into tag (id) values (1), (2); insert into post values (1, 2)";
    let tag = "[resources.tag]\ntable = \"tag\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\n";
    let rig = Rig::with(server, tables, &format!("{tag}{API}")).await;
    let (daemon, client) = serve(&rig).await;
    let made = client.post(json!({ "resource": "tag", "key": 1 })).await.expect(201);
    assert_eq!(made.text("/deletions/0/state"), "completed");
    let refused = client.post(json!({ "resource": "tag", "key": 2 })).await.expect(409);
    assert!(refused.text("/detail").contains("nothing was changed"), "{refused:?}");
    assert_eq!(rig.rows("select id, deleted_at from tag").await, ["2|-"]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_on_a_worker_that_drains_is_recorded_for_others() {
    let rig = blocks(Server::postgres().await, 2).await;
    let gate = Gate::new();
    rig.api.script("/calendars/c/events/g1", vec![Answer::Held(gate.clone(), Box::new(Answer::Status(204)))]);
    let (daemon, client) = serve(&rig).await;
    client.post(json!({ "resource": "block", "key": 1 })).await.expect(201);
    rig.api.wait_for_calls(1, PATIENCE).await;
    daemon.signal("TERM");
    daemon.wait_for_log("stopping", PATIENCE).await;
    let made = client.post(json!({ "resource": "block", "key": 2 })).await.expect(201);
    gate.open();
    assert_eq!(daemon.wait(PATIENCE).await, 0);
    let id = made.text("/deletions/0/id");
    assert_eq!(rig.state(id).await, "pending");
    rig.work().await;
    assert_eq!(rig.state(id).await, "completed");
    assert_eq!(rig.calls().len(), 2);
}

/// Without being told, a worker on SQLite would find it a quarter of a second later on average.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_starts_at_once_on_the_worker_that_was_asked() {
    let rig = blocks(Server::sqlite().await, 45).await;
    let (daemon, client) = serve(&rig).await;
    let time = async || {
        let mut times = Vec::new();
        let first = rig.api.log().len() + 1;
        for n in first..first + 9 {
            client.post(json!({ "resource": "block", "key": n })).await.expect(201);
            let asked = Instant::now();
            let calls = rig.api.wait_for_calls(n, PATIENCE).await;
            times.push(calls.last().unwrap().at.saturating_duration_since(asked));
            rig.until("select count(*) from sexton_deletion", "0").await;
        }
        median(times)
    };
    takes_at_most(Duration::from_millis(100), time).await;
    daemon.stop().await;
}

/// A server (`idle_session_timeout`), a pooler or a firewall closes connections that are idle for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_closed_while_idle_fail_nothing() {
    let rig = blocks(Server::postgres().await, 20).await;
    let name = rig.server.as_postgres().name().to_owned();
    rig.execute(&format!("alter database {name} set idle_session_timeout = '3s'")).await;
    let (daemon, client) = serve(&rig).await;
    for round in 0..2 {
        // Several at once, so that the pool has that many connections.
        let keys = (1..=10).map(|n| json!({ "resource": "block", "key": round * 10 + n }));
        let answers = futures::future::join_all(keys.map(|body| client.post(body))).await;
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [201; 10], "{answers:?}");
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    rig.until("select count(*) from block", "0").await;
    let logs: Vec<_> = daemon.logs().into_iter().map(|line| line.text).collect();
    assert!(logs.iter().all(|line| !line.contains("cannot") && !line.contains("idle-session")), "{logs:#?}");
    daemon.stop().await;
}
