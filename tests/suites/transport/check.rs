//! What `sexton check` finds.

use sexton_tests::Redis;
use sexton_worker::transport::check::{self, RedisFinding};

use super::rig::tell;

async fn check(url: &str) -> Vec<RedisFinding> {
    check::check(url, "deletions").await
}

#[tokio::test]
async fn a_plain_redis_is_fit_for_use() {
    let redis = Redis::start().await;
    assert_eq!(check(&redis.url()).await, []);
}

#[tokio::test]
async fn an_evicting_redis_is_refused_also_where_config_is_forbidden() {
    let redis = Redis::builder().arg("--maxmemory-policy").arg("allkeys-lru").start().await;
    let evicting = |findings: &[RedisFinding]| matches!(findings, [RedisFinding::MaxmemoryPolicy { policy, .. }] if policy == "allkeys-lru");
    let findings = check(&redis.url()).await;
    assert!(evicting(&findings), "{findings:?}");
    assert!(findings[0].is_fatal() && findings[0].remedy().contains("noeviction"));

    let mut admin = redis.connect().await;
    tell(&mut admin, &["ACL", "SETUSER", "managed", "on", ">pw", "~*", "&*", "+@all", "-config"]).await;
    let url = redis.url().replace("redis://", "redis://managed:pw@");
    let findings = check(&url).await;
    assert!(evicting(&findings), "{findings:?}");
}

/// Fact 10: registration of an apalis worker touches a key outside the queue's hash slot.
#[tokio::test]
async fn a_cluster_is_refused() {
    let redis = Redis::builder().arg("--cluster-enabled").arg("yes").start().await;
    let findings = check(&redis.url()).await;
    assert!(findings.iter().any(|finding| matches!(finding, RedisFinding::Cluster { .. })), "{findings:?}");
}

#[tokio::test]
async fn a_replica_is_refused() {
    let redis = Redis::start().await;
    tell(&mut redis.connect().await, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let findings = check(&redis.url()).await;
    assert!(matches!(findings[..], [RedisFinding::Replica { .. }]), "{findings:?}");
}

#[tokio::test]
async fn wrong_and_missing_passwords_are_told_apart_from_a_redis_that_is_not_there() {
    let mut redis = Redis::builder().password("right1").start().await;
    assert_eq!(check(&redis.url()).await, []);
    for url in [redis.url().replace("right1", "hunter2"), redis.url().replace(":right1@", "")] {
        let findings = check(&url).await;
        assert!(matches!(findings[..], [RedisFinding::Credentials { .. }]), "{findings:?}");
        assert!(!findings[0].to_string().contains("hunter2"));
    }
    let tls = format!("rediss://127.0.0.1:{}/", redis.port());
    let findings = check(&tls).await;
    assert!(matches!(findings[..], [RedisFinding::Unreachable { .. }]), "it speaks no TLS: {findings:?}");
    redis.kill().await;
    let findings = check(&redis.url()).await;
    assert!(matches!(findings[..], [RedisFinding::Unreachable { .. }]), "{findings:?}");
    let findings = check("http://example.org").await;
    assert!(matches!(findings[..], [RedisFinding::Url { .. }]), "{findings:?}");
}

#[tokio::test]
async fn a_user_that_may_not_run_scripts_is_refused() {
    let redis = Redis::start().await;
    let mut admin = redis.connect().await;
    tell(&mut admin, &["ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", "-@scripting"]).await;
    let findings = check(&redis.url().replace("redis://", "redis://limited:pw@")).await;
    assert!(matches!(findings[..], [RedisFinding::Forbidden { action: "run scripts", .. }]), "{findings:?}");
}

/// The least rights, as docs/configuration.md names them.
const LEAST: [&str; 13] = [
    "on",
    ">pw",
    "~deletions:*",
    "~core:apalis:queues:list",
    "&deletions:wake",
    "+@read",
    "+@write",
    "+@scripting",
    "+@pubsub",
    "+@connection",
    "+time",
    "+info",
    "+config|get",
];

async fn as_user(redis: &Redis, rights: &[&str]) -> String {
    let mut admin = redis.connect().await;
    tell(&mut admin, &["ACL", "SETUSER", "least", "reset"]).await;
    tell(&mut admin, &[&["ACL", "SETUSER", "least"], rights].concat()).await;
    redis.url().replace("redis://", "redis://least:pw@")
}

#[tokio::test]
async fn the_documented_least_rights_are_enough_and_nothing_is_left() {
    let page = include_str!("../../../docs/configuration.md");
    for right in &LEAST[2..] {
        assert!(page.contains(&right.replace("deletions", "NAME")), "{right} is not documented");
    }
    let redis = Redis::start().await;
    let url = as_user(&redis, &LEAST).await;
    assert_eq!(check(&url).await, []);
    let mut admin = redis.connect().await;
    let left: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut admin).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn whatever_right_is_missing_is_found() {
    let redis = Redis::start().await;
    for (lost, named) in [
        ("+time", "time"),
        ("+info", "info"),
        ("~core:apalis:queues:list", "core:apalis:queues:list"),
        ("~deletions:*", ""),
        ("&deletions:wake", "name:wake"),
        ("+@scripting", ""),
        ("+@pubsub", ""),
        ("+@write", ""),
    ] {
        let rights: Vec<&str> = LEAST.into_iter().filter(|right| *right != lost).collect();
        let url = as_user(&redis, &rights).await;
        let findings = check(&url).await;
        let [finding] = &findings[..] else { panic!("without {lost}: {findings:?}") };
        assert!(finding.is_fatal() && finding.to_string().to_lowercase().contains(named), "without {lost}: {finding}");
        assert!(finding.remedy().contains("+@scripting"), "{finding:?}");
    }
    let url = as_user(&redis, &[&LEAST[..], &["-rpush"]].concat()).await;
    let findings = check(&url).await;
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert!(finding.to_string().to_lowercase().contains("rpush"), "{finding}");
}

#[tokio::test]
async fn a_full_redis_is_found() {
    let redis = Redis::builder().arg("--maxmemory").arg("1").start().await;
    let findings = check(&redis.url()).await;
    assert!(matches!(&findings[..], [finding] if finding.is_fatal()), "{findings:?}");
}
