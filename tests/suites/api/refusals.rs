//! What the API refuses, and how it says so.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sexton_tests::{Postgres, TestDb};

use super::{
    client::Client,
    setup::{TOKEN, blocks, serve},
};
use crate::rig::{PATIENCE, Server, on_both};

on_both!(wrong_requests_are_refused_with_the_field_and_change_nothing);

async fn wrong_requests_are_refused_with_the_field_and_change_nothing(server: Server) {
    let rig = blocks(server, 1).await;
    let (daemon, client) = serve(&rig).await;
    let many: Vec<_> = (0..1001).collect();
    let long = "x".repeat(1001);
    let wrong: [(Value, &str, &str); 17] = [
        (json!({}), "body", "missing field `resource`"),
        (json!(["block", 1, null, null, null, null]), "body", "expected an object"),
        (json!({ "resource": "block" }), "key", "either key or keys"),
        (json!({ "resource": "block", "key": 1, "keys": [1] }), "keys", "not both"),
        (json!({ "resource": "block", "keys": [] }), "keys", "1 to 1000"),
        (json!({ "resource": "block", "keys": many }), "keys", "1001 keys"),
        (json!({ "resource": "nope", "key": 1 }), "resource", "configured are block"),
        (json!({ "resource": 7, "key": 1 }), "resource", "expected a string"),
        (json!({ "resource": "block", "key": { "id": 1 } }), "key", "a string, a whole number or an array"),
        (json!({ "resource": "block", "keys": [1, true] }), "keys[1]", "a string, a whole number or an array"),
        (json!({ "resource": "block", "keys": [1, "two"] }), "keys[1]", "column id is a whole number"),
        (json!({ "resource": "block", "key": [1] }), "key", "one column"),
        (json!({ "resource": "block", "key": 1.5 }), "key", "1.5 is not a whole number"),
        (json!({ "resource": "block", "key": 1, "after": "soon" }), "after", "`soon` is not a duration"),
        (json!({ "resource": "block", "key": 1, "reason": long }), "reason", "longer than 1000"),
        (json!({ "resource": "block", "key": 1, "requested_by": "a\0b" }), "requested_by", "NUL"),
        (json!({ "resource": "block", "key": 1, "colour": "red" }), "colour", "unknown field `colour`"),
    ];
    for (body, field, why) in wrong {
        let refused = client.post(body.clone()).await.expect(422);
        assert_eq!(refused.text("/field"), field, "{body}: {refused:?}");
        assert!(refused.text("/detail").starts_with(field) && refused.text("/detail").contains(why), "{refused:?}");
    }
    for (path, status) in [("?resource=block", 400), ("?resource=block&key=x", 422), ("?resource=nope&key=1", 422)] {
        client.get(&format!("/v1/deletions{path}")).await.expect(status);
    }
    client.send("POST", "/v1/deletions", Some("{".to_owned())).await.expect(400);
    client.send("POST", "/v1/deletions", None).await.expect(415);
    let large = json!({ "resource": "block", "key": "1", "reason": "x".repeat(2 * 1024 * 1024) });
    client.post(large).await.expect(413);
    assert_eq!(rig.one("select count(*) from block where deleted_at is null").await, "1");
    assert_eq!(rig.one("select count(*) from sexton_deletion").await, "0");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_shows_a_token_may_use_the_api() {
    let rig = blocks(Server::sqlite().await, 1).await;
    let (daemon, mut client) = serve(&rig).await;
    let body = json!({ "resource": "block", "key": 1 });
    let shorter = &TOKEN[..TOKEN.len() - 1];
    for (token, challenge) in [
        (None, "Bearer realm=\"sexton\""),
        (Some(shorter), "Bearer realm=\"sexton\", error=\"invalid_token\""),
        (Some("another-0123456789abcdef"), "Bearer realm=\"sexton\", error=\"invalid_token\""),
    ] {
        client.token = token.map(str::to_owned);
        let refused = client.post(body.clone()).await.expect(401);
        assert_eq!(refused.header("www-authenticate"), challenge);
        client.get("/v1/deletions?resource=block&key=1").await.expect(401);
        client.get("/v1/deletions/01939d1c-0000-7000-8000-000000000000").await.expect(401);
        client.delete("/v1/deletions/01939d1c-0000-7000-8000-000000000000").await.expect(401);
    }
    assert_eq!(rig.one("select count(*) from sexton_deletion").await, "0");
    let console = daemon.address("console").await;
    let open = |path: &str| reqwest::get(format!("http://{console}{path}"));
    for path in ["/healthz", "/readyz", "/metrics", "/v1/openapi.json"] {
        assert_eq!(open(path).await.unwrap().status(), 200, "{path}");
    }
    assert!(
        open("/metrics").await.unwrap().text().await.unwrap().contains("sexton_api_requests_total{status=\"401\"}")
    );
    assert_eq!(open("/v1/nothing").await.unwrap().headers()["content-type"], "application/problem+json");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_that_is_away_is_unavailable_and_comes_back() {
    let mut postgres = Postgres::start_dedicated().await;
    let rig = blocks(Server::Postgres(TestDb::on(&postgres).await), 1).await;
    let (daemon, client) = serve(&rig).await;
    postgres.stop_immediate().await;
    let body = json!({ "resource": "block", "key": 1 });
    let away = client.post(body.clone()).await.expect(503);
    assert_eq!(away.header("retry-after"), "5");
    client.get("/v1/deletions?resource=block&key=1").await.expect(503);
    postgres.start_again().await;
    let start = Instant::now();
    let id = loop {
        let answer = client.post(body.clone()).await;
        if answer.status == 201 {
            break answer.text("/deletions/0/id").to_owned();
        }
        assert!(start.elapsed() < PATIENCE, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let shown = client.get(&format!("/v1/deletions/{id}")).await.expect(200);
    assert_eq!(shown.text("/id"), id);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_for_locks_do_not_keep_the_worker_from_its_connections() {
    let rig = blocks(Server::postgres().await, 2).await;
    let file = std::fs::read_to_string(rig.sexton.dir().join("sexton.toml")).unwrap();
    rig.sexton.write("sexton.toml", &file.replace("[database]\n", "[database]\nmax_connections = 2\n"));
    let (daemon, client) = serve(&rig).await;
    let application = rig.server.connect().await;
    let transaction = sea_orm::TransactionTrait::begin(&application).await.unwrap();
    let lock = "select 1 from block where id = 1 for update";
    sea_orm::ConnectionTrait::execute_unprepared(&transaction, lock).await.unwrap();
    let post = |client: Client| async move { client.post(json!({ "resource": "block", "key": 1 })).await };
    let others = [Client::new(&daemon.address("api").await, TOKEN).await, client];
    let [first, second] = others.map(post);
    // Meanwhile a deletion that was requested elsewhere is worked on.
    let id = rig.request("block", &["2"]).await.remove(0);
    let (first, second, settled) = futures::join!(first, second, rig.settled(&id));
    assert_eq!(settled, "completed");
    let details = [first.expect(503), second.expect(503)].map(|answer| answer.text("/detail").to_owned());
    let said = |what: &str| details.iter().any(|detail| detail.contains(what));
    assert!(said("locked by another transaction") && said("too many requests"), "{details:?}");
    drop(transaction);
    daemon.stop().await;
}
