//! Long answers that come all at once.

use sexton_tests::{
    PATIENCE,
    api::{Answer, Behaviour, Gate},
};

use crate::rig::{RESOURCE, Rig, Server};

/// As many as are called at once.
const CALLS: usize = 64;
/// A little less than what is read of an answer.
const ANSWER: usize = 1_000_000;
const MIB: u64 = 1024 * 1024;

/// The most memory that the process ever had, in bytes.
fn most_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_answers_wait_for_each_other_and_cost_no_attempt() {
    let settings =
        format!("{}[worker]\nanswer_memory_mib = 1\nlease = \"90s\"\n", RESOURCE.replace("\"2s\"", "\"30s\""));
    let rig = Rig::blocks_with(Server::postgres().await, CALLS, &settings).await;
    let gate = Gate::new();
    let long = Answer::StatusBody(200, "x".repeat(ANSWER));
    rig.api.set_default(Behaviour::Always(Answer::Held(gate.clone(), Box::new(long))));
    let keys: Vec<String> = (1..=CALLS).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    drop(rig.request("block", &keys).await);
    let daemon = rig.daemon().await;
    rig.api.wait_for_in_flight(CALLS, PATIENCE).await;
    let before = most_memory(daemon.pid());
    gate.open();
    rig.until("select count(*) from block", "0").await;
    let taken = most_memory(daemon.pid()).saturating_sub(before);
    assert_eq!(rig.one("select count(*) from sexton_attempt").await, "0", "no attempt failed");
    // What waits is in buffers of the connections; what is read is a megabyte at a time.
    assert!(taken < 40 * MIB, "{} MiB", taken / MIB);
    daemon.stop().await;
}
