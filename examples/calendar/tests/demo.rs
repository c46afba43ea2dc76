//! The demonstration itself, from the command line to its exit code.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::{path::Path, process::Output};

use sexton_tests::{Redis, TestDb};
use tokio::process::Command;

async fn run(dir: &Path, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sexton-example-calendar"));
    command.arg("--dir").arg(dir).args(args).kill_on_drop(true);
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (status.code().unwrap_or(-1), text)
}

fn assert_done(code: i32, text: &str) {
    assert_eq!(code, 0, "{text}");
    for line in [
        "Of 60 bookings that the application removed:",
        "  deleted        55 (3 of them were never in the calendar)",
        "  dead-lettered  5 (4 bad_template, 1 rejected)",
        "  restored       2 more",
        "  check          no booking was deleted that the calendar had not confirmed: ok",
    ] {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }
}

#[tokio::test]
async fn demonstration_ends_by_itself_with_everything_deleted_or_dead() {
    let dir = tempfile::tempdir().unwrap();
    // Twice, because the second run finds what the first one left.
    for _ in 0..2 {
        let (code, text) = run(dir.path(), &["--exit", "--bookings", "60"]).await;
        assert_done(code, &text);
    }
}

#[tokio::test]
async fn demonstration_is_the_same_with_postgres_and_redis() {
    let (dir, db, redis) = (tempfile::tempdir().unwrap(), TestDb::new().await, Redis::start().await);
    for _ in 0..2 {
        let args = ["--exit", "--bookings", "60", "--database", db.url(), "--redis", &redis.url()];
        let (code, text) = run(dir.path(), &args).await;
        assert_done(code, &text);
    }
}

#[tokio::test]
async fn share_that_is_none_is_bad_usage() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), &["--misbehave", "20"]).await;
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("20 is not between 0 and 1"), "{text}");
}
