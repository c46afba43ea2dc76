//! How much memory a worker takes for rows with large columns.

use std::path::PathBuf;

use crate::rig::{Rig, Server, on_both};

on_both!(large_payloads_in_flight_are_bounded);

const TABLES: &str = "create table doc (id bigint primary key, body text, deleted_at TIME_TYPE)";

const RESOURCE: &str = r#"
[resources.doc]
table = "doc"
key = "id"
marker = { column = "deleted_at" }

[[resources.doc.targets]]
name = "archive"
kind = "http"
url = "@API@/docs/{id}"
body = { text = "{body}" }
allow_private = true
"#;

/// Rows of 1 MiB, as many as may be in flight.
const ROWS: usize = 64;

/// The limit of the Kubernetes manifest.
const LIMIT_KIB: u64 = 256 * 1024;

async fn large_payloads_in_flight_are_bounded(server: Server) {
    let rig = Rig::with(server, TABLES, RESOURCE).await;
    let body = if rig.server.is_postgres() { "repeat(md5(i::text), 32768)" } else { "hex(randomblob(524288))" };
    rig.execute(&format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS})
         insert into doc (id, body) select i, {body} from n"
    ))
    .await;
    drop(rig.run(&["request", "doc", "--where", "id > 0", "--yes"]).await.expect_code(0));
    let daemon = rig.daemon().await;
    rig.until("select count(*) from doc", "0").await;
    assert_eq!(rig.calls().len(), ROWS);
    let peak = peak_kib(daemon.pid());
    assert!(peak < LIMIT_KIB, "{peak} KiB for {ROWS} rows of 1 MiB");
}

/// The most memory that the process ever had (proc(5), VmHWM).
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/status"))).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
