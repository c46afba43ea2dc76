//! A series of exports misses nothing: not what a transaction commits late, and not what finishes between two of them.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};
use serde_json::Value;
use sexton_tests::Stream;

use crate::rig::{PATIENCE, RESOURCE, Rig, Server, on_both};

on_both!(
    export_waits_for_what_is_committed_late,
    exports_with_a_cursor_miss_and_repeat_nothing,
    export_that_follows_prints_what_finishes_until_it_is_interrupted,
    cursor_that_is_none_changes_nothing,
);

/// A transaction that has finished the deletion of this block and is not committed.
async fn late(rig: &Rig, key: i64) -> DatabaseTransaction {
    let transaction = rig.server.connect().await.begin().await.unwrap();
    let id = if rig.server.is_postgres() { "gen_random_uuid()" } else { "'01939d1c-0000-7000-8000-00000000000' || 1" };
    let insert = format!(
        "insert into sexton_deletion_done (id, resource, key, state, cancelled_by, fence, attempts, rescues, batch_id,
            targets, confirmations, requested_at, requested_by)
         values ({id}, 'block', '{key}', 'cancelled', 'discarded', 0, 0, 0, '00000000-0000-7000-8000-000000000000',
            '[]', '{{}}', '2026-01-01T00:00:00.000Z', 'x')"
    );
    transaction.execute_unprepared(&insert).await.unwrap();
    transaction
}

fn keys(stdout: &str) -> Vec<String> {
    let key = |line| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
    stdout.lines().map(key).collect()
}

async fn export_waits_for_what_is_committed_late(server: Server) {
    let rig = Rig::blocks(server, 0).await;
    let before = if rig.server.is_postgres() { "now()::text" } else { "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')" };
    let before = rig.one(&format!("select {before}")).await.replace(' ', "T").replace("+00", "Z");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let transaction = late(&rig, 1).await;
    if rig.server.is_postgres() {
        let refused = rig.run(&["export", "--since", "1h", "--wait", "200ms"]).await.expect_code(1);
        assert!(refused.stdout.is_empty() && refused.stderr.contains("the server's process"), "{refused:?}");
        // It began later than that.
        let done = rig.run(&["export", "--since", "1h", "--until", &before, "--wait", "200ms"]).await.expect_code(0);
        assert_eq!(done.stdout, "");
    }
    let export = rig.sexton.spawn(&["export", "--since", "1h"]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(export.exit_code(), None, "it waits");
    transaction.commit().await.unwrap();
    assert_eq!(export.wait(PATIENCE).await, 0);
    let lines: String =
        export.logs().into_iter().filter(|l| l.stream == Stream::Stdout).map(|l| l.text + "\n").collect();
    assert_eq!(keys(&lines), ["1"]);
}

async fn exports_with_a_cursor_miss_and_repeat_nothing(server: Server) {
    let rig = Rig::blocks(server, 3).await;
    let export = ["export", "--since", "1h", "--cursor", "audit.cursor"];
    let mut exported = Vec::new();
    for key in ["1", "2", "3"] {
        rig.request("block", &[key]).await;
        rig.work().await;
        exported.push(keys(&rig.run(&export).await.expect_code(0).stdout));
    }
    assert_eq!(exported, [["1"], ["2"], ["3"]]);
    assert_eq!(rig.run(&export[..1]).await.code, 2, "it must be said where to begin");
    assert_eq!(rig.run(&["export", "--cursor", "audit.cursor"]).await.expect_code(0).stdout, "");
    // Into a file, for a time before the last one's end: the cursor stays where it is.
    let again = ["export", "--cursor", "audit.cursor", "--until", "30m", "--output", "none.jsonl"];
    drop(rig.run(&again).await.expect_code(0));
    assert_eq!(rig.run(&["export", "--cursor", "audit.cursor"]).await.expect_code(0).stdout, "");
    assert_eq!(std::fs::read_to_string(rig.sexton.dir().join("none.jsonl")).unwrap(), "");
}

async fn export_that_follows_prints_what_finishes_until_it_is_interrupted(server: Server) {
    let rig = Rig::blocks_with(server, 2, RESOURCE).await;
    let export = rig.sexton.spawn(&["export", "--since", "1h", "--cursor", "audit.cursor", "--follow"]).await;
    for key in ["1", "2"] {
        rig.request("block", &[key]).await;
        rig.work().await;
        export.wait_for_log(&format!("\"key\":\"{key}\""), PATIENCE).await;
    }
    export.signal("INT");
    assert_eq!(export.wait(PATIENCE).await, 0);
    assert_eq!(export.logs().iter().filter(|line| line.stream == Stream::Stdout).count(), 2);
    assert_eq!(rig.run(&["export", "--cursor", "audit.cursor"]).await.expect_code(0).stdout, "");
}

async fn cursor_that_is_none_changes_nothing(server: Server) {
    let rig = Rig::blocks(server, 0).await;
    let refused = rig.run(&["export", "--cursor", "none"]).await.expect_code(2).stderr;
    assert!(refused.contains("there is no none yet; say with --since where to begin"), "{refused}");
    for text in ["", "now\n", "yesterday\n", "2026-02-30 00:00:00+00\n", "# a list\n"] {
        rig.sexton.write("other", text);
        let refused = rig.run(&["export", "--since", "1h", "--cursor", "other"]).await.expect_code(2).stderr;
        assert!(refused.contains("other is no file that an export has written"), "{text}: {refused}");
        assert_eq!(std::fs::read_to_string(rig.sexton.dir().join("other")).unwrap(), text);
    }
}
