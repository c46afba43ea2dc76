//! `sexton dlq`: what operators see and do.

use serde_json::Value;
use sexton_tests::api::Answer;

use crate::rig::{RESOURCE, Rig, Server, on_both};

on_both!(
    dead_letters_are_filtered,
    bulk_action_needs_a_confirmation_and_can_be_rehearsed,
    discarded_deletion_is_over_and_says_by_whom_and_why,
    retried_deletion_is_due_again_and_says_by_whom_and_why,
    dead_letters_that_are_not_there_are_said_to_be_so,
);

/// Block 1 is rejected, 2 has no URL, 3 is exhausted at another target, 4 completes; 5 is of another resource.
async fn letters(server: Server) -> (Rig, Vec<String>) {
    let mirror =
        RESOURCE[RESOURCE.find("[[").unwrap()..].replace("calendar\"", "mirror\"").replace("/calendars", "/mirror");
    let second = RESOURCE.replace("resources.block", "resources.second");
    let rig = Rig::blocks_with(server, 5, &format!("{RESOURCE}{mirror}{second}")).await;
    rig.execute("update block set gcal_id = '' where id = 2").await;
    rig.api.script("/calendars/c/events/g1", vec![Answer::Status(400)]);
    rig.api.script("/mirror/c/events/g3", vec![Answer::Status(500); 3]);
    rig.api.script("/calendars/c/events/g5", vec![Answer::Status(400)]);
    let mut ids = rig.request("block", &["1", "2", "3", "4"]).await;
    ids.extend(rig.request("second", &["5"]).await);
    rig.work().await;
    (rig, ids)
}

impl Rig {
    /// The keys of the dead letters that a filter finds.
    async fn dead_keys(&self, filter: &[&str]) -> Vec<String> {
        let letters = self.json(&[&["dlq", "list", "--json"], filter].concat()).await;
        let mut keys: Vec<_> = letters.iter().map(|letter| letter["key"].as_str().unwrap().to_owned()).collect();
        keys.sort();
        keys
    }
}

async fn dead_letters_are_filtered(server: Server) {
    let (rig, _) = letters(server).await;
    assert_eq!(rig.dead_keys(&[]).await, ["1", "2", "3", "5"]);
    assert_eq!(rig.dead_keys(&["--resource", "second"]).await, ["5"]);
    assert_eq!(rig.dead_keys(&["--target", "mirror"]).await, ["3"]);
    assert_eq!(rig.dead_keys(&["--kind", "rejected"]).await, ["1", "5"]);
    assert_eq!(rig.dead_keys(&["--kind", "rejected", "--resource", "block"]).await, ["1"]);
    assert_eq!(rig.dead_keys(&["--older-than", "1h"]).await, Vec::<String>::new());
    assert_eq!(rig.dead_keys(&["--older-than", "0s"]).await.len(), 4);
    assert_eq!(rig.dead_keys(&["--limit", "3"]).await.len(), 3);
    assert_eq!(rig.dead_keys(&["--resource", "nobody"]).await, Vec::<String>::new());
    let text = rig.run(&["dlq", "list"]).await.expect_code(0).stdout;
    assert!(text.contains("ID") && text.contains("bad_template") && text.lines().count() == 5, "{text}");
    for wrong in [&["--kind", "tired"][..], &["--older-than", "soon"], &["--resource", "a b"], &["--limit", "ten"]] {
        let refused = rig.run(&[&["dlq", "list"], wrong].concat()).await.expect_code(2).stderr;
        assert!(refused.contains(wrong[0]) && refused.contains(wrong[1]), "{refused}");
    }
    assert!(
        rig.run(&["dlq", "list", "--kind", "tired"]).await.stderr.contains("bad_template"),
        "it says what is known"
    );
}

async fn bulk_action_needs_a_confirmation_and_can_be_rehearsed(server: Server) {
    let (rig, _) = letters(server).await;
    for args in
        [&["dlq", "retry"][..], &["dlq", "retry", "--all"], &["dlq", "discard", "--kind", "rejected", "--reason", "r"]]
    {
        let refused = rig.run(args).await.expect_code(2).stderr;
        assert!(refused.contains(if args.len() == 2 { "--all" } else { "--yes" }), "{refused}");
    }
    let refused = rig.run(&["dlq", "discard", "--all", "--yes"]).await.expect_code(2).stderr;
    assert!(refused.contains("--reason"), "{refused}");
    drop(rig.run(&["dlq", "discard", "--all", "--yes", "--reason", " "]).await.expect_code(2));
    let rehearsed = rig.run(&["dlq", "retry", "--kind", "rejected", "--dry-run"]).await.expect_code(0);
    assert!(rehearsed.stderr.contains("would retry 2"), "{rehearsed:?}");
    assert_eq!(rig.dead_keys(&[]).await.len(), 4, "nothing was changed");
    assert_eq!(rig.rows("select count(*) from sexton_action").await, ["0"]);
    let oldest = rig.json(&["dlq", "list", "--kind", "rejected", "--json"]).await.remove(0);
    let done = rig.json(&["dlq", "retry", "--kind", "rejected", "--limit", "1", "--yes", "--json"]).await;
    assert_eq!((done.len(), &done[0]["action"], &done[0]["id"]), (1, &"retry".into(), &oldest["id"]));
    assert_eq!(rig.dead_keys(&[]).await.len(), 3);
    drop(rig.run(&["dlq", "retry", "--all", "--yes"]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.dead_keys(&[]).await, ["2"]);
    assert_eq!(rig.calls().iter().filter(|call| call.contains("/calendars/c/events/g3")).count(), 1);
}

async fn discarded_deletion_is_over_and_says_by_whom_and_why(server: Server) {
    let (rig, ids) = letters(server).await;
    drop(rig.run(&["dlq", "discard", &ids[0], "--reason", "calendar closed", "--by", "ann"]).await.expect_code(0));
    let record = rig.show(&ids[0]).await;
    assert_eq!((&record["state"], &record["cancelled_by"]), (&"cancelled".into(), &"discarded".into()));
    let action = &record["actions"][0];
    assert_eq!(
        (&action["who"], &action["action"], &action["reason"]),
        (&"ann".into(), &"discard".into(), &"calendar closed".into())
    );
    assert!(action["at"].as_str().unwrap().ends_with('Z'));
    let shown = rig.run(&["dlq", "show", &ids[0]]).await.expect_code(0).stdout;
    assert!(shown.contains("discard by ann: calendar closed"), "{shown}");
    rig.work().await;
    assert_eq!(rig.rows("select id from block where deleted_at is not null and id = 1").await, ["1"]);
    assert_eq!(rig.api.calls_to("/calendars/c/events/g1").len(), 1);
    let again = rig.run(&["dlq", "discard", &ids[0], "--reason", "r"]).await.expect_code(3).stderr;
    assert!(again.contains("is cancelled"), "{again}");
}

async fn retried_deletion_is_due_again_and_says_by_whom_and_why(server: Server) {
    let (rig, ids) = letters(server).await;
    drop(rig.run(&["dlq", "retry", &ids[0], &ids[2], "--reason", "fixed", "--by", "bob"]).await.expect_code(0));
    rig.work().await;
    for id in [&ids[0], &ids[2]] {
        let record = rig.show(id).await;
        assert_eq!((&record["state"], &record["actions"][0]["who"]), (&"completed".into(), &"bob".into()));
        assert_eq!(record["actions"][0]["reason"], "fixed");
    }
    assert_eq!(rig.dead_keys(&[]).await, ["2", "5"]);
}

async fn dead_letters_that_are_not_there_are_said_to_be_so(server: Server) {
    let (rig, ids) = letters(server).await;
    let nobody = "01939d1c-0000-7000-8000-000000000000";
    for (args, code, wanted) in [
        (&["dlq", "retry", nobody][..], 3, "does not exist"),
        (&["dlq", "retry", &ids[3]], 3, "is completed"),
        (&["dlq", "retry", &ids[0], nobody], 3, "nothing was changed"),
        (&["dlq", "show", nobody], 3, "there is no deletion"),
        (&["show", nobody], 3, "there is no deletion"),
        (&["restore", nobody], 3, "there is no deletion"),
        (&["restore", &ids[3]], 3, "it is completed"),
        (&["restore", &ids[0]], 3, "it is dead"),
        (&["dlq", "retry", "42"], 2, "42"),
        (&["show", "x"], 2, "x"),
    ] {
        let refused = rig.run(args).await.expect_code(code).stderr;
        assert!(refused.contains(wanted), "{args:?}: {refused}");
    }
    assert_eq!(rig.dead_keys(&[]).await.len(), 4);
    assert_eq!(rig.show(&ids[0]).await["actions"], Value::Array(Vec::new()));
}

/// Logical replication copies the rows of a table, and not where its sequence is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequence_that_is_behind_stops_nobody_and_is_mended() {
    let rig = Rig::blocks(Server::postgres().await, 4).await;
    let ids = rig.request("block", &["1", "2"]).await;
    for _ in 0..3 {
        drop(rig.run(&["pause", "block"]).await.expect_code(0));
        drop(rig.run(&["resume", "block"]).await.expect_code(0));
    }
    let behind = "alter sequence sexton_action_id_seq restart";
    rig.execute(behind).await;
    let refused = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(refused.contains("sexton_action is behind") && refused.contains("`sexton migrate`"), "{refused}");
    let actions = "select count(*) from sexton_action";
    let before: u32 = rig.one(actions).await.parse().unwrap();
    drop(rig.run(&["pause", "block"]).await.expect_code(0));
    drop(rig.run(&["restore", &ids[0]]).await.expect_code(0));
    rig.execute(&format!("select sexton_restore('{}')", ids[1])).await;
    drop(rig.run(&["guard", "--all"]).await.expect_code(0));
    assert_eq!(rig.one(actions).await, (before + 4).to_string());
    rig.execute(behind).await;
    drop(rig.run(&["migrate"]).await.expect_code(0));
    drop(rig.run(&["check"]).await.expect_code(0));
    drop(rig.run(&["resume", "block"]).await.expect_code(0));
    assert_eq!(rig.one("select last_value = (select max(id) from sexton_action) from sexton_action_id_seq").await, "t");
}
