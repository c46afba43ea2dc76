//! An outage that is much longer than all retries together.

use std::time::{Duration, Instant};

use sexton_tests::{
    Redis,
    api::{Answer, Behaviour},
};

use super::rates::assert_rate;
use crate::rig::workers::{Rig, Setup};

/// Deletions due; `SEXTON_OUTAGE` sets another number.
fn count() -> i64 {
    std::env::var("SEXTON_OUTAGE").ok().and_then(|count| count.parse().ok()).unwrap_or(3000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outage_kills_no_deletion_and_what_is_due_is_called_at_the_rate_after_it() {
    let redis = Redis::start().await;
    // All five attempts together last less than half a second.
    let retry = "max_attempts = 5\ninitial_interval = '20ms'\nmax_interval = '100ms'\ngive_up_after = '1h'";
    let target = "rate_limit = { per_second = 300, burst = 30 }
                  breaker = { min_calls = 20, probe_interval = '250ms', max_probe_interval = '1s' }";
    let setup = Setup { redis: Some(redis.url()), retry, target, lease: "60s", timeout: "20s", ..Setup::default() };
    let mut rig = Rig::new(setup).await;
    rig.api.set_default(Behaviour::Always(Answer::Status(503)));
    rig.request("item", 1..=count()).await;
    let (one, two) = tokio::join!(rig.run(), rig.run());
    rig.wait_until("exists (select 1 from sexton_breaker where lane = 'item.api')").await;
    let since = Instant::now();
    // Of an outage only its length counts.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let probes = rig.number("select probes from sexton_breaker").await;
    let calls = rig.api.log();
    // What opened it, what was in flight in two processes, and one call a probe.
    let during = calls.iter().filter(|call| call.at > since + Duration::from_secs(1)).count();
    assert!(during <= probes, "{during} calls for {probes} probes");
    assert!(calls.len() <= 20 + 2 * 32 + probes, "{} calls", calls.len());
    assert!(probes <= 13, "{probes} probes in {:?}", since.elapsed());
    assert_eq!(rig.number("select count(*) from sexton_deletion where state = 'dead'").await, 0);
    rig.api.set_default(Behaviour::Always(Answer::Status(204)));
    rig.wait_until("not exists (select 1 from sexton_deletion)").await;
    rig.assert_completed(usize::try_from(count()).unwrap()).await;
    let after: Vec<_> = rig.api.log().into_iter().filter(|call| call.status == Some(204)).collect();
    assert_rate(&after[after.len().saturating_sub(3000)..], 300.0, 30, 40);
    tokio::join!(one.stop(), two.stop());
}
