//! What an idle daemon costs.

use std::time::Duration;

use sexton_tests::Redis;

use super::rig::{Rig, Setup};

/// User and system time of a process, in ticks of 10 ms (proc(5), fields 14 and 15 of `stat`).
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_daemon_asks_little_and_needs_hardly_any_cpu() {
    const SECONDS: u32 = 5;
    let redis = Redis::start().await;
    let rig = Rig::new(Setup { redis: Some(redis.url()), lease: "60s", ..Setup::default() }).await;
    let worker = rig.run().await;
    worker.wait_for_metric("sexton_fed_by_redis", |fed| fed > 0.5).await;
    // A daemon that has just started sweeps, and then not for an hour.
    rig.wait_until("exists (select 1 from sexton_sweep where last_run_at is not null)").await;
    // Counters are written when a session is idle, at most once a second; so a while is let pass at both ends.
    let transactions = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (before, ticks) = (rig.number(transactions).await, cpu_ticks(worker.daemon.pid()));
    tokio::time::sleep(Duration::from_secs(SECONDS.into())).await;
    let (after, used) = (rig.number(transactions).await, cpu_ticks(worker.daemon.pid()) - ticks);
    let a_second = (after - before) as f64 / f64::from(SECONDS);
    assert!(a_second < 15.0, "{a_second} statements a second");
    // A debug build on a busy machine; a loop without a pause would use 100 ticks a second.
    assert!(used < 10 * u64::from(SECONDS), "{used} ticks of CPU in {SECONDS} s");
    worker.stop().await;
}
