//! A target that asks for patience.

use std::{sync::Arc, time::Duration};

use sexton_tests::{
    PATIENCE,
    api::{Answer, Behaviour, Call},
};

use super::calm;
use crate::rig::workers::{Rig, Setup};

const HOUR: &str = "max_attempts = 30\ninitial_interval = '50ms'\nmax_interval = '1h'";

fn refused(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.status == Some(429)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_that_does_not_say_for_how_long_is_called_less_and_less_often() {
    let mut rig = Rig::new(Setup { concurrency: 8, retry: HOUR, ..calm() }).await;
    rig.api.set_default(Behaviour::Always(Answer::Status(429)));
    rig.request("item", 1..=200).await;
    let (one, two) = tokio::join!(rig.run(), rig.run());
    rig.api.wait_for_calls(1, PATIENCE).await;
    // One call after a second, the next ones after two, four and eight more, a little late each time.
    tokio::time::sleep(Duration::from_secs(18)).await;
    let calls = rig.api.log();
    assert!(refused(&calls) <= 2 * 8 + 5, "{} calls", calls.len());
    assert!(refused(&calls) >= 4, "{} calls: it is tried now and then", calls.len());
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(200).await;
    assert_eq!(rig.number("select count(*) from sexton_breaker").await, 0);
    assert_eq!(rig.number("select count(*) from sexton_attempt").await, 0, "patience costs no attempt");
    tokio::join!(one.stop(), two.stop());
}

/// The volley that follows a time of patience would be refused as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_shows_whether_a_target_answers_again() {
    let mut rig = Rig::new(Setup { concurrency: 16, retry: HOUR, ..calm() }).await;
    let quota = || Answer::WithHeaders(429, vec![("x-ratelimit-reset".to_owned(), "2".to_owned())]);
    rig.api.set_default(Behaviour::With(Arc::new(move |_: &Call| quota())));
    rig.request("item", 1..=200).await;
    let worker = rig.run().await;
    let first = rig.api.wait_for_calls(1, PATIENCE).await[0].at;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let later = rig.api.log().iter().filter(|call| call.at > first + Duration::from_millis(1500)).count();
    assert!((1..=5).contains(&later), "{later} calls in four times of two seconds");
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    worker.stop().await;
}
