//! A process that has too few file descriptors for the calls it makes.

use std::time::Duration;

use sexton_tests::{
    Sexton,
    api::{Answer, Behaviour},
};

use crate::{
    console::get,
    rig::{RESOURCE, Rig, Server},
};

const BLOCKS: usize = 100;

/// The database's connections need descriptors as well: what cannot be written back waits for its lease.
const LEASE: &str = "[worker]\nlease = \"6s\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_a_descriptor_cost_no_attempt_and_open_no_breaker() {
    let rig = Rig::blocks_with(Server::postgres().await, BLOCKS, &format!("{RESOURCE}\n{LEASE}")).await;
    let keys: Vec<String> = (1..=BLOCKS).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    drop(rig.request("block", &keys).await);
    // As many calls as may be are open at the same time.
    rig.api.set_default(Behaviour::Always(Answer::Delay(Duration::from_millis(300), Box::new(Answer::Status(204)))));
    let Rig { server, api, sexton } = rig;
    let rig = Rig { server, api, sexton: Sexton::open_files(sexton, 48) };
    let daemon = rig.sexton.spawn(&["run"]).await;
    let console = daemon.address("console").await;
    rig.until("select count(*) from block", "0").await;
    assert_eq!(rig.one("select count(*) from sexton_deletion_done where state = 'completed'").await, "100");
    assert_eq!(rig.one("select count(*) from sexton_attempt").await, "0", "no attempt failed");
    let metrics = get(&console, "/metrics").await.1;
    assert!(metrics.contains("outcome=\"starved\""), "{metrics}");
    assert!(!metrics.contains("sexton_breaker_openings_total"), "{metrics}");
    let lines: Vec<_> = daemon.logs().into_iter().map(|line| line.text).collect();
    let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["the process may open 48 files", "worker.concurrency = 64"]), "{lines:#?}");
    assert!(has(&["calls wait because this process lacks something (no_descriptors)", "ulimit -n"]), "{lines:#?}");
    daemon.stop().await;
}

/// The system's resolver reads files and opens sockets; without descriptors it knows no name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credential_files_and_names_without_a_descriptor_are_no_fault_of_the_target() {
    let resource = RESOURCE
        .replace("@API@", "http://localhost:@PORT@")
        .replace("timeout =", "auth = { bearer = { token_file = \"token\" } }\ntimeout =");
    let rig = Rig::blocks_with(Server::postgres().await, BLOCKS, &format!("{RESOURCE}\n{LEASE}")).await;
    let port = rig.api.url().rsplit(':').next().unwrap().to_owned();
    rig.sexton.write("token", "secret-token\n");
    rig.reconfigure(&format!("{}\n{LEASE}", resource.replace("@PORT@", &port)));
    let keys: Vec<String> = (1..=BLOCKS).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    drop(rig.request("block", &keys).await);
    rig.api.set_default(Behaviour::Always(Answer::Delay(Duration::from_millis(300), Box::new(Answer::Status(204)))));
    let Rig { server, api, sexton } = rig;
    let rig = Rig { server, api, sexton: Sexton::open_files(sexton, 44) };
    let daemon = rig.sexton.spawn(&["run"]).await;
    rig.until("select count(*) from block", "0").await;
    assert_eq!(rig.one("select count(*) from sexton_attempt").await, "0", "no attempt failed");
    daemon.stop().await;
}
