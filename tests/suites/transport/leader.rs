//! One dispatcher at a time.

use sexton_core::transport::HintQueue;
use sexton_tests::Redis;
use sexton_worker::transport::Leader;

use super::rig::{NAME, keys, number, tell};

#[tokio::test]
async fn one_candidate_leads_until_it_resigns_or_its_lease_ends() {
    let mut redis = Redis::start().await;
    let mut look = redis.connect().await;
    let queue = HintQueue::new(&redis.url(), NAME).expect("a good URL");
    let (one, two) = (Leader::new(queue.clone(), "one"), Leader::new(queue, "two"));
    assert!(one.try_lead().await.expect("Redis is up"));
    assert!(!two.try_lead().await.expect("Redis is up"));

    // Renewal is for the holder only.
    tell(&mut look, &["PEXPIRE", &keys().dispatcher(), "2000"]).await;
    assert!(!two.try_lead().await.expect("Redis is up"));
    assert!(number(&mut look, &["PTTL", &keys().dispatcher()]).await <= 2000);
    assert!(one.try_lead().await.expect("Redis is up"));
    assert!(number(&mut look, &["PTTL", &keys().dispatcher()]).await > 4000);

    two.resign().await.expect("Redis is up");
    assert!(!two.try_lead().await.expect("Redis is up"), "another's resignation changes nothing");
    one.resign().await.expect("Redis is up");
    assert!(two.try_lead().await.expect("Redis is up"));

    tell(&mut look, &["PEXPIRE", &keys().dispatcher(), "0"]).await; // The lease ends.
    assert!(one.try_lead().await.expect("Redis is up"));
    assert!(!two.try_lead().await.expect("Redis is up"));

    redis.kill().await;
    assert!(one.try_lead().await.is_err());
}
