//! Deletions whose target or resource has left the configuration.

use crate::rig::{RESOURCE, Rig, Server, on_both};

on_both!(
    lane_of_a_target_that_left_is_worked_off_and_ends_as_a_dead_letter,
    deletion_of_a_resource_that_left_ends_as_a_dead_letter,
    target_that_was_renamed_is_asked_by_its_new_name,
);

const SETTINGS: &str = "[worker]\nlease = \"6s\"\n[retry]\nmax_attempts = 3\ninitial_interval = \"1ms\"\n\
                        max_interval = \"1s\"\ngive_up_after = \"2s\"\n";
const DEAD: &str = "select dead_kind, last_error from sexton_deletion where state = 'dead'";

/// The target `mirror` before the other.
fn with_mirror() -> String {
    let (resource, calendar) = RESOURCE.split_at(RESOURCE.find("[[").unwrap());
    let mirror = calendar.replace("calendar\"", "mirror\"").replace("/calendars", "/mirror");
    format!("{SETTINGS}{resource}{mirror}{calendar}")
}

async fn lane_of_a_target_that_left_is_worked_off_and_ends_as_a_dead_letter(server: Server) {
    let rig = Rig::blocks_with(server, 1, &with_mirror()).await;
    let id = rig.request_block().await;
    assert_eq!(rig.one("select lane from sexton_deletion").await, "block.mirror");
    rig.reconfigure(&format!("{SETTINGS}{RESOURCE}"));
    let daemon = rig.sexton.spawn(&["run", "--allow-drift"]).await;
    let why = "target mirror was required when it was requested, and is not configured any more";
    rig.until(DEAD, &format!("target_not_configured|{why}")).await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"], "the other target was called");
    assert_eq!(rig.rows("select count(*) from block").await, ["1"]);
    daemon.stop().await;
    // The target is back.
    rig.reconfigure(&with_mirror());
    drop(rig.run(&["dlq", "retry", "--kind", "target_not_configured", "--yes"]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1", "DELETE /mirror/c/events/g1"]);
}

async fn deletion_of_a_resource_that_left_ends_as_a_dead_letter(server: Server) {
    let rig = Rig::blocks_with(server, 2, &with_mirror()).await;
    let ids = rig.request("block", &["1", "2"]).await;
    let renamed = RESOURCE.replace("resources.block", "resources.piece");
    rig.reconfigure(&format!("{SETTINGS}{renamed}"));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    let daemon = rig.daemon().await;
    let why = "no process has block.mirror in its configuration";
    rig.until("select count(*) from sexton_deletion where state = 'dead'", "2").await;
    assert_eq!(rig.rows(DEAD).await, vec![format!("target_not_configured|{why}"); 2]);
    daemon.stop().await;
    drop(rig.run(&["dlq", "discard", &ids[0], "--reason", "the table was renamed"]).await.expect_code(0));
    assert_eq!(rig.state(&ids[0]).await, "cancelled");
    rig.reconfigure(&with_mirror());
    drop(rig.run(&["dlq", "retry", &ids[1]]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&ids[1]).await, "completed");
}

async fn target_that_was_renamed_is_asked_by_its_new_name(server: Server) {
    let rig = Rig::blocks_with(server, 2, &with_mirror()).await;
    let ids = rig.request("block", &["1", "2"]).await;
    rig.reconfigure(&format!("{SETTINGS}{RESOURCE}"));
    let daemon = rig.sexton.spawn(&["run", "--allow-drift"]).await;
    rig.until("select count(*) from sexton_deletion where state = 'dead'", "2").await;
    daemon.stop().await;
    // One of them is due once more, under the old name.
    drop(rig.run(&["dlq", "retry", &ids[1]]).await.expect_code(0));
    rig.reconfigure(&with_mirror().replace("\"mirror\"", "\"copy\""));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    for (from, to) in [("block.mirror", "block.nothing"), ("block.calendar", "block.copy"), ("mirror", "block.copy")] {
        assert_eq!(rig.run(&["dlq", "retarget", from, to, "--yes"]).await.code, 2, "{from} {to}");
    }
    assert_eq!(rig.run(&["dlq", "retarget", "block.mirror", "block.copy"]).await.code, 2, "it cannot ask");
    let retarget = ["dlq", "retarget", "block.mirror", "block.copy", "--yes", "--reason", "renamed"];
    let told = rig.run(&retarget).await.expect_code(0).stdout;
    assert_eq!(told, "2 deletions ask block.copy in place of block.mirror\n");
    rig.work().await;
    for id in &ids {
        assert_eq!(rig.state(id).await, "completed");
    }
    let mirrored = rig.calls().iter().filter(|call| call.contains("/mirror/")).count();
    assert_eq!(mirrored, 2);
    assert_eq!(rig.show(&ids[0]).await["actions"][0]["action"], "retarget");
    let told = rig.run(&retarget).await.expect_code(0).stdout;
    assert_eq!(told, "0 deletions ask block.copy in place of block.mirror\n");
}
