//! What appears in no log line and in no message: credentials, values of rows, and lines that Sexton did not write.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::rig::{RESOURCE, Rig, Server};

const SECRET: &str = "hunter2hunter2hunter2";

/// Has the database refuse to delete blocks, with this message (an expression).
async fn refusing(rig: &Rig, message: &str) {
    rig.execute(&format!(
        "create function refuse() returns trigger language plpgsql as $$
         begin raise exception using message = {message}; end $$;
         create trigger refuse before delete on block for each row execute function refuse()"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_of_a_trigger_makes_no_line_of_its_own() {
    let rig = Rig::blocks(Server::postgres().await, 1).await;
    refusing(&rig, "E'no\\r\\n2026-01-01T00:00:00.000000Z  INFO sexton_worker: all is well\\x1b[2K'").await;
    rig.request_block().await;
    for format in ["text", "json"] {
        let lines = rig.run(&["run", "--until-idle", "--log-format", format]).await.expect_code(0).stderr;
        let told: Vec<_> = lines.lines().filter(|line| line.contains("all is well")).collect();
        assert!(told.iter().all(|line| line.contains("the database refused deletion")), "{told:#?}");
        assert!(format == "json" || !told.is_empty(), "it is told: {lines}");
        assert!(!lines.contains(|c: char| c.is_control() && c != '\n'), "{lines:?}");
        drop(rig.run(&["dlq", "retry", "--all", "--yes"]).await.expect_code(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashed_keys_and_values_of_their_rows_are_in_no_log_line() {
    let resource = RESOURCE.replace("key = \"id\"", "key = \"id\"\nhash_key = true\nadopt = \"report\"");
    let rig = Rig::blocks_with(Server::postgres().await, 1, &resource).await;
    rig.execute("insert into block (id, gcal_id, deleted_at) values (4711471147, 'g', '2025-06-01')").await;
    rig.execute(&format!("update block set note = '{SECRET}'")).await;
    refusing(&rig, "'not ' || old.note || ' of ' || old.id").await;
    rig.request_block().await;
    let mut lines = rig.run(&["run", "--until-idle"]).await.expect_code(0).stderr;
    lines += &rig.run(&["sweep", "adopt"]).await.expect_code(0).stderr;
    lines += &rig.run(&["status"]).await.expect_code(0).stdout;
    for told in ["the database refused deletion", "P0001", "marked rows without a deletion"] {
        assert!(lines.contains(told), "no {told} in {lines}");
    }
    for hidden in [SECRET, "4711471147"] {
        let leaks: Vec<_> = lines.lines().filter(|line| line.contains(hidden)).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_the_configuration_repeat_no_credential() {
    let rig = Rig::blocks(Server::sqlite().await, 1).await;
    let target = |setting: &str| format!("{RESOURCE}{setting}\n");
    for (config, wanted) in [
        (format!("[database]\nurl = \"postgres://app:{SECRET}\n"), "TOML parse error at line 2"),
        (
            format!("[database]\nurl = \"sqlite://x\"\n[api]\ntokens = [{{ token = \"{SECRET}\" name = 1 }}]\n"),
            "line 4",
        ),
        (format!("[database]\nurl = [\"{SECRET}\"]\n"), "database.url"),
        (format!("[database]\nurl = \"postgres://app:12/{SECRET}@h/app\"\n"), "percent-encoded"),
        (format!("[database]\nurl = \"{SECRET}\"\n"), "database.url"),
        (format!("[database]\nurl = \"sqlite://x\"\n[queue]\nurl = \"{SECRET}\"\n"), "queue.url"),
        (format!("[database]\nurl = \"sqlite://x\"\n[worker]\nconcurrency = \"{SECRET}\"\n"), "worker.concurrency"),
        (format!("[database]\nurl = \"sqlite://x\"\n{}", target(&format!("headers = \"{SECRET}\""))), "headers"),
        (format!("[database]\nurl = \"sqlite://x\"\n{}", target(&format!("auth = \"{SECRET}\""))), "auth"),
        (format!("[database]\nurl = \"sqlite://x\"\n{}", target(&format!("proxy = [\"{SECRET}\"]"))), "proxy"),
    ] {
        rig.sexton.write("sexton.toml", &config.replace("@API@", "https://h.example"));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(refused.contains(wanted), "no {wanted} in {refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_warns_of_credentials_that_others_can_read() {
    let rig = Rig::blocks(Server::sqlite().await, 1).await;
    let token = rig.sexton.write("token", SECRET);
    let auth = "auth = { bearer = { token_file = \"token\" } }\n";
    let elsewhere =
        RESOURCE.replace("[resources.block]", "[resources.other]").replace("[[resources.block", "[[resources.other");
    let elsewhere = elsewhere.replace("@API@", "http://api.example");
    let api = format!("[api]\ntokens = [{{ name = \"billing\", token = \"{SECRET}\" }}]\n");
    rig.reconfigure(&format!("{RESOURCE}{auth}{elsewhere}headers = {{ Authorization = \"Bearer {SECRET}\" }}\n{api}"));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    let file = rig.sexton.dir().join("sexton.toml");
    let set_mode = |mode: u32| {
        for path in [&file, &token] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    set_mode(0o644);
    let warned = rig.run(&["check"]).await.expect_code(0).stderr;
    for words in [
        &["warning: api.tokens[0].token: ", "every user of this machine can read", "sexton.toml"][..],
        &["warning: resources.block.targets[0]: ", "can read token: chmod o-r"],
        &["warning: resources.other.targets[0]: ", "credentials travel to api.example over plain http"],
    ] {
        let told = warned.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(told, "no {words:?} in {warned}");
    }
    assert!(!warned.contains("hunter2"), "{warned}");
    set_mode(0o640);
    let warned = rig.run(&["check"]).await.expect_code(0).stderr;
    assert!(!warned.contains("every user of this machine"), "{warned}");
}
