//! `[api]`: where it is served, and tokens that appear nowhere.

use serde_json::json;

use super::{
    client::Client,
    setup::{API, TOKEN, blocks, serve},
};
use crate::rig::{RESOURCE, Rig, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tokens_there_is_no_api() {
    let rig = Rig::blocks(Server::sqlite().await, 1).await;
    let daemon = rig.daemon().await;
    let console = daemon.address("console").await;
    for path in ["/v1/deletions", "/v1/openapi.json"] {
        assert_eq!(reqwest_status(&console, path).await, 404);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_may_have_an_address_of_its_own() {
    let rig = Rig::blocks(Server::sqlite().await, 1).await;
    rig.reconfigure(&format!("{RESOURCE}\n{API}listen = \"127.0.0.1:0\"\n"));
    let (daemon, client) = serve(&rig).await;
    client.post(json!({ "resource": "block", "key": 1 })).await.expect(201);
    let (console, api) = (daemon.address("console").await, daemon.address("api").await);
    assert_eq!(reqwest_status(&console, "/v1/openapi.json").await, 404);
    assert_eq!(reqwest_status(&console, "/healthz").await, 200);
    assert_eq!(reqwest_status(&api, "/healthz").await, 404);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_may_be_replaced_while_both_are_good() {
    let rig = Rig::blocks(Server::sqlite().await, 1).await;
    let two = "[api]\ntokens = [{ name = \"billing\", token = \"billing-0123456789abcdef\" },
        { name = \"billing\", token = \"billing-fedcba9876543210\" }]\n";
    rig.reconfigure(&format!("{RESOURCE}\n{two}"));
    let (daemon, old) = serve(&rig).await;
    let new = Client::new(&daemon.address("api").await, "billing-fedcba9876543210").await;
    for (client, status) in [(old, 201), (new, 200)] {
        client.post(json!({ "resource": "block", "key": 1, "after": "1h" })).await.expect(status);
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_do_not_fit_are_refused_without_repeating_them() {
    let rig = Rig::blocks(Server::sqlite().await, 1).await;
    let client = |token: &str| format!("tokens = [{{ name = \"shop\", token = \"{token}\" }}]");
    let twice = "tokens = [{ name = \"a\", token = \"hunter2hunter2hunter2\" }, { name = \"b\", token = \"hunter2hunter2hunter2\" }]";
    for (api, wanted) in [
        (client("hunter2"), &["api.tokens[0].token", "16 characters", "openssl rand"][..]),
        (client(""), &["api.tokens[0].token", "16 characters"]),
        (client("hunter2 hunter2 hunter2"), &["api.tokens[0].token", "cannot be sent"]),
        (twice.to_owned(), &["api.tokens[1].token", "another client has the same"]),
        ("tokens = [\"hunter2hunter2hunter2\"]".to_owned(), &["api.tokens", "name = \"billing\""]),
        ("tokens = \"hunter2hunter2hunter2\"".to_owned(), &["api.tokens", "name = \"billing\""]),
        ("tokens = [{ name = \"a\", secret = \"hunter2hunter2hunter2\" }]".to_owned(), &["api.tokens", "token ="]),
        (
            "tokens = [{ name = \"a b\", token = \"hunter2hunter2hunter2\" }]".to_owned(),
            &["api.tokens[0].name", "letters"],
        ),
        (client("${TOKEN_OF_NOBODY}"), &["api.tokens[0].token", "TOKEN_OF_NOBODY is not set"]),
        ("listen = \"127.0.0.1:0\"".to_owned(), &["api.listen", "add api.tokens"]),
        (format!("{}\nlisten = \"here\"", client("hunter2hunter2hunter2")), &["api.listen"]),
        ("colour = 1".to_owned(), &["api", "colour", "tokens"]),
    ] {
        rig.reconfigure(&format!("{RESOURCE}\n[api]\n{api}\n"));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(
            refused.contains("sexton.toml") && wanted.iter().all(|part| refused.contains(part)),
            "{api}: {refused}"
        );
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    let listens = |console: &str, api: &str| {
        let token = client("hunter2hunter2hunter2");
        let file = crate::rig::config(rig.server.url(), &rig.api, &format!("{RESOURCE}\n[api]\n{token}\n{api}\n"));
        rig.sexton
            .write("sexton.toml", &file.replace("127.0.0.1:0\"", &format!("{console}\"\nunauthenticated = true")));
    };
    listens("127.0.0.1:8088", "listen = \"127.0.0.1:8088\"");
    let refused = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(refused.contains("api.listen: the console listens there"), "{refused}");
    listens("0.0.0.0:8088", "");
    let warned = rig.run(&["check"]).await.expect_code(0).stderr;
    assert!(warned.contains("warning: api: tokens travel to 0.0.0.0:8088 in the clear"), "{warned}");
    listens("0.0.0.0:8088", "listen = \"127.0.0.1:8089\"");
    let warned = rig.run(&["check"]).await.expect_code(0).stderr;
    assert!(!warned.contains("in the clear"), "{warned}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_in_no_log_line() {
    let rig = blocks(Server::postgres().await, 1).await;
    let Rig { server, api, sexton } = rig;
    let rig = Rig { server, api, sexton: sexton.env("SEXTON_LOG", "trace") };
    let (daemon, mut client) = serve(&rig).await;
    client.post(json!({ "resource": "block", "key": 1 })).await.expect(201);
    client.token = Some("wrong-0123456789abcdef".to_owned());
    client.get("/v1/deletions?resource=block&key=1").await.expect(401);
    daemon.stop().await;
    let logs = daemon.logs();
    let leaks: Vec<_> = logs.iter().filter(|line| line.text.contains("0123456789abcdef")).collect();
    assert!(logs.len() > 3 && leaks.is_empty(), "{leaks:#?}");
    assert!(TOKEN.contains("0123456789abcdef"));
}

async fn reqwest_status(address: &str, path: &str) -> u16 {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::get(format!("http://{address}{path}")).await.unwrap().status().as_u16()
}
