//! Some rows of a target are refused or fail; the others must not wait for them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use sexton_tests::{
    PATIENCE,
    api::{Answer, Behaviour, Call},
};

use super::calm;
use crate::rig::workers::{Rig, Setup};

const FEW_ATTEMPTS: &str = "max_attempts = 4\ninitial_interval = '50ms'\nmax_interval = '500ms'";

fn id_of(call: &Call) -> i64 {
    call.path().trim_start_matches("/item-").parse().unwrap()
}

/// `answer` for the items up to `last`, 204 for the others.
fn first_items(last: i64, answer: Answer) -> Behaviour {
    Behaviour::With(Arc::new(move |call: &Call| if id_of(call) <= last { answer.clone() } else { Answer::Status(204) }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_that_is_refused_for_good_does_not_hold_up_the_others() {
    let mut rig = Rig::new(Setup { concurrency: 8, retry: FEW_ATTEMPTS, ..calm() }).await;
    rig.api.set_default(first_items(1, Answer::Status(403)));
    let worker = rig.run().await;
    rig.request("item", 1..=1).await;
    rig.api.wait_for_calls(1, PATIENCE).await;
    let start = Instant::now();
    for id in 2..=60 {
        rig.request("item", id..=id).await;
    }
    rig.wait_until("(select count(*) from sexton_deletion_done) = 59").await;
    // A probe would come after five seconds.
    assert!(start.elapsed() < Duration::from_millis(4500), "the others took {:?}", start.elapsed());
    assert_eq!(rig.number("select count(*) from sexton_breaker").await, 0);
    rig.wait_until("exists (select 1 from sexton_deletion where dead_kind = 'rejected')").await;
    assert_eq!(rig.value("select last_error from sexton_deletion").await, "api answered 403 (http_403)");
    worker
        .wait_for_metric("sexton_calls_total{resource=\"item\",target=\"api\",outcome=\"refused_alone\"}", |n| n > 0.5)
        .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_rows_that_are_refused_for_good_open_the_breaker_for_one_probe_only() {
    let mut rig = Rig::new(Setup { concurrency: 8, retry: FEW_ATTEMPTS, ..calm() }).await;
    rig.api.set_default(first_items(20, Answer::Status(401)));
    rig.request("item", 1..=120).await;
    let worker = rig.run().await;
    let start = Instant::now();
    rig.wait_until("(select count(*) from sexton_deletion_done) = 100").await;
    assert!(start.elapsed() < Duration::from_secs(20), "the others took {:?}", start.elapsed());
    rig.wait_until("not exists (select 1 from sexton_deletion where state <> 'dead')").await;
    assert_eq!(rig.states().await, BTreeMap::from([("completed".to_owned(), 100), ("rejected".to_owned(), 20)]));
    worker.stop().await;
}

/// One tenant's rows fail, and they are the oldest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_drawn_across_the_lane() {
    let target = "breaker = { min_calls = 20, probe_interval = '400ms', max_probe_interval = '400ms' }";
    let retry = "max_attempts = 1000\ninitial_interval = '1h'\nmax_interval = '1h'";
    let mut rig = Rig::new(Setup { concurrency: 4, retry, target, ..calm() }).await;
    rig.api.set_default(first_items(300, Answer::Status(503)));
    rig.request("item", 1..=300).await;
    rig.request("item", 301..=900).await;
    let worker = rig.run().await;
    rig.api.wait_until("a good call", PATIENCE, |calls| calls.iter().any(|call| call.status == Some(204))).await;
    let bad = rig.api.log().iter().filter(|call| call.status == Some(503)).count();
    // What opened the breaker, and some probes: two of three find a good one.
    assert!(bad < 60, "{bad} bad calls before the first good one");
    worker.stop().await;
}
