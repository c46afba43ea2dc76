//! What `sexton check` finds.

use sexton_tests::Redis;
use sexton_worker::transport::check::{Finding, check};

use super::rig::tell;

#[tokio::test]
async fn a_plain_redis_is_fit_for_use() {
    let redis = Redis::start().await;
    assert_eq!(check(&redis.url()).await, []);
}

#[tokio::test]
async fn an_evicting_redis_is_refused_also_where_config_is_forbidden() {
    let redis = Redis::builder().arg("--maxmemory-policy").arg("allkeys-lru").start().await;
    let evicting =
        |findings: &[Finding]| matches!(findings, [Finding::MaxmemoryPolicy { policy, .. }] if policy == "allkeys-lru");
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
    assert!(findings.iter().any(|finding| matches!(finding, Finding::Cluster { .. })), "{findings:?}");
}

#[tokio::test]
async fn a_replica_is_refused() {
    let redis = Redis::start().await;
    tell(&mut redis.connect().await, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let findings = check(&redis.url()).await;
    assert!(matches!(findings[..], [Finding::Replica { .. }]), "{findings:?}");
}

#[tokio::test]
async fn wrong_and_missing_passwords_are_told_apart_from_a_redis_that_is_not_there() {
    let mut redis = Redis::builder().password("right1").start().await;
    assert_eq!(check(&redis.url()).await, []);
    for url in [redis.url().replace("right1", "hunter2"), redis.url().replace(":right1@", "")] {
        let findings = check(&url).await;
        assert!(matches!(findings[..], [Finding::Credentials { .. }]), "{findings:?}");
        assert!(!findings[0].to_string().contains("hunter2"));
    }
    let tls = format!("rediss://127.0.0.1:{}/", redis.port());
    let findings = check(&tls).await;
    assert!(matches!(findings[..], [Finding::Unreachable { .. }]), "it speaks no TLS: {findings:?}");
    redis.kill().await;
    let findings = check(&redis.url()).await;
    assert!(matches!(findings[..], [Finding::Unreachable { .. }]), "{findings:?}");
    let findings = check("http://example.org").await;
    assert!(matches!(findings[..], [Finding::Url { .. }]), "{findings:?}");
}

#[tokio::test]
async fn a_user_that_may_not_run_scripts_is_refused() {
    let redis = Redis::start().await;
    let mut admin = redis.connect().await;
    tell(&mut admin, &["ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", "-@scripting"]).await;
    let findings = check(&redis.url().replace("redis://", "redis://limited:pw@")).await;
    assert!(matches!(findings[..], [Finding::Forbidden { action: "run scripts", .. }]), "{findings:?}");
}
