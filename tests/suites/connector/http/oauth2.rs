//! Tokens from a token endpoint.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use sexton_tests::api::{Answer, Behaviour, Call};

use super::{delete, request, things};
use crate::rig::Rig;

const SETTINGS: &str = r#"
url = "@API@/things/{ref}"
auth = { oauth2 = { token_url = "@API@/token", client_id = "c l", client_secret = "s3cret", scopes = ["a", "b"] } }
"#;

/// The token endpoint grants `t1`, `t2`, …; the system accepts those that `good` says.
fn grants(rig: &Rig, expires_in: u64, good: impl Fn(&str) -> bool + Send + Sync + 'static) {
    let granted = AtomicUsize::new(0);
    rig.api.set_default(Behaviour::With(Arc::new(move |call: &Call| {
        if call.path() == "/token" {
            let n = granted.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!(r#"{{"access_token":"t{n}","token_type":"Bearer","expires_in":{expires_in}}}"#);
            return Answer::StatusBody(200, body);
        }
        let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        Answer::Status(if good(token) { 204 } else { 401 })
    })));
}

fn form(call: &Call) -> String {
    String::from_utf8_lossy(&call.body).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_is_fetched_once_and_used_for_many_calls() {
    let rig = things(20, SETTINGS).await;
    grants(&rig, 3600, |token| token == "t1");
    request(&rig, 20).await;
    rig.work().await;
    assert_eq!(rig.one("select count(*) from sexton_deletion_done where state = 'completed'").await, "20");
    let tokens = rig.api.calls_to("/token");
    assert_eq!((tokens.len(), rig.api.log().len()), (1, 21), "one at a time, and the others wait for it");
    let basic = format!("Basic {}", BASE64_STANDARD.encode("c%20l:s3cret"));
    assert_eq!(tokens[0].header("authorization"), Some(basic.as_str()));
    assert_eq!(
        (tokens[0].method.as_str(), form(&tokens[0]).as_str()),
        ("POST", "grant_type=client_credentials&scope=a+b")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_that_the_target_refuses_is_replaced_once() {
    let rig = things(1, SETTINGS).await;
    grants(&rig, 3600, |token| token == "t2");
    assert_eq!(delete(&rig).await.0, "completed");
    assert_eq!(rig.calls(), ["POST /token", "DELETE /things/r1", "POST /token", "DELETE /things/r1"]);
    assert_eq!(rig.one("select attempts from sexton_deletion_done").await, "1", "within one attempt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_that_refuses_every_token_makes_deletions_wait() {
    let rig = things(1, &format!("{SETTINGS}retry = {{ give_up_after = \"1s\" }}")).await;
    grants(&rig, 3600, |_| false);
    let (state, error) = delete(&rig).await;
    assert_eq!((state.as_str(), error.as_str()), ("dead: expired", "crm answered 401 (http_401)"));
    let deletes = rig.calls().iter().filter(|call| call.starts_with("DELETE")).count();
    assert_eq!(deletes % 2, 0, "twice an attempt: {:?}", rig.calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_is_not_used_after_its_end() {
    let rig = things(2, SETTINGS).await;
    // Its margin is all that it lives.
    grants(&rig, 0, |_| true);
    request(&rig, 2).await;
    rig.work().await;
    assert_eq!(rig.api.calls_to("/token").len(), 2);
    assert_eq!(rig.one("select count(*) from sexton_deletion_done where state = 'completed'").await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_token_endpoint_answers_decides_what_becomes_of_the_deletion() {
    let error = |status, code: &str| Answer::StatusBody(status, format!(r#"{{"error":"{code}"}}"#));
    for (answer, state, why) in [
        (Answer::Status(503), "dead: exhausted", "crm answered 503 (token_http_503)"),
        (Answer::Reset, "dead: exhausted", "crm: token_connection_lost"),
        (Answer::Hang, "dead: exhausted", "crm: token_timeout"),
        (error(401, "invalid_client"), "dead: expired", "crm: invalid_client"),
        (error(400, "invalid_grant"), "dead: expired", "crm: invalid_grant"),
        (error(400, "Ann Example <ann@example.org>"), "dead: expired", "crm: token_refused"),
        (Answer::Status(404), "dead: expired", "crm: token_not_understood"),
        (Answer::StatusBody(200, "<html>".to_owned()), "dead: expired", "crm: token_not_understood"),
        (Answer::Status(429), "dead: expired", "crm answered 429 (token_http_429)"),
        (
            Answer::StatusBody(200, r#"{"access_token":"x","token_type":"mac"}"#.to_owned()),
            "dead: expired",
            "crm answered 200 (token_not_bearer)",
        ),
    ] {
        let retry = "retry = { max_attempts = 1, give_up_after = \"3s\", max_interval = \"500ms\" }";
        let rig = things(1, &format!("{SETTINGS}{retry}")).await;
        rig.api.set_default(Behaviour::Always(answer.clone()));
        assert_eq!(delete(&rig).await, (state.to_owned(), why.to_owned()), "{answer:?}");
        assert!(rig.calls().iter().all(|call| call == "POST /token"), "the target is not called: {:?}", rig.calls());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_token_is_used_and_replaced_by_the_one_that_comes_with_an_answer() {
    let settings = r#"
url = "@API@/things/{ref}"
auth = { oauth2 = { token_url = "@API@/token", client_id = "c", client_secret = "s", send_secret = "body", refresh_token = "r0", audience = "crm" } }
"#;
    let rig = things(1, settings).await;
    let body = |n: u32| {
        let text = format!(r#"{{"access_token":"t{n}","token_type":"bearer","refresh_token":"r{n}"}}"#);
        Answer::StatusBody(200, text)
    };
    rig.api.script("/token", vec![body(1), body(2)]);
    rig.api.script("/things/r1", vec![Answer::Status(401)]);
    assert_eq!(delete(&rig).await.0, "completed");
    let tokens: Vec<_> = rig.api.calls_to("/token").iter().map(form).collect();
    let with = |n: u32| format!("grant_type=refresh_token&refresh_token=r{n}&client_id=c&client_secret=s&audience=crm");
    assert_eq!(tokens, [with(0), with(1)]);
    assert_eq!(rig.api.calls_to("/things/r1")[1].header("authorization"), Some("Bearer t2"));
}

/// Some endpoints send the same refresh token with every answer; one that on-call puts into the file counts all the
/// same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewed_refresh_token_replaces_those_that_came_with_answers() {
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("refresh");
    std::fs::write(&file, "old\n").unwrap();
    let settings = format!(
        r#"
url = "@API@/things/{{ref}}"
auth = {{ oauth2 = {{ token_url = "@API@/token", client_id = "c", client_secret = "s", refresh_token_file = "{}" }} }}
"#,
        file.display()
    );
    let rig = things(2, &settings).await;
    rig.api.set_default(Behaviour::With(Arc::new(|call: &Call| {
        let old = form(call).contains("refresh_token=old");
        let granted = r#"{"access_token":"t","token_type":"bearer","refresh_token":"old","expires_in":0}"#;
        match call.path() {
            "/token" if old => Answer::StatusBody(200, granted.to_owned()),
            "/token" => Answer::StatusBody(200, granted.replace("old", "new")),
            _ => Answer::Status(204),
        }
    })));
    let _daemon = rig.daemon().await;
    rig.request("thing", &["1"]).await;
    rig.until("select count(*) from thing", "1").await;
    std::fs::write(&file, "new\n").unwrap();
    rig.request("thing", &["2"]).await;
    rig.until("select count(*) from thing", "0").await;
    let asked = rig.api.calls_to("/token");
    assert_eq!(asked.len(), 2);
    assert!(form(&asked[0]).contains("refresh_token=old") && form(&asked[1]).contains("refresh_token=new"));
}

/// "For ever", as some say it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_may_live_for_as_long_as_a_number_can_say() {
    for lives in [i64::MAX as u64, u64::MAX] {
        let rig = things(1, SETTINGS).await;
        grants(&rig, lives, |token| token == "t1");
        assert_eq!(delete(&rig).await.0, "completed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_endpoint_may_not_be_at_a_private_address_either() {
    let settings = SETTINGS.replace("@API@/things", "http://target.invalid/things");
    let rig = things(1, &settings).await;
    rig.reconfigure(&super::thing(&settings).replace("allow_private = true", ""));
    assert_eq!(delete(&rig).await, ("dead: rejected".to_owned(), "crm: private_address_refused".to_owned()));
    assert_eq!(rig.calls(), Vec::<String>::new());
}

/// RFC 6749 §5.1 says how an answer looks; not all endpoints keep to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_is_taken_from_answers_that_bend_the_standard() {
    for grant in [
        r#"{"access_token":"t1","token_type":"Bearer","expires_in":"3600"}"#,
        r#"{"access_token":"t1","token_type":"BEARER","expires_in":3599.5}"#,
        r#"{"access_token":"t1","expires_in":-1}"#,
        r#"{"access_token":"t1","token_type":"bearer","scope":["a","b"]}"#,
        "\u{feff}{\"access_token\":\"t1\",\"token_type\":null,\"expires_in\":null,\"scope\":null}",
    ] {
        let rig = things(1, SETTINGS).await;
        rig.api.script("/token", vec![Answer::StatusBody(200, grant.to_owned())]);
        assert_eq!(delete(&rig).await.0, "completed", "{grant}");
        assert_eq!(rig.api.log()[1].header("authorization"), Some("Bearer t1"));
    }
}
