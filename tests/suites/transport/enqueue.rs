//! Pushing: bounded, damped, quick to fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::AsyncCommands;
use sexton_core::{
    hint::Hint,
    ids::Fence,
    transport::{Error, HintQueue},
};
use sexton_tests::{Redis, eventually};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use super::rig::{NAME, hints, keys, number, tell};

#[tokio::test(flavor = "multi_thread")]
async fn eight_pushers_at_once_never_exceed_the_limit() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let pushers: Vec<_> = (0..8)
        .map(|_| {
            let queue = HintQueue::new(&redis.url(), NAME).expect("a good URL");
            tokio::spawn(async move {
                let mut accepted = 0;
                for _ in 0..5 {
                    let pushed = queue.enqueue(&hints(350), 1000).await.expect("Redis is up");
                    assert!(pushed.length <= 1000, "{pushed:?}");
                    accepted += pushed.accepted;
                }
                accepted
            })
        })
        .collect();
    let mut accepted = 0;
    for pusher in pushers {
        accepted += pusher.await.expect("no panic");
    }
    assert_eq!(accepted, 1000);
    assert_eq!(number(&mut look, &["LLEN", &keys().active()]).await, 1000);
    assert_eq!(number(&mut look, &["HLEN", &keys().data()]).await, 1000);
}

#[tokio::test]
async fn a_doubled_hint_is_damped_and_one_with_a_new_fence_is_not() {
    let redis = Redis::start().await;
    let queue = HintQueue::new(&redis.url(), NAME).expect("a good URL");
    let hint = hints(1)[0];
    let first = queue.enqueue(&[hint, hint], 10).await.expect("Redis is up");
    assert_eq!((first.accepted, first.damped, first.length), (1, 1, 1));
    let claimed_since = Hint::new(hint.id(), Fence(1));
    let second = queue.enqueue(&[hint, claimed_since], 10).await.expect("Redis is up");
    assert_eq!((second.accepted, second.damped, second.length), (1, 1, 2));
    assert_eq!(queue.len().await.expect("Redis is up"), 2);
    let ttl = number(&mut redis.connect().await, &["PTTL", &keys().seen(&hint)]).await;
    assert!((1..=60_000).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_hint_that_the_full_list_refused_leaves_no_seen_key() {
    let redis = Redis::start().await;
    let mut look = redis.connect().await;
    let queue = HintQueue::new(&redis.url(), NAME).expect("a good URL");
    let hints = hints(400);
    let pushed = queue.enqueue(&hints, 3).await.expect("Redis is up");
    assert_eq!((pushed.accepted, pushed.length), (3, 3));
    let seen: Vec<String> = look.keys("*:seen:*").await.expect("keys");
    assert_eq!(seen.len(), 3);
    assert_eq!(number(&mut look, &["HLEN", &keys().data()]).await, 3);
    // There is room now: the refused ones pass at once.
    tell(&mut look, &["DEL", &keys().active()]).await;
    assert_eq!(queue.enqueue(&hints[3..], 1000).await.expect("Redis is up").accepted, 397);
}

#[tokio::test]
async fn a_redis_that_is_down_or_hung_fails_a_push_within_seconds_and_comes_back_by_itself() {
    let mut redis = Redis::start().await;
    let queue = HintQueue::new(&redis.url(), NAME).expect("a good URL");
    queue.enqueue(&hints(1), 10).await.expect("Redis is up");

    // A restart in between costs nothing, not even the first push.
    redis.restart_empty().await;
    assert_eq!(queue.enqueue(&hints(1), 10).await.expect("Redis is up again").length, 1);

    redis.freeze();
    let start = Instant::now();
    let error = queue.enqueue(&hints(1), 10).await.expect_err("no answer");
    assert!(matches!(error, Error::Timeout { .. } | Error::Command { .. } | Error::Connect { .. }), "{error}");
    // Many callers at once wait no longer than one.
    let calls = (0..16).map(|_| queue.len());
    assert!(futures::future::join_all(calls).await.iter().all(Result::is_err));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    redis.thaw();
    eventually("a push after the freeze", async || queue.enqueue(&hints(1), 10).await.is_ok()).await;

    redis.kill().await;
    let start = Instant::now();
    for _ in 0..100 {
        assert!(queue.enqueue(&hints(1), 10).await.is_err());
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    redis.start_again().await;
    eventually("a push after the kill", async || queue.enqueue(&hints(1), 10).await.is_ok()).await;
}

/// The demoted primary keeps its connections and answers READONLY on them for ever; the address leads elsewhere by now.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_the_new_primary_is_used() {
    let (old, new) = (Redis::start().await, Redis::start().await);
    let primary = Arc::new(AtomicU16::new(old.port()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let to = Arc::clone(&primary);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(("127.0.0.1", to.load(Relaxed))).await.expect("a server");
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let queue = HintQueue::new(&format!("redis://{address}"), NAME).expect("a good URL");
    queue.enqueue(&hints(1), 10).await.expect("the old primary is up");
    tell(&mut old.connect().await, &["REPLICAOF", "127.0.0.1", "1"]).await;
    primary.store(new.port(), Relaxed);
    queue.enqueue(&hints(1), 10).await.expect_err("the old one is read-only");
    let pushed = queue.enqueue(&hints(1), 10).await.expect("the new primary is up");
    assert_eq!(pushed.length, 1);
}
