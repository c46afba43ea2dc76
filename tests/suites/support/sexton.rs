//! With a shell script in place of the binary: what matters here is how it is run.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sexton_tests::{PATIENCE, Sexton, Stream, eventually};

/// The directory is returned too, for the script must outlive this function.
fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("source"), dir.path().join("sexton"));
    std::fs::write(&source, format!("#!/bin/sh\n{text}")).unwrap();
    // Copied by another process: a child that another test forks at this moment would inherit the file open for
    // writing, and a file that is open for writing cannot be executed (ETXTBSY).
    let copied = Command::new("install").args(["-m", "755"]).args([&source, &program]).status().unwrap();
    assert!(copied.success());
    (dir, program)
}

#[tokio::test]
async fn command_runs_beside_its_configuration_with_its_own_environment() {
    let (_dir, program) = script("cat sexton.toml; echo \"$1:$SEXTON_A:$FAILPOINTS\"; echo oops >&2; exit 3");
    let sexton = Sexton::with_program(&program, "lease = '3s'\n").env("SEXTON_A", "b").env("FAILPOINTS", "x=panic");
    let output = sexton.run(&["check"]).await.expect_code(3);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("lease = '3s'\ncheck:b:x=panic\n", "oops\n"));
    sexton.write("sexton.toml", "other = 1\n");
    assert!(sexton.run(&[]).await.stdout.starts_with("other = 1\n"));
}

#[tokio::test]
#[should_panic(expected = "still runs after")]
async fn command_that_does_not_end_fails_the_test() {
    let (_dir, program) = script("exec sleep 600");
    drop(Sexton::with_program(&program, "").run_within(Duration::from_millis(50), &[]).await);
}

#[tokio::test]
async fn daemon_is_watched_by_its_log_and_ended_by_a_signal() {
    let (_dir, program) = script("trap 'echo bye; exit 7' TERM; echo ready >&2; while :; do sleep 0.01; done");
    let daemon = Sexton::with_program(&program, "").spawn(&["run"]).await;
    let line = daemon.wait_for_log("read", PATIENCE).await;
    assert_eq!((line.stream, line.text.as_str()), (Stream::Stderr, "ready"));
    assert_eq!(daemon.exit_code(), None);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(PATIENCE).await, 7);
    assert_eq!(daemon.logs().last().unwrap().text, "bye");
}

#[tokio::test]
async fn killed_daemon_exits_like_a_shell_would_report_it() {
    let (_dir, program) = script("echo ready; exec sleep 600");
    let daemon = Sexton::with_program(&program, "").spawn(&[]).await;
    daemon.wait_for_log("ready", PATIENCE).await;
    daemon.signal("STOP");
    daemon.signal("KILL");
    assert_eq!(daemon.wait(PATIENCE).await, 137);
}

#[tokio::test]
#[should_panic(expected = "ended without a line with \"ready\"")]
async fn waiting_for_a_line_ends_when_the_daemon_does() {
    let (_dir, program) = script("echo almost; exit 1");
    Sexton::with_program(&program, "").spawn(&[]).await.wait_for_log("ready", PATIENCE).await;
}

#[tokio::test]
async fn dropped_daemon_is_killed() {
    let (_dir, program) = script("echo ready; exec sleep 600");
    let daemon = Sexton::with_program(&program, "").spawn(&[]).await;
    daemon.wait_for_log("ready", PATIENCE).await;
    let pid = daemon.pid();
    drop(daemon);
    eventually("the daemon is gone", async || !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;
}
