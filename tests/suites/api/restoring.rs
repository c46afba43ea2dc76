//! Taking requests back over HTTP.

use serde_json::{Value, json};

use super::setup::{blocks, serve};
use crate::rig::{Server, on_both};

on_both!(
    restored_row_is_live_and_the_action_says_who_did_it,
    deletion_that_was_called_for_cannot_be_restored,
    batch_is_restored_as_a_whole_or_not_at_all,
);

async fn restored_row_is_live_and_the_action_says_who_did_it(server: Server) {
    let rig = blocks(server, 1).await;
    let (daemon, client) = serve(&rig).await;
    let made = client.post(json!({ "resource": "block", "key": 1, "after": "1h" })).await.expect(201);
    let path = made.header("location").to_owned();
    let restored = client.delete(&format!("{path}?reason=a%20mistake&requested_by=ann")).await.expect(200);
    assert_eq!(restored.text("/restored/0/id"), made.text("/deletions/0/id"));
    assert_eq!(restored.body["restored"][0]["row_restored"], true);
    assert_eq!(rig.one("select deleted_at from block").await, "-");
    let shown = client.get(&path).await.expect(200);
    assert_eq!((shown.text("/state"), shown.text("/cancelled_by")), ("cancelled", "restored"));
    let action = |field: &str| shown.text(&format!("/actions/0/{field}")).to_owned();
    assert_eq!(
        (action("action"), action("who"), action("reason")),
        ("restore".to_owned(), "ann via billing".to_owned(), "a mistake".to_owned())
    );
    let again = client.delete(&path).await.expect(409);
    assert!(again.text("/detail").contains("it was restored already; nothing was restored"), "{again:?}");
    for unknown in ["01939d1c-0000-7000-8000-000000000000", "nonsense"] {
        client.delete(&format!("/v1/deletions/{unknown}")).await.expect(404);
        client.delete(&format!("/v1/deletions/{unknown}?batch=true")).await.expect(404);
    }
    client.delete(&format!("{path}?batch=perhaps")).await.expect(400);
    client.delete(&format!("{path}?colour=red")).await.expect(400);
    client.delete(&format!("{path}?reason={}", "x".repeat(1001))).await.expect(422);
    assert_eq!(rig.calls(), Vec::<String>::new());
    daemon.stop().await;
}

async fn deletion_that_was_called_for_cannot_be_restored(server: Server) {
    let rig = blocks(server, 1).await;
    let (daemon, client) = serve(&rig).await;
    let made = client.post(json!({ "resource": "block", "key": 1 })).await.expect(201);
    rig.settled(made.text("/deletions/0/id")).await;
    let late = client.delete(made.header("location")).await.expect(409);
    assert!(late.text("/detail").contains("it is completed"), "{late:?}");
    assert_eq!(rig.one("select count(*) from sexton_action").await, "0");
    daemon.stop().await;
}

async fn batch_is_restored_as_a_whole_or_not_at_all(server: Server) {
    let rig = blocks(server, 4).await;
    let (daemon, client) = serve(&rig).await;
    let body = |keys: [i64; 2]| json!({ "resource": "block", "keys": keys, "after": "1h" });
    let (first, second) = (client.post(body([1, 2])).await.expect(201), client.post(body([3, 4])).await.expect(201));
    let path = |made: &super::client::Answer| format!("/v1/deletions/{}?batch=true", made.text("/deletions/0/id"));
    let restored = client.delete(&path(&first)).await.expect(200);
    assert_eq!(restored.body["restored"].as_array().map(Vec::len), Some(2));
    // One of the others has gone too far.
    let gone = second.text("/deletions/1/id");
    rig.execute(&format!("update sexton_deletion set called_at = requested_at where id = '{gone}'")).await;
    let refused = client.delete(&path(&second)).await.expect(409);
    assert!(refused.text("/detail").contains(gone), "{refused:?}");
    assert_eq!(rig.rows("select id from block where deleted_at is null order by id").await, ["1", "2"]);
    assert_eq!(client.get("/v1/deletions?resource=block&key=3").await.body["actions"], Value::from(vec![0; 0]));
    daemon.stop().await;
}
