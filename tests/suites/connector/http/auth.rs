//! Fixed credentials, credentials in files, and signed requests.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sexton_tests::api::{Answer, Call};
use sha2::Sha256;

use super::{delete, request, thing, things};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fixed_credentials_are_sent_as_their_rfc_says() {
    for (auth, sent) in [
        ("auth = { bearer = { token = \"t0ken\" } }", "Bearer t0ken"),
        ("auth = { basic = { user = \"ann\", password = \"p:ä\" } }", "Basic YW5uOnA6w6Q="),
    ] {
        let rig = things(1, &format!("url = \"@API@/{{ref}}\"\n{auth}")).await;
        assert_eq!(delete(&rig).await.0, "completed");
        assert_eq!(rig.api.log()[0].header("authorization"), Some(sent));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_file_is_read_again_when_it_changes_and_deletions_wait_while_it_is_not_there() {
    let rig = things(3, "url = \"@API@/{ref}\"").await;
    let path = rig.sexton.dir().join("token");
    let settings = format!("url = \"@API@/{{ref}}\"\nauth = {{ bearer = {{ token_file = \"{}\" }} }}", path.display());
    rig.reconfigure(&thing(&settings));
    let daemon = rig.daemon().await;
    rig.request("thing", &["1"]).await;
    daemon.wait_for_log("cannot read a credential", crate::rig::PATIENCE).await;
    assert_eq!(rig.calls(), Vec::<String>::new(), "nothing is sent without it");
    for (n, token) in [(1, "first"), (2, "second0")] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        if n > 1 {
            rig.request("thing", &[&n.to_string()]).await;
        }
        let calls = rig.api.wait_for_calls(n, crate::rig::PATIENCE).await;
        assert_eq!(calls[n - 1].header("authorization"), Some(format!("Bearer {token}").as_str()));
    }
    rig.until("select count(*) from sexton_deletion_done where state = 'completed'", "2").await;
    daemon.stop().await;
}

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// As a receiver does it (Standard Webhooks, "Verifying signatures").
fn is_signed(call: &Call) -> bool {
    let head = |name| call.header(name).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(SECRET).unwrap()).unwrap();
    mac.update(format!("{}.{}.", head("webhook-id"), head("webhook-timestamp")).as_bytes());
    mac.update(&call.body);
    head("webhook-signature") == format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receiver_can_check_signatures_and_recognise_repeated_calls() {
    let settings = format!(
        "method = \"POST\"\nurl = \"@API@/forget\"\nbody = {{ id = \"{{ref}}\" }}\n\
         auth = {{ webhook = {{ secret = \"whsec_{SECRET}\" }} }}"
    );
    let rig = things(2, &settings).await;
    rig.api.script("/forget", vec![Answer::Status(503), Answer::Reset]);
    let ids = request(&rig, 2).await;
    rig.work().await;
    let calls = rig.api.log();
    assert_eq!(calls.len(), 4, "two are asked again");
    for (id, name) in ids.iter().zip(["r1", "r2"]) {
        assert_eq!(rig.state(id).await, "completed");
        let of = |call: &&Call| String::from_utf8_lossy(&call.body).contains(name);
        let mut messages: Vec<_> =
            calls.iter().filter(of).map(|call| call.header("webhook-id").unwrap().to_owned()).collect();
        messages.dedup();
        assert!(messages.len() == 1 && messages[0].starts_with(id.as_str()), "{id}: {messages:?}");
    }
    for call in calls {
        assert!(is_signed(&call), "{call:?}");
        let sent: u64 = call.header("webhook-timestamp").unwrap().parse().unwrap();
        let at = call.at_time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(at.abs_diff(sent) < 60, "sent at {sent}, arrived at {at}");
    }
}
