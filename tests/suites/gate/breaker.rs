//! A target that fails is not called for a while, and then tried with one call at a time.

use std::{sync::Arc, time::Duration};

use sexton_tests::api::{Answer, Behaviour, Call};

use super::calm;
use crate::rig::{
    PATIENCE,
    workers::{Rig, Setup},
};

/// Quick probes, so that a test is over soon.
const QUICK: &str = "breaker = { min_calls = 10, probe_interval = '200ms', max_probe_interval = '400ms' }";

fn is_item(call: &Call) -> bool {
    call.path().starts_with("/item")
}

/// `answer` for items, 204 for the others.
fn items(answer: Answer) -> Behaviour {
    Behaviour::With(Arc::new(move |call: &Call| if is_item(call) { answer.clone() } else { Answer::Status(204) }))
}

/// What identifies every version of every row of a lane.
async fn versions(rig: &Rig, lane: &str) -> String {
    rig.value(&format!(
        "select md5(string_agg(ctid::text || xmin::text, ',' order by id)) from sexton_deletion where lane = '{lane}'"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lane_with_an_open_breaker_is_not_touched_while_others_go_on() {
    // No probe during the test.
    let never = "breaker = { min_calls = 10, probe_interval = '1h', max_probe_interval = '1h' }";
    let mut rig = Rig::new(Setup { target: never, ..calm() }).await;
    rig.api.set_default(items(Answer::Status(503)));
    rig.request("item", 1..=5000).await;
    rig.fill_lane("item").await;
    let worker = rig.run().await;
    rig.wait_until("exists (select 1 from sexton_breaker where lane = 'item.api' and cause = 'failures')").await;
    rig.wait_until("not exists (select 1 from sexton_deletion where state = 'running')").await;
    let (before, calls) = (versions(&rig, "item.api").await, rig.api.log().len());
    let rewritten = rig.updated_deletions().await;
    rig.request("other", 1..=300).await;
    rig.wait_until("not exists (select 1 from sexton_deletion where resource = 'other')").await;
    assert_eq!(versions(&rig, "item.api").await, before, "rows that wait were rewritten");
    // Each of the others is claimed and said to be called; nothing else is written.
    let rewritten = rig.updated_deletions().await - rewritten;
    assert!((300..=900).contains(&rewritten), "{rewritten} rewritten for 300 deletions");
    assert_eq!(rig.api.log().len(), calls + 300, "the target whose breaker is open was called");
    assert_eq!(rig.number("select count(*) from sexton_deletion where state = 'dead'").await, 0);
    assert!(worker.metric("sexton_breaker_open{lane=\"item.api\"}").await > 0.5);
    let status = rig.sexton.run(&["status", "--json"]).await.expect_code(0).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["breakers"][0]["lane"], "item.api");
    assert_eq!(status["breakers"][0]["cause"], "failures");
    assert!(status["breakers"][0]["reason"].as_str().unwrap().contains("http_503"), "{status}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn breaker_is_closed_by_a_probe_that_succeeds() {
    let mut rig = Rig::new(Setup { target: QUICK, ..calm() }).await;
    rig.api.set_default(items(Answer::Status(503)));
    rig.request("item", 1..=100).await;
    let (one, two) = (rig.run().await, rig.run().await);
    rig.wait_until("exists (select 1 from sexton_breaker where probes >= 3)").await;
    rig.wait_until("not exists (select 1 from sexton_deletion where state = 'running')").await;
    // A deletion whose call was only a probe has lost no attempt by it.
    assert!(rig.number("select max(attempts) from sexton_deletion").await <= 1);
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(100).await;
    assert_eq!(rig.number("select count(*) from sexton_breaker").await, 0);
    tokio::join!(one.stop(), two.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_open_the_breaker() {
    let mut rig = Rig::new(Setup { target: QUICK, ..calm() }).await;
    rig.api.set_default(items(Answer::Status(401)));
    rig.request("item", 1..=3).await;
    let worker = rig.run().await;
    rig.wait_until("exists (select 1 from sexton_breaker where cause = 'unauthorized' and probes >= 2)").await;
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(3).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_that_knows_nothing_is_not_called_until_an_operator_has_looked() {
    let mut rig = Rig::new(Setup { concurrency: 8, target: "gone_limit = 0.5", ..calm() }).await;
    // A wrong base path would answer 404; here 410 is what the configuration takes for "already deleted".
    rig.api.set_default(items(Answer::Status(410)));
    rig.request("item", 1..=200).await;
    let worker = rig.run().await;
    rig.wait_until("exists (select 1 from sexton_breaker where cause = 'gone' and until is null)").await;
    rig.wait_until("not exists (select 1 from sexton_deletion where state = 'running')").await;
    let calls = rig.api.log().len();
    assert!((50..=50 + 8).contains(&calls), "{calls}");
    // None of their rows went: they wait for the operator as well.
    let held = rig.number("select count(*) from sexton_deletion where held_at is not null").await;
    assert_eq!((held, rig.number("select count(*) from item").await), (calls, 200));
    let refused = rig.sexton.run(&["resume", "item.nothing"]).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    drop(rig.sexton.run(&["resume", "item.api", "--reason", "the path is right now"]).await.expect_code(0));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    assert_eq!(rig.api.log().len(), 200 + held, "what was held is asked once more");
    let actions = "select action || ' ' || (detail ->> 'scope') || ' ' || reason from sexton_action";
    assert_eq!(rig.value(actions).await, "resume item.api the path is right now");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_that_asks_for_patience_is_called_by_no_process() {
    // Patience is heeded up to the longest interval.
    let retry = "max_attempts = 30\ninitial_interval = '50ms'\nmax_interval = '1h'";
    let mut rig = Rig::new(Setup { concurrency: 8, retry, ..calm() }).await;
    let patience = Duration::from_secs(12);
    rig.api
        .set_default(items(Answer::WithHeaders(429, vec![("retry-after".to_owned(), patience.as_secs().to_string())])));
    let (one, two) = (rig.run().await, rig.run().await);
    rig.request("item", 1..=200).await;
    let calls = rig.api.wait_for_calls(1, PATIENCE).await;
    for worker in [&one, &two] {
        worker.wait_for_metric("sexton_throttled{lane=\"item.api\"}", |throttled| throttled > 0.5).await;
    }
    rig.wait_until("not exists (select 1 from sexton_deletion where state = 'running')").await;
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    let log = rig.api.log();
    let refused = log.iter().filter(|call| call.status == Some(429)).count();
    assert!(refused <= 16, "{refused} calls, although each process has eight places");
    let last_refused = log.iter().filter(|call| call.status == Some(429)).map(|call| call.at).max().unwrap();
    let next = log.iter().filter(|call| call.status == Some(204)).map(|call| call.at).min().unwrap();
    assert!(next - calls[0].at >= patience, "called again after {:?}", next - calls[0].at);
    assert!(next > last_refused);
    assert_eq!(rig.number("select count(*) from sexton_attempt").await, 0, "patience costs no attempt");
    tokio::join!(one.stop(), two.stop());
}

/// One row that always fails is no outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_deletion_that_keeps_failing_opens_nothing() {
    let retry = "max_attempts = 30\ninitial_interval = '1ms'\nmax_interval = '5ms'";
    let mut rig = Rig::new(Setup { target: QUICK, retry, ..calm() }).await;
    rig.api.set_default(items(Answer::Status(503)));
    rig.request("item", 1..=1).await;
    rig.drain().await;
    assert_eq!(rig.states().await, [("exhausted".to_owned(), 1)].into());
    assert_eq!(rig.number("select count(*) from sexton_attempt").await, 30);
    assert_eq!(rig.number("select count(*) from sexton_breaker").await, 0);
}
