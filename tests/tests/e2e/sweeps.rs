//! `sexton sweep`, and sweeps that run by themselves.

use serde_json::json;

use super::rig::{RESOURCE, Rig, Server, on_both};

on_both!(
    operator_prunes_and_sees_what_went,
    daemon_prunes_by_itself_and_writes_down_what_it_did,
    sweep_that_another_process_runs_is_left_to_it,
    kept_row_whose_entry_is_old_is_not_forgotten,
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
        unknown.contains("there is no sweep `proone`; expected one of adopt, dangling, unreferenced, prune"),
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
