//! Looks are calls: lanes that are paused or limited, targets that fail or hang.

use std::time::{Duration, Instant};

use serde_json::json;
use sexton_tests::api::Answer;

use super::{ROOM, age, calls, deleted, event, mode_report, nonzero, settings, state, sweep, sweep_nonzero};
use crate::rig::{PATIENCE, Rig, Server, on_both};

on_both!(
    paused_lane_resumes_where_it_stopped_and_delays_no_other,
    target_that_asks_for_patience_is_not_called,
    looks_keep_to_the_limits_of_their_target,
    limit_that_no_run_can_wait_for_keeps_no_other_lane_waiting,
    looks_without_an_answer_are_reported_and_open_no_breaker,
    hanging_target_does_not_outlast_the_budget,
    second_signal_ends_a_look_that_hangs_and_leaves_the_lead,
);

async fn paused_lane_resumes_where_it_stopped_and_delays_no_other(server: Server) {
    let rig = Rig::blocks_with(server, 4, &format!("{}{ROOM}", mode_report())).await;
    let twins = super::Twins::behind(&rig);
    rig.execute("update block set note = 'n'").await;
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    age(&rig).await;
    twins.come_back(&event(2));
    drop(rig.run(&["pause", "block.calendar"]).await.expect_code(0));
    let before = calls(&rig, "GET").len();
    assert_eq!(sweep_nonzero(&rig).await, "finished 2, gone 2, held 1, looked 2, sampled 2");
    assert!(
        calls(&rig, "GET")[..].iter().filter(|path| path.starts_with("/calendars")).count() == 2,
        "those of the deletions"
    );
    assert_eq!(calls(&rig, "GET").len() - before, 2);
    assert_eq!(sweep_nonzero(&rig).await, "held 1");
    assert_eq!(state(&rig).await["state"], "ok", "an operator paused it");
    drop(rig.run(&["resume", "block.calendar"]).await.expect_code(0));
    assert_eq!(sweep_nonzero(&rig).await, "gone 1, looked 2, returned 1");
    // What came back and cannot be seen just now is taken to be there still.
    drop(rig.run(&["pause", "block"]).await.expect_code(0));
    assert_eq!(sweep_nonzero(&rig).await, "held 1, returned 1");
    assert_eq!(state(&rig).await["backlog"], 1);
    drop(rig.run(&["resume", "block"]).await.expect_code(0));
    assert_eq!(sweep_nonzero(&rig).await, "looked 1, returned 1");
}

async fn target_that_asks_for_patience_is_not_called(server: Server) {
    let (rig, _twins) = deleted(server, 12, &mode_report()).await;
    let wait = vec![("retry-after".to_owned(), "3600".to_owned())];
    rig.api.script(&event(1), vec![Answer::WithHeaders(429, wait)]);
    let keys = rig.rows("select key from sexton_deletion_done order by finished_at, id").await;
    let at = keys.iter().position(|key| key == "1").unwrap() as u64;
    let seen = sweep(&rig).await;
    assert_eq!((&seen["gone"], &seen["held"], &seen["unanswered"]), (&json!(at), &json!(1), &json!(0)));
    let status = rig.run(&["status"]).await.expect_code(0).stdout;
    assert!(status.contains("throttled"), "its deletions leave it alone, too: {status}");
    let before = calls(&rig, "GET").len();
    assert_eq!(sweep_nonzero(&rig).await, "held 1");
    assert_eq!(calls(&rig, "GET").len(), before);
    rig.execute("delete from sexton_breaker").await;
    let rest = 12 - at;
    assert_eq!(sweep_nonzero(&rig).await, format!("gone {rest}, looked {rest}"));
}

async fn looks_keep_to_the_limits_of_their_target(server: Server) {
    let limited = mode_report().replace(
        "timeout = \"2s\"",
        "timeout = \"2s\"\nmax_in_flight = 2\nrate_limit = { per_second = 10, burst = 1 }",
    );
    let (rig, _twins) = deleted(server, 10, &mode_report()).await;
    rig.reconfigure(&limited);
    let before = calls(&rig, "GET").len();
    let start = Instant::now();
    assert_eq!(sweep_nonzero(&rig).await, "finished 10, gone 10, looked 10, sampled 10");
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert_eq!(calls(&rig, "GET").len() - before, 10);
}

async fn limit_that_no_run_can_wait_for_keeps_no_other_lane_waiting(server: Server) {
    let small = "budget = { rows = 50000, time = \"2s\" }\n";
    let all = format!("{}{ROOM}", settings("share = 1.0", small));
    let rig = Rig::blocks_with(server, 3, &all).await;
    let _twins = super::Twins::behind(&rig);
    rig.execute("update block set note = 'n'").await;
    rig.request("block", &["1", "2", "3"]).await;
    rig.work().await;
    age(&rig).await;
    // The calendar, which is the first; the next call is let through 50 seconds after one.
    let limited =
        all.replacen("timeout = \"2s\"", "timeout = \"2s\"\nrate_limit = { per_second = 0.02, burst = 1 }", 1);
    rig.reconfigure(&limited);
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, gone 4, held 1, looked 4, sampled 3");
    assert_eq!(state(&rig).await["state"], "ok");
}

async fn looks_without_an_answer_are_reported_and_open_no_breaker(server: Server) {
    let (rig, _twins) = deleted(server, 5, &mode_report()).await;
    for n in 1..=5 {
        rig.api.script(&event(n), vec![Answer::Status([500, 401, 418, 500, 500][n - 1])]);
    }
    let seen = sweep(&rig).await;
    assert_eq!(nonzero(&seen), "finished 5, held 1, sampled 5, unanswered 3");
    let state = state(&rig).await;
    assert_eq!(state["state"], "failing");
    let error = state["error"].as_str().unwrap();
    assert!(error.starts_with("block.calendar: 3 looks had no answer, the last because of "), "{error}");
    // It is not the deletions' fault: their lane stays open.
    assert_eq!(rig.rows("select lane from sexton_breaker").await, Vec::<String>::new());
    // Looks that were on their way may have used up their scripts, or not.
    rig.api.forget_scripts();
    let next = sweep(&rig).await;
    assert_eq!((&next["gone"], &next["unanswered"]), (&json!(2), &json!(0)), "{next}");
    assert_eq!(super::state(&rig).await["state"], "ok");
}

async fn hanging_target_does_not_outlast_the_budget(server: Server) {
    let small = "budget = { rows = 50000, time = \"1s\" }\n";
    let (rig, _twins) = deleted(server, 12, &settings("share = 1.0", small)).await;
    rig.api.set_default(sexton_tests::api::Behaviour::Always(Answer::Hang));
    let seen = sweep(&rig).await;
    assert_eq!((&seen["unanswered"], &seen["held"]), (&json!(3), &json!(1)), "{seen}");
    let state = state(&rig).await;
    assert!(state["error"].as_str().unwrap().ends_with("timeout"), "{state}");
    assert!(state["took_ms"].as_i64().unwrap() < 1_500, "{state}");
}

async fn second_signal_ends_a_look_that_hangs_and_leaves_the_lead(server: Server) {
    let (rig, _twins) = deleted(server, 1, &mode_report().replace("timeout = \"2s\"", "timeout = \"15s\"")).await;
    rig.api.set_default(sexton_tests::api::Behaviour::Always(Answer::Hang));
    let before = rig.api.log().len();
    let command = rig.sexton.spawn(&["sweep", "verify"]).await;
    while rig.api.log().len() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    command.signal("INT");
    command.wait_for_log("ending after this run; once more to end at once", PATIENCE).await;
    command.signal("INT");
    assert_eq!(command.wait(PATIENCE).await, 1);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(rig.rows("select leader, error from sexton_sweep where name = 'verify'").await, ["-|-"]);
}
