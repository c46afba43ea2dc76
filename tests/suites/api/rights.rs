//! What a token may do, and the console where it needs one.

use serde_json::json;
use sexton_tests::Daemon;

use super::{client::Client, setup::blocks};
use crate::{
    console::get,
    rig::{RESOURCE, Rig, Server},
};

const READER: &str = "reader-0123456789abcdef";
const REQUESTER: &str = "requester-0123456789abcdef";
const RESTORER: &str = "restorer-0123456789abcdef";
const OTHERS: &str = "others-0123456789abcdef";
const OPERATOR: &str = "operator-0123456789abcdef";

fn tokens() -> String {
    let client = |token: &str, more: &str| {
        let name = token.split('-').next().unwrap();
        format!("{{ name = \"{name}\", token = \"{token}\", {more} }}")
    };
    let clients = [
        client(READER, "rights = [\"read\"]"),
        client(REQUESTER, "rights = [\"request\"], resources = [\"block\"]"),
        client(RESTORER, "rights = [\"restore\"], resources = [\"block\"]"),
        client(OTHERS, "resources = [\"other\"]"),
        client(OPERATOR, "rights = [\"operate\"]"),
    ];
    let other =
        "[resources.other]\ntable = \"block\"\nkey = \"id\"\nmarker = { column = \"deleted_at\" }\ngrace = \"1h\"\n";
    format!("{RESOURCE}\n{other}\n[api]\ntokens = [{}]\n", clients.join(", "))
}

async fn serve(rig: &Rig) -> (Daemon, String) {
    drop(rig.run(&["migrate"]).await.expect_code(0));
    let daemon = rig.sexton.spawn(&["run"]).await;
    let address = daemon.address("api").await;
    (daemon, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_right_allows_what_it_names_and_nothing_else() {
    let rig = blocks(Server::sqlite().await, 2).await;
    rig.reconfigure(&tokens());
    let (daemon, address) = serve(&rig).await;
    let as_client = async |token: &str| Client::new(&address, token).await;
    let body = || json!({ "resource": "block", "key": 1, "after": "1h" });
    let id = as_client(REQUESTER).await.post(body()).await.expect(201).text("/deletions/0/id").to_owned();
    let one = format!("/v1/deletions/{id}");
    let by_row = "/v1/deletions?resource=block&key=1";
    for (token, request, read, restore) in [
        (READER, 403, 200, 403),
        (REQUESTER, 200, 403, 403),
        (OPERATOR, 403, 403, 403),
        // It has all rights of an application, for another resource: there is no such deletion for it.
        (OTHERS, 403, 404, 404),
    ] {
        let client = as_client(token).await;
        client.post(body()).await.expect(request);
        client.get(&one).await.expect(read);
        client.get(by_row).await.expect(if read == 404 { 403 } else { read });
        client.delete(&one).await.expect(restore);
    }
    let restorer = as_client(RESTORER).await;
    restorer.delete(&format!("{one}?batch=true")).await.expect(403);
    restorer.delete(&one).await.expect(200);
    assert_eq!(rig.one("select count(*) from block where deleted_at is null").await, "2");
    let mut stranger = as_client("stranger-0123456789abcdef").await;
    stranger.get(&one).await.expect(401);
    stranger.token = None;
    stranger.get(&one).await.expect(401);
    let metrics = get(&daemon.address("console").await, "/metrics").await.1;
    for (reason, least) in [("no_token", 1), ("unknown_token", 1), ("no_right", 10)] {
        let name = format!("sexton_failed_logins_total{{reason=\"{reason}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u32>().ok());
        assert!(count.is_some_and(|count| count >= least), "{reason}: {count:?}\n{metrics}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_members_are_refused() {
    let rig = blocks(Server::sqlite().await, 2).await;
    let (daemon, client) = super::setup::serve(&rig).await;
    let twice = "{\"resource\": \"block\", \"key\": 1, \"key\": 2}".to_owned();
    let refused = client.send("POST", "/v1/deletions", Some(twice)).await.expect(422);
    assert!(refused.text("/detail").contains("two members of the same name"), "{:?}", refused.body);
    assert_eq!(rig.one("select count(*) from sexton_deletion").await, "0");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn console_beyond_this_machine_needs_a_token_or_says_that_it_does_not() {
    let rig = Rig::blocks(Server::sqlite().await, 1).await;
    let file = std::fs::read_to_string(rig.sexton.dir().join("sexton.toml")).unwrap();
    let everywhere = file.replace("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\"");
    rig.sexton.write("sexton.toml", &everywhere);
    for command in ["check", "run"] {
        let refused = rig.run(&[command]).await.expect_code(2).stderr;
        assert!(refused.contains("console.listen: ") && refused.contains("`operate`"), "{refused}");
    }
    let both = "rights = [\"operate\"], resources = [\"block\"]";
    rig.reconfigure(&format!("{RESOURCE}\n[api]\ntokens = [{{ name = \"o\", token = \"{OPERATOR}\", {both} }}]\n"));
    let refused = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(refused.contains("api.tokens[0].resources: `operate` shows the metrics of all"), "{refused}");
    let open = everywhere.replace("listen = \"0.0.0.0:0\"", "listen = \"0.0.0.0:0\"\nunauthenticated = true");
    let operator =
        format!("{everywhere}\n[api]\ntokens = [{{ name = \"o\", token = \"{OPERATOR}\", rights = [\"operate\"] }}]\n");
    for (config, without_token) in [(open, 200), (operator, 401)] {
        rig.sexton.write("sexton.toml", &config);
        let daemon = rig.sexton.spawn(&["run"]).await;
        let console = daemon.address("console").await.replace("0.0.0.0", "127.0.0.1");
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::new();
        let status = async |path: &str, token: Option<&str>| {
            let mut request = client.get(format!("http://{console}{path}"));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            request.send().await.unwrap().status().as_u16()
        };
        // The probes of Kubernetes can send no secret.
        assert_eq!((status("/healthz", None).await, status("/readyz", None).await), (200, 200));
        assert_eq!(status("/metrics", None).await, without_token);
        assert_eq!(status("/metrics", Some("stranger-0123456789abcdef")).await, without_token);
        assert_eq!(status("/metrics", Some(OPERATOR)).await, 200);
        daemon.stop().await;
    }
}
