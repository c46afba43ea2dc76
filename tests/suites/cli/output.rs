//! What the commands print: names that programs rely on, and nothing that a terminal would obey.

use serde_json::Value;

use crate::rig::{RESOURCE, Rig, Server, on_both};

on_both!(field_names_of_json_are_a_contract, status_counts_what_there_is, control_characters_do_not_reach_the_terminal);

fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

async fn field_names_of_json_are_a_contract(server: Server) {
    let rig = Rig::blocks(server, 2).await;
    rig.execute("update block set gcal_id = null where id = 2").await;
    let ids = rig.request("block", &["1", "2"]).await;
    let requested = rig.json(&["request", "block", "1", "--json"]).await.remove(0);
    assert_eq!(names(&requested), ["created", "id", "key", "state"]);
    rig.work().await;
    let letter = rig.json(&["dlq", "list", "--json"]).await.remove(0);
    let of_letter = "attempts dead_at error id key kind requested_at requested_by resource target";
    assert_eq!(names(&letter).join(" "), of_letter);
    let of_record = "actions attempts batch_id called_at cancelled_by children_deleted confirmations dead_at dead_kind \
        failed_attempts fence finished_at id key key_hash lane last_error last_error_kind lease_until phase reason requested_at \
        requested_by rescues resource row_outcome run_at state targets worker";
    for id in &ids {
        assert_eq!(names(&rig.show(id).await).join(" "), of_record);
    }
    let record = rig.show(&ids[1]).await;
    let of_attempt = "at duration_ms fence outcome reason status target worker";
    assert_eq!(names(&record["failed_attempts"][0]).join(" "), of_attempt);
    assert_eq!(names(&rig.show(&ids[0]).await["confirmations"]["calendar"]).join(" "), "answer at status");
    let retried = rig.json(&["dlq", "retry", &ids[1], "--json"]).await.remove(0);
    assert_eq!(names(&retried), ["action", "id"]);
    assert_eq!(names(&rig.show(&ids[1]).await["actions"][0]).join(" "), "action at reason who");
    let status = rig.json(&["status", "--json"]).await.remove(0);
    assert_eq!(
        names(&status),
        [
            "breakers",
            "dead",
            "guards",
            "lanes",
            "missing_rights",
            "oldest_due_ms",
            "paused",
            "slow_deletes",
            "states",
            "sweeps"
        ]
    );
    assert_eq!(names(&status["lanes"][0]).join(" "), "due held lane later oldest_due_ms running");
    assert_eq!(
        rig.json(&["check", "--json"]).await,
        [serde_json::json!({ "ok": true, "problems": [], "warnings": [] })]
    );
    rig.reconfigure(&RESOURCE.replace("{gcal_id}", "{nope}"));
    let checked = rig.run(&["check", "--json"]).await.expect_code(2).stdout;
    let checked: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!((&checked["ok"], names(&checked["problems"][0])), (&false.into(), vec!["message", "path"]));
}

async fn status_counts_what_there_is(server: Server) {
    let rig = Rig::blocks(server, 5).await;
    rig.execute("update block set gcal_id = null where id = 2").await;
    let mut empty = rig.json(&["status", "--json"]).await.remove(0);
    let sweeps = empty["sweeps"].take();
    assert!(sweeps.as_array().unwrap().iter().all(|sweep| sweep["state"] == "never"), "{sweeps}");
    let nothing = serde_json::json!({
        "dead": {}, "lanes": [], "oldest_due_ms": null, "states": {}, "paused": [], "breakers": [], "sweeps": null, "guards": [],
        "missing_rights": [], "slow_deletes": []
    });
    assert_eq!(empty, nothing);
    let ids = rig.request("block", &["1", "2", "3"]).await;
    drop(rig.run(&["restore", &ids[2]]).await.expect_code(0));
    rig.work().await;
    rig.request("block", &["3"]).await;
    drop(rig.run(&["request", "block", "4", "--after", "1h"]).await.expect_code(0));
    let status = rig.json(&["status", "--json"]).await.remove(0);
    assert_eq!(status["states"], serde_json::json!({ "cancelled": 1, "completed": 1, "dead": 1, "pending": 2 }));
    assert_eq!(status["dead"], serde_json::json!({ "bad_template": 1 }));
    let lane = &status["lanes"][0];
    let counts = (&lane["lane"], &lane["due"], &lane["later"], &lane["running"]);
    assert_eq!(counts, (&"block.calendar".into(), &1.into(), &1.into(), &0.into()));
    assert!(status["oldest_due_ms"].as_i64().unwrap() >= 0);
    let text = rig.run(&["status"]).await.expect_code(0).stdout;
    assert!(["STATE", "bad_template", "block.calendar"].iter().all(|part| text.contains(part)), "{text}");
    rig.reconfigure(&RESOURCE.replace("resources.block", "resources.other"));
    let text = rig.run(&["status"]).await.expect_code(0).stdout;
    assert!(text.contains("block.calendar (not configured)"), "{text}");
}

async fn control_characters_do_not_reach_the_terminal(server: Server) {
    let resource = RESOURCE.replace("{calendar_id}/events/{gcal_id}", "{name}").replace("\"id\"", "\"name\"");
    let rig = Rig::with(server, "create table block (name text primary key, deleted_at TIME_TYPE)", &resource).await;
    let key = "evil\u{1b}[2J\u{7}\r\u{9b}31m";
    rig.execute(&format!("insert into block values ('{key}', null)")).await;
    rig.api.script("/calendars/evil%1B%5B2J%07%0D%C2%9B31m", vec![sexton_tests::api::Answer::Status(400)]);
    let id = rig.request("block", &[key]).await.remove(0);
    let reason = format!("--reason={key}");
    let mut outputs = vec![rig.run(&["request", "block", key, &reason]).await.expect_code(0)];
    outputs.push(rig.run(&["request", "block", &format!("{key}!")]).await.expect_code(3));
    outputs.push(rig.run(&["request", key, "1"]).await.expect_code(2));
    outputs.push(rig.run(&["run", "--until-idle"]).await.expect_code(0));
    assert_eq!(rig.state(&id).await, "dead: rejected");
    outputs.push(rig.run(&["dlq", "list"]).await.expect_code(0));
    outputs.push(rig.run(&["dlq", "list", "--json"]).await.expect_code(0));
    outputs.push(rig.run(&["dlq", "retry", &id, &reason, "--by", key]).await.expect_code(0));
    outputs.push(rig.run(&["show", &id]).await.expect_code(0));
    outputs.push(rig.run(&["show", &id, "--json"]).await.expect_code(0));
    outputs.push(rig.run(&["restore", &id]).await.expect_code(3));
    for output in outputs {
        let text = [output.stdout, output.stderr].concat();
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_shows_examples_and_completions_are_printed() {
    let sexton = sexton_tests::Sexton::new("");
    let commands: [&[&str]; 12] = [
        &["check"],
        &["migrate"],
        &["run"],
        &["request"],
        &["restore"],
        &["status"],
        &["show"],
        &["dlq", "list"],
        &["dlq", "show"],
        &["dlq", "retry"],
        &["dlq", "discard"],
        &["completions"],
    ];
    for command in commands {
        let help = sexton.run(&[command, &["--help"]].concat()).await.expect_code(0).stdout;
        assert!(help.contains("Example") && help.contains(&format!("sexton {}", command.join(" "))), "{help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = sexton.run(&["completions", shell]).await.expect_code(0).stdout;
        assert!(script.contains("sexton") && script.contains("until-idle"), "{script}");
    }
    drop(sexton.run(&["completions", "cmd"]).await.expect_code(2));
    for usage in [&[][..], &["bury"], &["dlq"], &["show"]] {
        assert!(sexton.run(usage).await.expect_code(2).stderr.contains("sexton"));
    }
    let help = sexton.run(&["--help"]).await.expect_code(0).stdout;
    assert!(help.contains("Exit codes: 0 done; 1 failed; 2"), "{help}");
    assert!(sexton.run(&["--version"]).await.expect_code(0).stdout.starts_with("sexton "));
}
