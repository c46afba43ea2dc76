//! Which twins are looked at, how often, and what is said of it.

use serde_json::{Value, json};

use super::{ROOM, age, calls, deleted, event, mode_on, mode_report, nonzero, settings, state, sweep, sweep_nonzero};
use crate::rig::{RESOURCE, Rig, Server, on_both};

on_both!(
    twins_that_came_back_are_only_counted,
    twins_that_rows_have_by_now_are_no_news,
    twin_under_the_same_address_with_another_header_is_another,
    each_deletion_is_looked_at_once_and_what_came_back_until_it_is_gone,
    share_is_the_same_for_every_process,
    nothing_is_looked_at_before_its_time_or_without_a_share,
    only_twins_that_were_deleted_are_looked_at,
    what_cannot_be_seen_is_counted,
    dry_run_looks_at_all_that_is_known_and_changes_nothing,
    small_budget_comes_to_the_same,
    killed_sweep_looks_again,
    daemon_looks_by_itself,
    settings_that_cannot_work_are_refused,
);

async fn twins_that_came_back_are_only_counted(server: Server) {
    let (rig, twins) = deleted(server, 3, &mode_report()).await;
    twins.come_back(&event(2));
    let seen = sweep(&rig).await;
    assert_eq!(nonzero(&seen), "finished 3, gone 2, looked 3, returned 1, sampled 3");
    assert_eq!(
        (&seen["sweep"], &seen["dry_run"], seen.as_object().unwrap().len()),
        (&json!("verify"), &json!(false), 13)
    );
    let state = state(&rig).await;
    assert_eq!((&state["found"], &state["done"], &state["backlog"]), (&json!(1), &json!(0), &json!(1)));
    assert_eq!((&state["state"], &state["error"]), (&json!("ok"), &Value::Null));
    assert!(state["oldest_ms"].as_i64().unwrap() > 3_500_000, "{state}");
    assert_eq!(rig.rows("select key from sexton_deletion").await, Vec::<String>::new());
    assert_eq!(calls(&rig, "DELETE").len(), 3);
    // No value of the row is in what is kept of it, besides where the twin was.
    assert_eq!(rig.one("select count(*) from sexton_deletion_done where refs is not null").await, "3");
    let warned = rig.run(&["sweep", "verify"]).await.expect_code(0);
    assert!(!warned.stderr.contains("g2"), "{}", warned.stderr);
}

async fn twins_that_rows_have_by_now_are_no_news(server: Server) {
    let (rig, twins) = deleted(server, 4, &mode_report()).await;
    // The first was made anew, another row has the second, and the third came back although a row has its key.
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1'), (12, 'c', 'g2'), (3, 'c', 'x')")
        .await;
    (1..=4).for_each(|n| twins.come_back(&event(n)));
    assert_eq!(sweep_nonzero(&rig).await, "finished 4, looked 4, owned 2, returned 2, sampled 4");
    assert_eq!(state(&rig).await["backlog"], 2);
    twins.vanish(&event(3));
    twins.vanish(&event(4));
    assert_eq!(sweep_nonzero(&rig).await, "gone 2, looked 4, owned 2");
    let state = state(&rig).await;
    assert_eq!((&state["backlog"], &state["oldest_ms"]), (&json!(0), &Value::Null), "{state}");
    // What happens to them is still looked at.
    drop(rig.run(&["pause", "block.calendar"]).await.expect_code(0));
    assert_eq!(sweep_nonzero(&rig).await, "held 1, owned 2");
    drop(rig.run(&["resume", "block.calendar"]).await.expect_code(0));
    rig.execute("delete from block where id = 12").await;
    assert_eq!(sweep_nonzero(&rig).await, "looked 2, owned 1, returned 1");
}

async fn twin_under_the_same_address_with_another_header_is_another(server: Server) {
    let header = "headers = { X-Calendar = \"{calendar_id}\" }\ntimeout = \"2s\"";
    let resources =
        mode_report().replace("calendars/{calendar_id}/events", "events").replacen("timeout = \"2s\"", header, 1);
    let (rig, twins) = deleted(server, 3, &resources).await;
    rig.execute(
        "insert into block (id, calendar_id, gcal_id) values (11, 'd', 'g1'), (12, 'c', 'g2'), (13, 'c', 'G3')",
    )
    .await;
    (1..=3).for_each(|n| twins.come_back(&format!("/events/g{n}")));
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, looked 3, owned 1, returned 2, sampled 3");
}

async fn each_deletion_is_looked_at_once_and_what_came_back_until_it_is_gone(server: Server) {
    let (rig, twins) = deleted(server, 3, &mode_report()).await;
    let before = calls(&rig, "GET").len();
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, gone 3, looked 3, sampled 3");
    assert_eq!(calls(&rig, "GET").len() - before, 3);
    twins.come_back(&event(1));
    assert_eq!(sweep_nonzero(&rig).await, "", "they were looked at before");
    rig.execute("insert into block (id, calendar_id, gcal_id) values (4, 'c', 'g4')").await;
    rig.request("block", &["4"]).await;
    rig.work().await;
    twins.come_back(&event(4));
    assert_eq!(sweep_nonzero(&rig).await, "", "it is too young");
    rig.execute(if rig.server.is_postgres() {
        "update sexton_deletion_done set finished_at = finished_at - interval '59 minutes' where key = '4'"
    } else {
        "update sexton_deletion_done set finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, '-59 minutes') where key = '4'"
    })
    .await;
    assert_eq!(sweep_nonzero(&rig).await, "finished 1, looked 1, returned 1, sampled 1");
    assert_eq!(sweep_nonzero(&rig).await, "looked 1, returned 1");
    twins.vanish(&event(4));
    assert_eq!(sweep_nonzero(&rig).await, "gone 1, looked 1");
    assert_eq!(sweep_nonzero(&rig).await, "");
    // Looked at anew, for the sake of the first.
    rig.execute("update sexton_sweep set cursor = '{}'").await;
    assert_eq!(sweep_nonzero(&rig).await, "finished 4, gone 3, looked 4, returned 1, sampled 4");
    // What is not known any more cannot be looked at, and is forgotten.
    rig.execute("update sexton_deletion_done set refs = null").await;
    assert_eq!(sweep_nonzero(&rig).await, "unverifiable 1");
    assert_eq!(sweep_nonzero(&rig).await, "");
    assert_eq!(state(&rig).await["backlog"], 0);
}

async fn share_is_the_same_for_every_process(server: Server) {
    let (rig, _twins) = deleted(server, 40, &settings("share = 0.5", "")).await;
    let looked = |figures: Value| figures["looked"].as_u64().unwrap();
    let dry = rig.json(&["sweep", "verify", "--dry-run", "--json"]).await.remove(0);
    let seen = sweep(&rig).await;
    assert_eq!((&seen["finished"], &seen["sampled"], &seen["looked"]), (&json!(40), &dry["sampled"], &dry["looked"]));
    let half = looked(seen);
    assert!((5..36).contains(&half), "{half}");
    rig.reconfigure(&settings("share = 1", ""));
    rig.execute("update sexton_sweep set cursor = '{}'").await;
    assert_eq!(looked(sweep(&rig).await), 40);
}

async fn nothing_is_looked_at_before_its_time_or_without_a_share(server: Server) {
    let rig = Rig::blocks_with(server, 2, &mode_report()).await;
    let twins = super::Twins::behind(&rig);
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    twins.come_back(&event(1));
    assert_eq!(sweep_nonzero(&rig).await, "");
    rig.reconfigure(&settings("share = 1.0, after = \"1m\"", ""));
    assert_eq!(sweep_nonzero(&rig).await, "");
    age(&rig).await;
    rig.reconfigure(&settings("share = 0.0", ""));
    assert_eq!(sweep_nonzero(&rig).await, "");
    rig.reconfigure(&mode_report());
    assert_eq!(sweep_nonzero(&rig).await, "finished 2, gone 1, looked 2, returned 1, sampled 2");
}

async fn only_twins_that_were_deleted_are_looked_at(server: Server) {
    let rig = Rig::blocks_with(server, 4, &format!("{}{ROOM}", mode_report())).await;
    let _twins = super::Twins::behind(&rig);
    rig.execute("update block set note = 'n' where id = 2").await;
    // One is restored, one given up: they were not deleted.
    let later = rig.json(&["request", "block", "3", "--after", "1h", "--json"]).await.remove(0);
    drop(rig.run(&["restore", later["id"].as_str().unwrap()]).await.expect_code(0));
    rig.request("block", &["1", "2"]).await;
    rig.work().await;
    age(&rig).await;
    let before = calls(&rig, "GET").len();
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, gone 3, looked 3, sampled 2");
    let looks = calls(&rig, "GET").len() - before;
    assert_eq!(looks, 3, "block 1 was never in a room: {:?}", calls(&rig, "GET"));
    assert_eq!(calls(&rig, "GET").iter().filter(|path| path.starts_with("/rooms/")).count(), 2);
}

async fn what_cannot_be_seen_is_counted(server: Server) {
    // Completed before there was a share, so that nothing is known of where they were.
    let (rig, _twins) = deleted(server, 2, RESOURCE).await;
    rig.reconfigure(&mode_report());
    drop(rig.run(&["migrate"]).await.expect_code(0));
    assert_eq!(sweep_nonzero(&rig).await, "finished 2, sampled 2, unverifiable 2");
    // A target that does not say whether anything is there.
    let plain = RESOURCE.replace("name = \"calendar\"", "name = \"other\"");
    rig.reconfigure(&format!("[sync]\nverify = {{ share = 1.0 }}\n{plain}"));
    drop(rig.run(&["migrate"]).await.expect_code(0));
    rig.execute("insert into block (id, calendar_id, gcal_id) values (7, 'c', 'g7')").await;
    rig.request("block", &["7"]).await;
    rig.work().await;
    rig.execute("update sexton_deletion_done set refs = null").await;
    age(&rig).await;
    rig.execute("update sexton_sweep set cursor = '{}'").await;
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, sampled 3, unverifiable 1");
    assert_eq!(calls(&rig, "GET"), Vec::<String>::new());
}

async fn dry_run_looks_at_all_that_is_known_and_changes_nothing(server: Server) {
    let (rig, twins) = deleted(server, 3, &mode_on()).await;
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, gone 3, looked 3, sampled 3");
    twins.come_back(&event(3));
    let dry = rig.json(&["sweep", "verify", "--dry-run", "--json"]).await.remove(0);
    assert_eq!(nonzero(&dry), "finished 3, gone 2, looked 3, returned 1, sampled 3");
    assert_eq!(dry["dry_run"], true);
    assert_eq!(rig.rows("select key from sexton_deletion").await, Vec::<String>::new());
    assert_eq!(state(&rig).await["found"], 0);
    let text = rig.run(&["sweep", "verify", "--dry-run"]).await.expect_code(0);
    assert!(text.stdout.contains("verify (nothing was changed)"), "{}", text.stdout);
    let line = text.stderr.lines().find(|line| line.contains("is there again in block.calendar"));
    assert!(line.is_some(), "{}", text.stderr);
}

async fn small_budget_comes_to_the_same(server: Server) {
    let small = "batch = 2\nbudget = { rows = 3, time = \"20s\" }\n";
    let (rig, twins) = deleted(server, 7, &settings("share = 1.0", small)).await;
    for n in [1, 4, 7] {
        twins.come_back(&event(n));
    }
    assert_eq!(sweep_nonzero(&rig).await, "finished 7, gone 4, looked 7, returned 3, sampled 7");
    assert_eq!(sweep_nonzero(&rig).await, "looked 3, returned 3");
}

async fn killed_sweep_looks_again(server: Server) {
    use sexton_tests::api::{Answer, Gate};
    let (rig, twins) = deleted(server, 3, &mode_report()).await;
    twins.come_back(&event(2));
    let gate = Gate::new();
    for n in 1..=3 {
        rig.api.script(&event(n), vec![Answer::Held(gate.clone(), Box::new(Answer::Status(404)))]);
    }
    let sweeping = rig.sexton.spawn(&["sweep", "verify"]).await;
    rig.api.wait_for_in_flight(3, crate::rig::PATIENCE).await;
    sweeping.signal("KILL");
    assert_eq!(sweeping.wait(crate::rig::PATIENCE).await, 137);
    gate.open();
    drop(rig.run(&["sweep", "verify"]).await.expect_code(3));
    rig.execute("update sexton_sweep set lease_until = '2020-01-01T00:00:00.000Z'").await;
    assert_eq!(sweep_nonzero(&rig).await, "finished 3, gone 2, looked 3, returned 1, sampled 3");
}

async fn daemon_looks_by_itself(server: Server) {
    let (rig, twins) = deleted(server, 3, &mode_on()).await;
    rig.execute("delete from sexton_sweep").await;
    twins.come_back(&event(2));
    let _daemon = rig.daemon().await;
    rig.until("select count(*) from sexton_deletion_done where requested_by = 'sexton sweep verify'", "1").await;
    rig.until("select found, done, backlog from sexton_sweep where name = 'verify'", "1|1|0").await;
    assert_eq!(calls(&rig, "DELETE").iter().filter(|path| **path == event(2)).count(), 2);
}

async fn settings_that_cannot_work_are_refused(server: Server) {
    let rig = Rig::blocks(server, 0).await;
    for (verify, why) in [
        ("share = 1.5", "sync.verify.share: 1.5 is not a share"),
        ("share = -0.1", "sync.verify.share"),
        ("share = 0.1, after = \"10s\"", "sync.verify.after: it must be at least 1m"),
        ("share = 0.1, after = \"8d\"", "sync.verify.after: it must be shorter than sync.keep_refs (7days)"),
        ("share = 0.1, mode = \"off\"", "sync.verify.mode"),
        ("shares = 0.1", "shares"),
    ] {
        rig.reconfigure(&settings(verify, ""));
        let refused = rig.run(&["check"]).await.expect_code(2).stderr;
        assert!(refused.contains(why), "{verify}: {refused}");
    }
    // What is kept of a row is a part of the definition, and only with a share.
    rig.reconfigure(
        &settings("share = 0.1, mode = \"on\"", "")
            .replace("verify = { url", "skip_when_null = [\"note\"]\nverify = { url"),
    );
    drop(rig.run(&["migrate"]).await.expect_code(0));
    let refs = "select definition ->> 'refs' from sexton_resource";
    assert_eq!(rig.one(refs).await.replace(' ', ""), r#"["calendar_id","gcal_id","note"]"#);
    rig.reconfigure(RESOURCE);
    drop(rig.run(&["migrate"]).await.expect_code(0));
    assert_eq!(rig.one(refs).await, "-");
}
