//! How often and for how long a call is repeated.

use std::time::Duration;

use sexton_tests::api::{Answer, Behaviour};

use crate::rig::{RESOURCE, Rig, Server, on_both};

on_both!(
    retry_after_is_waited_for,
    retry_after_is_capped_by_the_longest_interval,
    failures_use_up_the_attempts_and_are_all_in_the_history,
    time_runs_out_for_failures_and_for_throttling,
    target_overrides_the_retry_policy,
    every_other_target_is_asked_although_one_fails,
);

async fn rig(server: Server, retry: &str, resource: &str) -> Rig {
    Rig::blocks_with(server, 1, &format!("[retry]\n{retry}\n{resource}")).await
}

fn throttled(seconds: u32) -> Answer {
    Answer::WithHeaders(429, vec![("retry-after".to_owned(), seconds.to_string())])
}

async fn retry_after_is_waited_for(server: Server) {
    let rig = rig(server, "initial_interval = \"1ms\"", RESOURCE).await;
    rig.api.script("/calendars/c/events/g1", vec![throttled(2)]);
    let id = rig.request_block().await;
    rig.work().await;
    let calls = rig.api.log();
    assert!(calls[1].at - calls[0].at >= Duration::from_secs(2), "{calls:?}");
    assert_eq!((calls.len(), rig.state(&id).await.as_str()), (2, "completed"));
    assert_eq!(rig.show(&id).await["attempts"], 1);
}

async fn retry_after_is_capped_by_the_longest_interval(server: Server) {
    let rig = rig(server, "initial_interval = \"1ms\"\nmax_interval = \"500ms\"", RESOURCE).await;
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(86_400 * 400));
    let dated = Answer::WithHeaders(503, vec![("retry-after".to_owned(), date)]);
    rig.api.script("/calendars/c/events/g1", vec![throttled(u32::MAX), dated]);
    let id = rig.request_block().await;
    rig.work().await;
    let calls = rig.api.log();
    assert_eq!((calls.len(), rig.state(&id).await.as_str()), (3, "completed"));
    assert!(calls[1].at - calls[0].at >= Duration::from_millis(490), "{calls:?}");
}

async fn failures_use_up_the_attempts_and_are_all_in_the_history(server: Server) {
    let rig = rig(server, "initial_interval = \"1ms\"\nmax_interval = \"5ms\"\nmax_attempts = 4", RESOURCE).await;
    let answers = vec![Answer::Status(500), throttled(0), Answer::Reset, Answer::Status(502), Answer::Status(503)];
    rig.api.script("/calendars/c/events/g1", answers);
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: exhausted");
    let record = rig.show(&id).await;
    let history: Vec<_> = record["failed_attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failed| format!("{} {} {} {}", failed["fence"], failed["target"], failed["outcome"], failed["reason"]))
        .collect();
    let failed = |fence: u8, reason: &str| format!(r#"{fence} "calendar" "retry" "{reason}""#);
    assert_eq!(
        history,
        [failed(1, "http_500"), failed(3, "connection_lost"), failed(4, "http_502"), failed(5, "http_503")]
    );
    assert_eq!((record["attempts"].as_i64(), record["fence"].as_i64()), (Some(4), Some(5)));
    assert_eq!(record["last_error"], "calendar answered 503 (http_503)");
    assert_eq!(rig.rows("select id from block where deleted_at is not null").await, ["1"]);
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    let record = rig.show(&id).await;
    assert_eq!((record["state"].as_str(), record["attempts"].as_i64()), (Some("completed"), Some(1)));
    assert_eq!(record["failed_attempts"].as_array().unwrap().len(), 4, "history is kept");
}

async fn time_runs_out_for_failures_and_for_throttling(server: Server) {
    let retry = "initial_interval = \"1ms\"\nmax_interval = \"100ms\"\ngive_up_after = \"1s\"\nmax_attempts = 100000";
    let rig = rig(server, retry, RESOURCE).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (2, 'c', 'g2'), (3, 'c', 'g3')").await;
    rig.api.set_default(Behaviour::With(std::sync::Arc::new(|call| match call.path().chars().last() {
        Some('1') => Answer::Status(500),
        Some('2') => throttled(0),
        _ => Answer::Status(401),
    })));
    let ids = rig.request("block", &["1", "2", "3"]).await;
    rig.work().await;
    for id in ids {
        assert_eq!(rig.state(&id).await, "dead: expired");
    }
    let calls = rig.api.calls_to("/calendars/c/events/g1");
    let lasted = calls.last().unwrap().at - calls[0].at;
    assert!(lasted >= Duration::from_millis(900) && lasted < Duration::from_secs(10), "{lasted:?}");
}

async fn target_overrides_the_retry_policy(server: Server) {
    let resource = RESOURCE.replace("timeout", "retry = { max_attempts = 2 }\ntimeout");
    let rig = rig(server, "initial_interval = \"1ms\"\nmax_attempts = 50", &resource).await;
    rig.api.set_default(Behaviour::Always(Answer::Status(500)));
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!((rig.state(&id).await.as_str(), rig.calls().len()), ("dead: exhausted", 2));
}

async fn every_other_target_is_asked_although_one_fails(server: Server) {
    let second =
        RESOURCE[RESOURCE.find("[[").unwrap()..].replace("calendar\"", "mirror\"").replace("/calendars", "/mirror");
    let rig = rig(server, "initial_interval = \"1ms\"", &format!("{RESOURCE}{second}")).await;
    rig.api.script("/calendars/c/events/g1", vec![Answer::Status(400)]);
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: rejected");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1", "DELETE /mirror/c/events/g1"]);
    assert_eq!(rig.rows("select count(*) from block").await, ["1"], "one target has not confirmed");
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.calls().len(), 3, "only the one that failed is asked again");
}
