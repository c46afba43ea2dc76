//! `after`: a target is called only once those it names have confirmed.

use sexton_tests::api::Answer;

use crate::rig::{BLOCK, Rig, Server, config, on_both};

/// In the file the last comes first: `zoom` after `stripe` after `audit`; `mail` depends on none.
const RESOURCE: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }

[[resources.block.targets]]
name = "zoom"
kind = "http"
url = "@API@/zoom/{id}"
allow_private = true
after = ["stripe"]

[[resources.block.targets]]
name = "mail"
kind = "http"
url = "@API@/mail/{id}"
allow_private = true

[[resources.block.targets]]
name = "stripe"
kind = "http"
url = "@API@/stripe/{id}"
allow_private = true
after = ["audit"]

[[resources.block.targets]]
name = "audit"
kind = "http"
url = "@API@/audit/{id}"
allow_private = true
skip_when_null = ["note"]
"#;

on_both!(
    targets_are_called_in_the_order_that_they_ask_for,
    target_waits_while_the_one_before_it_fails_and_the_others_do_not,
    skipped_or_gone_target_lets_those_behind_it_go_on,
    target_behind_one_that_refuses_is_never_called,
    targets_that_wait_for_each_other_are_refused,
);

async fn rig(server: Server, note: &str) -> Rig {
    let rig = Rig::with(server, BLOCK, RESOURCE).await;
    rig.execute(&format!("insert into block (id, note) values (1, {note})")).await;
    rig
}

async fn targets_are_called_in_the_order_that_they_ask_for(server: Server) {
    let rig = rig(server, "'x'").await;
    let id = rig.request_block().await;
    let lane = "select lane from sexton_deletion";
    assert_eq!(rig.one(lane).await, "block.mail", "the lane is that of a target that may be called");
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /mail/1", "DELETE /audit/1", "DELETE /stripe/1", "DELETE /zoom/1"]);
    assert_eq!(rig.state(&id).await, "completed");
}

async fn target_waits_while_the_one_before_it_fails_and_the_others_do_not(server: Server) {
    let rig = rig(server, "'x'").await;
    rig.api.script("/audit/1", vec![Answer::Status(503), Answer::Status(503)]);
    let id = rig.request_block().await;
    rig.work().await;
    let calls = rig.calls();
    assert_eq!(calls[..2], ["DELETE /mail/1", "DELETE /audit/1"]);
    assert_eq!(calls[2..], ["DELETE /audit/1", "DELETE /audit/1", "DELETE /stripe/1", "DELETE /zoom/1"]);
    assert_eq!(rig.state(&id).await, "completed");
}

async fn skipped_or_gone_target_lets_those_behind_it_go_on(server: Server) {
    let rig = rig(server, "null").await;
    rig.api.script("/stripe/1", vec![Answer::Status(410)]);
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /mail/1", "DELETE /stripe/1", "DELETE /zoom/1"]);
    assert_eq!(rig.state(&id).await, "completed");
}

async fn target_behind_one_that_refuses_is_never_called(server: Server) {
    let rig = rig(server, "'x'").await;
    rig.api.script("/stripe/1", vec![Answer::Status(400)]);
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "dead: rejected");
    assert_eq!(rig.one("select lane from sexton_deletion").await, "block.stripe");
    drop(rig.run(&["dlq", "retry", &id]).await.expect_code(0));
    rig.work().await;
    let calls = rig.calls();
    assert_eq!(calls, ["DELETE /mail/1", "DELETE /audit/1", "DELETE /stripe/1", "DELETE /stripe/1", "DELETE /zoom/1"]);
    assert_eq!(rig.state(&id).await, "completed");
}

async fn targets_that_wait_for_each_other_are_refused(server: Server) {
    let rig = rig(server, "null").await;
    for (from, to, wanted) in [
        (
            "[\"audit\"]",
            "[\"zoom\"]",
            "resources.block.targets[0].after: these targets wait for each other: zoom → stripe → zoom",
        ),
        (
            "[\"audit\"]",
            "[\"stripe\"]",
            "resources.block.targets[2].after: these targets wait for each other: stripe → stripe",
        ),
        (
            "[\"audit\"]",
            "[\"adit\"]",
            "resources.block.targets[2].after: there is no target `adit`; the targets of this resource are audit, mail, stripe, zoom",
        ),
    ] {
        rig.sexton.write("sexton.toml", &config(rig.server.url(), &rig.api, &RESOURCE.replace(from, to)));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(refused.contains(wanted), "{refused}");
    }
    // What the database says of a target names its place in the file.
    rig.reconfigure(&RESOURCE.replace("/stripe/{id}", "/stripe/{di}"));
    let refused = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(refused.contains("resources.block.targets[2].url: `block` has no column `di`"), "{refused}");
}
