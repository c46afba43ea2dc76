use std::sync::Once;
use std::time::Duration;

use sexton_tests::api::{Answer, Api, Behaviour, Flaky, Gate, google_rate_limit};

const PATIENCE: Duration = Duration::from_secs(20);

fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    // Another test may have been first; its choice is the same.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    reqwest::Client::new()
}

async fn delete(api: &Api, path: &str) -> u16 {
    client().delete(format!("{}{path}", api.url())).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn deleting_what_is_already_deleted_answers_410() {
    let api = Api::start().await;
    assert_eq!([delete(&api, "/a").await, delete(&api, "/a").await, delete(&api, "/b").await], [204, 410, 204]);
    assert_eq!(api.confirmed().into_iter().collect::<Vec<_>>(), ["/a", "/b"]);
    assert!(api.log().iter().all(|call| call.confirmed));
}

#[tokio::test]
async fn calls_are_logged_exactly_as_they_were_sent() {
    let api = Api::start().await;
    let url = format!("{}/a%2Fb/%00/%2e%2E%2f?q=%20x&q", api.url());
    client().post(url).header("X-Token", "t").body("payload").send().await.unwrap();
    let call = api.log().remove(0);
    assert_eq!(call.path_and_query, "/a%2Fb/%00/%2e%2E%2f?q=%20x&q");
    assert_eq!(call.path(), "/a%2Fb/%00/%2e%2E%2f");
    assert_eq!((call.method.as_str(), call.body.as_slice(), call.status), ("POST", b"payload".as_slice(), Some(204)));
    assert_eq!(call.header("x-token"), Some("t"));
}

#[tokio::test]
async fn scripted_answers_come_in_order_and_then_the_default() {
    let api = Api::start().await;
    api.set_default(Behaviour::Always(Answer::Status(404)));
    api.script("/a", vec![Answer::Status(500), google_rate_limit("rateLimitExceeded"), Answer::Status(200)]);
    let mut answered = Vec::new();
    for path in ["/a", "/b", "/a?x=1", "/a", "/a"] {
        answered.push(delete(&api, path).await);
    }
    assert_eq!(answered, [500, 404, 403, 200, 404]);
    assert_eq!(api.confirmed().into_iter().collect::<Vec<_>>(), ["/a"]);
    assert_eq!(api.calls_to("/a").len(), 4);
}

#[tokio::test]
async fn google_says_slow_down_with_a_reason_in_json() {
    let api = Api::start().await;
    api.set_default(Behaviour::Always(google_rate_limit("userRateLimitExceeded")));
    let answer = client().delete(api.url()).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let body = answer.text().await.unwrap();
    assert_eq!(
        body,
        r#"{"error":{"code":403,"message":"Rate Limit Exceeded","errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded","message":"Rate Limit Exceeded"}]}}"#
    );
}

#[tokio::test]
async fn reset_is_a_connection_error_and_confirms_nothing() {
    let api = Api::start().await;
    api.script("/a", vec![Answer::Reset]);
    let error = client().delete(format!("{}/a", api.url())).send().await.unwrap_err();
    assert!(!error.is_timeout() && error.status().is_none(), "{error:?}");
    assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
    let call = api.log().remove(0);
    assert_eq!((call.status, call.confirmed), (None, false));
    assert_eq!(delete(&api, "/a").await, 204);
}

#[tokio::test]
async fn hanging_call_is_in_flight_until_its_client_goes_away() {
    let api = Api::start().await;
    api.script("/a", vec![Answer::Hang]);
    let call = tokio::spawn(client().delete(format!("{}/a", api.url())).send());
    api.wait_for_in_flight(1, PATIENCE).await;
    call.abort();
    api.wait_for_in_flight(0, PATIENCE).await;
    assert_eq!((api.max_in_flight(), api.log()[0].status), (1, None));
}

#[tokio::test]
async fn hanging_call_ends_in_the_timeout_of_its_client() {
    let api = Api::start().await;
    api.set_default(Behaviour::Always(Answer::Hang));
    let error = client().get(api.url()).timeout(Duration::from_millis(50)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn held_calls_are_answered_when_the_gate_opens() {
    let api = Api::start().await;
    let gate = Gate::new();
    api.set_default(Behaviour::Always(Answer::Held(gate.clone(), Box::new(Answer::Status(200)))));
    let calls: Vec<_> = (0..3).map(|n| tokio::spawn(client().delete(format!("{}/{n}", api.url())).send())).collect();
    let arrived = api.wait_for_calls(3, PATIENCE).await;
    assert!(arrived.iter().all(|call| call.status.is_none()));
    assert_eq!((api.in_flight(), api.max_in_flight(), api.confirmed().len()), (3, 3, 0));
    gate.open();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(api.confirmed().len(), 3);
    api.wait_for_in_flight(0, PATIENCE).await;
}

#[tokio::test]
async fn slow_body_outlasts_the_timeout_although_the_status_came() {
    let api = Api::start().await;
    let slow = Answer::SlowBody { status: 200, bytes: 3, pause: Duration::from_millis(1) };
    api.script("/short", vec![Answer::Delay(Duration::from_millis(5), Box::new(slow))]);
    let answer = client().get(format!("{}/short", api.url())).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "...");
    api.script("/long", vec![Answer::SlowBody { status: 200, bytes: 9, pause: PATIENCE }]);
    let request = client().get(format!("{}/long", api.url())).timeout(Duration::from_millis(200));
    assert!(request.send().await.unwrap().text().await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn flaky_system_fails_the_given_share_in_every_documented_way() {
    let api = Api::start().await;
    api.set_default(Behaviour::Flaky(Flaky::new(0.3, 7).with_404()));
    let client = client();
    // All at once, so that those that hang do so together, and long enough that no other call can look like one.
    let calls = (0..300).map(|n| client.delete(format!("{}/{n}", api.url())).timeout(Duration::from_secs(4)).send());
    let (mut seen, mut retry_after, mut lost) = (std::collections::BTreeMap::new(), Vec::new(), [0, 0]);
    for answer in futures::future::join_all(calls).await {
        match answer {
            Ok(answer) => {
                retry_after.extend(answer.headers().get("retry-after").cloned());
                *seen.entry(answer.status().as_u16()).or_insert(0) += 1;
            }
            Err(error) => lost[usize::from(error.is_timeout())] += 1,
        }
    }
    let failed = 300 - seen[&204];
    assert!((75..=105).contains(&failed), "{failed} of 300 failed");
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [204, 403, 404, 410, 429, 500, 502, 503]);
    assert!(lost[0] > 5 && lost[1] > 5, "{lost:?} connections reset and timed out");
    assert!(retry_after.iter().any(|value| value == "1") && retry_after.iter().any(|value| value.len() > 20));
    assert_eq!(api.confirmed().len(), seen[&204] + seen[&410]);
}

#[tokio::test]
async fn flaky_system_repeats_itself_with_the_same_seed() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let api = Api::start().await;
        api.set_default(Behaviour::Flaky(Flaky::new(0.5, seed).without_hanging()));
        let client = client();
        for n in 0..40 {
            // Whatever comes back, the log has it.
            client.delete(format!("{}/{n}", api.url())).send().await.ok();
        }
        runs.push(api.log().iter().map(|call| call.status).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn system_with_rules_of_its_own_sees_the_whole_call() {
    let api = Api::start().await;
    let rule =
        |call: &sexton_tests::api::Call| Answer::StatusBody(200, String::from_utf8_lossy(&call.body).into_owned());
    api.set_default(Behaviour::With(std::sync::Arc::new(rule)));
    let answer = client().post(api.url()).body("echo").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "echo");
}
