//! What each answer of an external system leads to.

use std::time::Duration;

use sexton_tests::api::{Answer, google_rate_limit};

use crate::rig::{RESOURCE, Rig, Server, on_both};

on_both!(every_answer_leads_where_it_is_documented);

fn google(status: u16, reason: &str) -> Answer {
    Answer::StatusBody(status, format!(r#"{{"error":{{"code":{status},"errors":[{{"reason":"{reason}"}}]}}}}"#))
}

fn with_header(status: u16, name: &str, value: &str) -> Answer {
    Answer::WithHeaders(status, vec![(name.to_owned(), value.to_owned())])
}

/// Answers, and what becomes of a deletion with one attempt: state, how the target answered, the failed attempts.
/// An attempt that is given back is followed by a call that succeeds.
fn documented() -> Vec<(Answer, &'static str)> {
    let slow = |status, pause| Answer::SlowBody { status, bytes: 4, pause: Duration::from_millis(pause) };
    vec![
        (Answer::Status(200), "completed deleted 200"),
        (Answer::Status(204), "completed deleted 204"),
        (Answer::StatusBody(200, "x".repeat(3_000_000)), "completed deleted 200"),
        (slow(200, 5), "completed deleted 200"),
        (slow(200, 60_000), "completed deleted 200"),
        (Answer::Status(410), "completed gone 410"),
        (google(410, "deleted"), "completed gone 410"),
        (google(410, "fullSyncRequired"), "dead: rejected 410 fullSyncRequired"),
        (Answer::Status(404), "dead: rejected 404 http_404"),
        (google(404, "notFound"), "dead: rejected 404 notFound"),
        (Answer::Status(400), "dead: rejected 400 http_400"),
        (Answer::StatusBody(400, "x".repeat(3_000_000)), "dead: rejected 400 http_400"),
        (Answer::Status(412), "dead: rejected 412 http_412"),
        (Answer::Status(299), "completed deleted 299"),
        (with_header(302, "location", "/elsewhere"), "dead: rejected 302 redirect_changes_method"),
        (with_header(308, "location", "http://elsewhere.example/"), "dead: rejected 308 redirect_elsewhere"),
        (Answer::Status(408), "dead: exhausted 408 http_408"),
        (Answer::Status(500), "dead: exhausted 500 http_500"),
        (Answer::Status(503), "dead: exhausted 503 http_503"),
        (with_header(503, "retry-after", "not a time"), "dead: exhausted 503 http_503"),
        (Answer::Reset, "dead: exhausted - connection_lost"),
        (Answer::Hang, "dead: exhausted - timeout"),
        (slow(410, 60_000), "dead: exhausted 410 timeout"),
        (with_header(503, "retry-after", "0"), "completed deleted 204"),
        (Answer::Status(429), "completed deleted 204"),
        (with_header(429, "retry-after", "1"), "completed deleted 204"),
        (with_header(429, "retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), "completed deleted 204"),
        (google_rate_limit("rateLimitExceeded"), "completed deleted 204"),
        (google(403, "userRateLimitExceeded"), "completed deleted 204"),
        (google(403, "forbidden"), "completed deleted 204"),
        (Answer::Status(403), "completed deleted 204"),
        (Answer::Status(401), "completed deleted 204"),
    ]
}

async fn every_answer_leads_where_it_is_documented(server: Server) {
    let retry = "[retry]\nmax_attempts = 1\ninitial_interval = \"1ms\"\nmax_interval = \"2s\"\n";
    let answers = documented();
    // Each answer for itself: what many of them mean for their target is another matter.
    let resource = RESOURCE.replace("breaker = {", "breaker = { failure_ratio = 2.0,");
    let rig = Rig::blocks_with(server, answers.len(), &format!("{retry}{resource}")).await;
    let keys: Vec<_> = (1..=answers.len()).map(|n| n.to_string()).collect();
    for (key, (answer, _)) in keys.iter().zip(&answers) {
        rig.api.script(&format!("/calendars/c/events/g{key}"), vec![answer.clone()]);
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let ids = rig.request("block", &keys).await;
    rig.work().await;
    for (id, (answer, wanted)) in ids.iter().zip(&answers) {
        let record = rig.show(id).await;
        let outcome = match record["failed_attempts"].as_array().unwrap().as_slice() {
            [] => {
                let confirmation = &record["confirmations"]["calendar"];
                format!("{} {}", confirmation["answer"].as_str().unwrap(), confirmation["status"])
            }
            [failed] => {
                let status = failed["status"].as_i64().map_or_else(|| "-".to_owned(), |status| status.to_string());
                format!("{status} {}", failed["reason"].as_str().unwrap())
            }
            more => panic!("one attempt is allowed: {more:?}"),
        };
        let state = rig.state(id).await;
        // `dead: exhausted 500 …` or `completed deleted 204`.
        assert_eq!(format!("{state} {outcome}"), *wanted, "{:.200}", format!("{answer:?}: {record:#}"));
        assert_eq!(record["attempts"], 1, "throttling costs no attempt");
    }
    assert!(!rig.calls().iter().any(|call| call.contains("elsewhere")), "no such redirect is followed");
    let left = answers.iter().filter(|(_, wanted)| wanted.starts_with("dead")).count();
    assert_eq!(rig.one("select count(*) from block").await, left.to_string());
}

async fn not_found_means_gone_only_where_that_is_configured(server: Server) {
    let rig = Rig::blocks_with(server, 1, &RESOURCE.replace("timeout", "gone = [404]\ntimeout")).await;
    rig.api.script("/calendars/c/events/g1", vec![Answer::Status(410), Answer::Status(404)]);
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: rejected", "410 is not among the statuses that mean gone");
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.show(&id).await["confirmations"]["calendar"]["answer"], "gone");
}

async fn call_carries_the_configured_method_headers_and_our_name(server: Server) {
    let headers = "method = \"POST\"\nheaders = { Authorization = \"Bearer ${TOKEN}\", X-App = \"a\" }\ntimeout";
    let mut rig = Rig::with(server, crate::rig::BLOCK, RESOURCE).await;
    rig.sexton = rig.sexton.env("TOKEN", "s3cr3t-t0ken").env("SEXTON_LOG", "trace");
    rig.reconfigure(&RESOURCE.replace("timeout", headers));
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    rig.api.script("/calendars/c/events/g1", vec![Answer::Status(500)]);
    let id = rig.request_block().await;
    let output = rig.run(&["run", "--until-idle"]).await.expect_code(0);
    let call = rig.api.log().remove(0);
    assert_eq!(call.method, "POST");
    assert_eq!((call.header("authorization"), call.header("x-app")), (Some("Bearer s3cr3t-t0ken"), Some("a")));
    assert!(call.header("user-agent").unwrap().starts_with("sexton/"), "{call:?}");
    assert_eq!(rig.state(&id).await, "completed");
    let shown = rig.run(&["show", &id, "--json"]).await.expect_code(0).stdout;
    for text in [&output.stdout, &output.stderr, &shown] {
        assert!(!text.contains("s3cr3t"), "a secret is in the output:\n{text}");
    }
}

on_both!(not_found_means_gone_only_where_that_is_configured, call_carries_the_configured_method_headers_and_our_name,);
