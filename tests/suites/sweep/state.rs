//! What all sweeps have in common: `sexton sweep`, passes of the daemon, and the state in `status`.

use serde_json::{Value, json};
use sexton_tests::eventually;

use crate::{
    console::get,
    rig::{PATIENCE, RESOURCE, Rig, Server, on_both},
};

on_both!(
    operator_prunes_and_sees_what_went,
    daemon_prunes_by_itself_and_writes_down_what_it_did,
    sweep_that_another_process_runs_is_left_to_it,
    long_sweep_says_how_far_it_is_and_can_be_interrupted,
    kept_row_whose_entry_is_old_is_not_forgotten,
    sweep_that_never_ran_is_listed_and_measured,
    sweep_that_uses_up_its_budget_again_and_again_is_behind,
    sweep_that_deals_with_nothing_is_stuck,
    sweep_that_does_not_run_is_overdue,
);

async fn operator_prunes_and_sees_what_went(server: Server) {
    let rig = Rig::blocks(server, 2).await;
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    rig.execute("update sexton_deletion_done set finished_at = '2025-01-15T00:00:00.000Z' where key = '1'").await;
    let figures = |n: u64, dry: bool| json!({ "sweep": "prune", "dry_run": dry, "partitions": 0, "deletions": n, "kept": 0, "attempts": 0, "refs": 0 });
    assert_eq!(rig.json(&["sweep", "prune", "--dry-run", "--json"]).await, [figures(1, true)]);
    assert_eq!(rig.rows("select count(*) from sexton_deletion_done").await, ["2"]);
    assert_eq!(rig.json(&["sweep", "--json"]).await.pop(), Some(figures(1, false)));
    assert_eq!(rig.rows("select key from sexton_deletion_done").await, ["2"]);
    assert_eq!(rig.json(&["sweep", "prune", "--json"]).await, [figures(0, false)]);
    let text = rig.run(&["sweep", "prune"]).await.expect_code(0).stdout;
    assert!(text.contains("deletions   0"), "{text}");
    let unknown = rig.run(&["sweep", "proone"]).await.expect_code(2).stderr;
    assert!(
        unknown.contains("there is no sweep `proone`; expected one of adopt, dangling, unreferenced, verify, prune"),
        "{unknown}"
    );
    for (setting, path) in [
        ("keep_completed = \"0s\"", "sync.keep_completed"),
        ("interval = \"0s\"", "sync.interval"),
        ("batch = 0", "sync.batch"),
        ("budget = { rows = 0, time = \"20s\" }", "sync.budget.rows"),
        ("budget = { rows = 1, time = \"5m\" }", "sync.budget.time"),
        ("verify = true", "sync"),
    ] {
        rig.reconfigure(&format!("[sync]\n{setting}\n{RESOURCE}"));
        assert!(rig.run(&["check"]).await.expect_code(2).stderr.contains(path), "{setting}");
    }
    rig.reconfigure(&format!("[sync]\nkeep_completed = \"1ms\"\n{RESOURCE}"));
    assert_eq!(rig.json(&["sweep", "prune", "--json"]).await, [figures(1, false)]);
}

async fn daemon_prunes_by_itself_and_writes_down_what_it_did(server: Server) {
    let rig = Rig::blocks_with(server, 2, &format!("[sync]\nkeep_completed = \"1ms\"\n{RESOURCE}")).await;
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    assert_eq!(rig.rows("select count(*) from sexton_deletion_done").await, ["2"]);
    let (_one, _two) = (rig.daemon().await, rig.daemon().await);
    rig.until("select count(*) from sexton_sweep where name = 'prune' and last_run_at is not null", "1").await;
    assert_eq!(rig.rows("select count(*) from sexton_deletion_done").await, ["0"]);
    assert_eq!(
        rig.rows("select figures ->> 'deletions', leader, cursor from sexton_sweep where name = 'prune'").await,
        ["2|-|{}"]
    );
}

async fn sweep_that_another_process_runs_is_left_to_it(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    rig.execute(
        "insert into sexton_sweep (name, leader, lease_until) values ('prune', 'worker-b', '2100-01-01T00:00:00.000Z')",
    )
    .await;
    let refused = rig.run(&["sweep", "prune"]).await.expect_code(3).stderr;
    assert!(
        refused.contains("prune is being run by worker-b, whose lease ends at 2100-01-01T00:00:00.000Z"),
        "{refused}"
    );
    drop(rig.run(&["sweep", "prune", "--dry-run"]).await.expect_code(0));
    rig.execute("update sexton_sweep set lease_until = '2020-01-01T00:00:00.000Z'").await;
    drop(rig.run(&["sweep", "prune"]).await.expect_code(0));
}

async fn long_sweep_says_how_far_it_is_and_can_be_interrupted(server: Server) {
    // A run ends after one row, so that there is no end in sight.
    let small = format!("[sync]\nbudget = {{ rows = 1, time = \"20s\" }}\n{RESOURCE}");
    let rig = Rig::blocks_with(server, 1, &small).await;
    rig.execute(
        "with recursive n(i) as (select 2 union all select i + 1 from n where i < 30000)
         insert into block (id, calendar_id, gcal_id, deleted_at) select i, 'c', 'g' || i, '2025-06-01 12:00:00' from n",
    )
    .await;
    // One of the two on each database: what differs is not there.
    let dry = !rig.server.is_postgres();
    let args: &[&str] = if dry { &["sweep", "adopt", "--dry-run"] } else { &["sweep", "adopt"] };
    let command = rig.sexton.spawn(args).await;
    let told = command.wait_for_log("sexton: adopt: ", PATIENCE).await.text;
    assert!(told.contains("looked ") && told.contains(", orphans "), "{told}");
    command.signal("INT");
    assert_eq!(command.wait(PATIENCE).await, 1);
    let last = command.logs().pop().unwrap().text;
    assert!(last.contains("interrupted"), "{last}");
    assert_eq!(last.contains("; the same command continues where it ended"), !dry, "{last}");
    let runs = rig.rows("select cursor -> 'figures' ->> 'looked' from sexton_sweep where leader is null").await;
    if dry {
        assert!(runs.is_empty(), "{runs:?}");
        return;
    }
    let looked: u64 = runs[0].parse().unwrap();
    assert!((100..30_000).contains(&looked), "{looked} were looked at");
    rig.reconfigure(RESOURCE);
    assert_eq!(rig.json(&["sweep", "adopt", "--json"]).await[0]["looked"], 30_000, "it went on where it was");
}

async fn kept_row_whose_entry_is_old_is_not_forgotten(server: Server) {
    let resource = RESOURCE.replace("key = \"id\"", "key = \"id\"\nthen = \"keep\"");
    for resource in [resource.clone(), resource.replace("key = \"id\"", "key = \"id\"\nhash_key = true")] {
        let server = if server.is_postgres() { Server::postgres().await } else { Server::sqlite().await };
        let rig = Rig::blocks_with(server, 2, &format!("[sync]\nkeep_completed = \"1ms\"\n{resource}")).await;
        let ids = rig.request("block", &["1", "2"]).await;
        rig.work().await;
        rig.execute("update block set deleted_at = null where id = 2").await;
        let figures = rig.json(&["sweep", "prune", "--json"]).await.remove(0);
        assert_eq!((&figures["deletions"], &figures["kept"]), (&json!(1), &json!(1)));
        assert_eq!(rig.show(&ids[0]).await["row_outcome"], "kept");
        drop(rig.run(&["show", &ids[1]]).await.expect_code(3));
    }
}

/// What `status --json` says of a sweep.
async fn status_of(rig: &Rig, name: &str) -> Value {
    let status = rig.json(&["status", "--json"]).await.remove(0);
    status["sweeps"].as_array().unwrap().iter().find(|state| state["name"] == name).unwrap().clone()
}

async fn state_of(rig: &Rig, name: &str) -> String {
    status_of(rig, name).await["state"].as_str().unwrap().to_owned()
}

/// The value of a sweep's gauge, once it is as wanted.
async fn until_gauge(console: &str, gauge: &str, sweep: &str, wanted: impl Fn(f64) -> bool) -> f64 {
    let name = format!("{gauge}{{sweep=\"{sweep}\"}} ");
    let mut value = None;
    eventually(&name, async || {
        let (_, metrics) = get(console, "/metrics").await;
        value = metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).filter(|value| wanted(*value));
        value.is_some()
    })
    .await;
    value.unwrap()
}

async fn sweep_that_never_ran_is_listed_and_measured(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    for name in ["adopt", "dangling", "prune", "verify"] {
        let state = status_of(&rig, name).await;
        assert_eq!(
            (&state["state"], &state["ran_at"], &state["idle_ms"]),
            (&json!("never"), &Value::Null, &Value::Null)
        );
    }
    let text = rig.run(&["status"]).await.expect_code(0).stdout;
    let row = text.lines().find(|line| line.starts_with("verify")).unwrap();
    assert!(row.split_whitespace().nth(1) == Some("never"), "{text}");
    // Another process leads them all, so that none is run.
    for name in ["adopt", "dangling", "prune", "verify"] {
        rig.execute(&format!(
            "insert into sexton_sweep (name, leader, lease_until) values ('{name}', 'worker-b', '2100-01-01T00:00:00.000Z')"
        ))
        .await;
    }
    rig.reconfigure(&format!("[sync]\ninterval = \"1s\"\nbudget = {{ rows = 1, time = \"1s\" }}\n{RESOURCE}"));
    let daemon = rig.sexton.spawn(&["run"]).await;
    let console = daemon.address("console").await;
    for name in ["adopt", "dangling", "prune", "verify"] {
        until_gauge(&console, "sexton_sweep_idle_seconds", name, |idle| (0.0..60.0).contains(&idle)).await;
    }
    until_gauge(&console, "sexton_sweep_idle_seconds", "verify", |idle| idle > 4.0).await;
    until_gauge(&console, "sexton_sweep_overdue", "verify", |overdue| overdue == 0.0).await;
    daemon.wait_for_log("verify has never run since this process started", PATIENCE).await;
    until_gauge(&console, "sexton_sweep_overdue", "verify", |overdue| overdue == 1.0).await;
    assert_eq!(state_of(&rig, "verify").await, "never");
    rig.execute("update sexton_sweep set leader = null, lease_until = null").await;
    until_gauge(&console, "sexton_sweep_overdue", "verify", |overdue| overdue == 0.0).await;
    assert_eq!(state_of(&rig, "verify").await, "ok");
}

async fn sweep_that_uses_up_its_budget_again_and_again_is_behind(server: Server) {
    let small = format!("[sync]\nbatch = 1\nbudget = {{ rows = 1, time = \"20s\" }}\n{RESOURCE}");
    let rig = Rig::blocks_with(server, 12, &small).await;
    let swept = rig.run(&["sweep", "adopt"]).await.expect_code(0);
    let warned: Vec<&str> = swept.stderr.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warned.len(), 1, "{}", swept.stderr);
    assert!(warned[0].contains("adopt has used up its budget 10 times in a row"), "{}", warned[0]);
    assert_eq!(state_of(&rig, "adopt").await, "ok", "its pass is over");
    rig.execute("update sexton_sweep set cut_short = 9").await;
    assert_eq!(state_of(&rig, "adopt").await, "ok");
    rig.execute("update sexton_sweep set cut_short = 10").await;
    assert_eq!(state_of(&rig, "adopt").await, "behind");
    assert!(rig.run(&["status"]).await.stdout.contains("behind"));
    let daemon = rig.sexton.spawn(&["run"]).await;
    let console = daemon.address("console").await;
    until_gauge(&console, "sexton_sweep_cut_short", "adopt", |runs| runs >= 10.0).await;
}

async fn sweep_that_deals_with_nothing_is_stuck(server: Server) {
    let on = RESOURCE.replace("key = \"id\"", "key = \"id\"\nadopt = \"on\"\nadopt_all = true");
    let rig = Rig::blocks_with(server, 2, &on).await;
    rig.execute("update block set deleted_at = '2025-06-01 12:00:00'").await;
    rig.execute(if rig.server.is_postgres() {
        "create function no() returns trigger language plpgsql as $$ begin raise 'not now'; end $$;
         create trigger no before update on block for each row execute function no()"
    } else {
        "create trigger no before update on block begin select raise(abort, 'not now'); end"
    })
    .await;
    let warned = "adopt has changed nothing of what it found 3 times in a row";
    for pass in 1..=3 {
        assert_eq!(state_of(&rig, "adopt").await, if pass == 1 { "never" } else { "ok" });
        let swept = rig.run(&["sweep", "adopt"]).await.expect_code(0);
        assert_eq!(swept.stderr.contains(warned), pass == 3, "{}", swept.stderr);
    }
    let state = status_of(&rig, "adopt").await;
    assert_eq!((&state["state"], &state["stalled"], &state["backlog"]), (&json!("stuck"), &json!(3), &json!(2)));
    assert!(rig.run(&["status"]).await.stdout.contains("nothing of what was found was changed, 3 times in a row"));
    // What is only reported is not to be dealt with.
    rig.reconfigure(RESOURCE);
    drop(rig.run(&["sweep", "adopt"]).await.expect_code(0));
    assert_eq!(state_of(&rig, "adopt").await, "ok");
    assert_eq!(status_of(&rig, "adopt").await["backlog"], 2);
}

async fn sweep_that_does_not_run_is_overdue(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    drop(rig.run(&["sweep"]).await.expect_code(0));
    assert_eq!(state_of(&rig, "prune").await, "ok");
    rig.execute(
        "update sexton_sweep set leader = 'worker-b', lease_until = '2100-01-01T00:00:00.000Z', ran_at = '2025-01-15T00:00:00.000Z'
         where name = 'prune'",
    )
    .await;
    assert_eq!(state_of(&rig, "prune").await, "overdue");
    let daemon = rig.sexton.spawn(&["run"]).await;
    let console = daemon.address("console").await;
    until_gauge(&console, "sexton_sweep_overdue", "prune", |overdue| overdue == 1.0).await;
    until_gauge(&console, "sexton_sweep_overdue", "adopt", |overdue| overdue == 0.0).await;
    let line = daemon.wait_for_log("prune has not run for", PATIENCE).await.text;
    assert!(line.contains("WARN") && line.contains("worker-b"), "{line}");
}

/// The leader stands still in the middle of a batch, for longer than its lease, and continues when another has done
/// the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leader_that_wakes_up_late_does_no_work_twice() {
    let resource = RESOURCE.replace("key = \"id\"", "key = \"id\"\nadopt = \"on\"\nadopt_all = true");
    let resource = format!("[sync]\ninterval = \"1s\"\nbatch = 20\n{resource}");
    let mut rig = Rig::blocks_with(Server::postgres().await, 60, &resource).await;
    rig.execute("update block set deleted_at = '2025-06-01 12:00:00'").await;
    let sexton = std::mem::replace(&mut rig.sexton, sexton_tests::Sexton::new(""));
    rig.sexton = sexton.env("FAILPOINTS", "adopt::before=1*off->1*sleep(3000)");
    let leader = rig.daemon().await;
    // It stands before the end of its second batch then, which is recorded and not committed.
    let recorded =
        "select count(*) >= 20 from (select key from sexton_deletion union select key from sexton_deletion_done) d";
    rig.until(recorded, "t").await;
    leader.signal("STOP");
    rig.execute("update sexton_sweep set lease_until = now() - interval '1 second' where name = 'adopt'").await;
    let sexton = std::mem::replace(&mut rig.sexton, sexton_tests::Sexton::new(""));
    rig.sexton = sexton.env("FAILPOINTS", "");
    let follower = rig.daemon().await;
    rig.until("select count(*) from sexton_sweep where name = 'adopt' and last_run_at is not null", "1").await;
    let figures = rig.one("select figures, cursor, ran_at from sexton_sweep where name = 'adopt'").await;
    leader.signal("CONT");
    rig.until("select count(*) from block", "0").await;
    rig.until("select count(*) from sexton_deletion", "0").await;
    assert_eq!(rig.rows("select count(*), count(distinct key) from sexton_deletion_done").await, ["60|60"]);
    let mut calls = rig.calls();
    calls.sort();
    calls.dedup();
    assert_eq!((calls.len(), rig.calls().len()), (60, 60));
    // It says nothing of a pass that is another's.
    assert_eq!(rig.one("select figures, cursor, ran_at from sexton_sweep where name = 'adopt'").await, figures);
    drop((leader, follower));
}
