//! `sexton guard` itself.

use sea_orm::{ConnectionTrait, TransactionTrait};
use sexton_migrations::{Migrator, MigratorTrait};

use super::{OPEN, RESOURCE, Rig, Server, blocks, guarded, on_both, resource_with};
use crate::rig::BLOCK;

on_both!(
    guard_is_installed_once_and_can_be_removed,
    dry_run_prints_what_a_migration_can_run,
    guard_of_another_configuration_is_outdated_until_it_is_installed_again,
    guard_of_a_resource_that_is_gone_is_left_over,
    resource_without_targets_has_nothing_to_guard,
    guards_go_with_the_ledger,
    everything_else_works_with_a_guard,
);

async fn states(rig: &Rig) -> Vec<String> {
    let lines = rig.json(&["guard", "--json"]).await;
    lines
        .iter()
        .map(|line| format!("{} {}", line["resource"].as_str().unwrap_or("-"), line["state"].as_str().unwrap()))
        .collect()
}

async fn guard_is_installed_once_and_can_be_removed(server: Server) {
    let rig = Rig::blocks(server, 3).await;
    assert_eq!(states(&rig).await, ["block missing"]);
    assert_eq!(rig.json(&["status", "--json"]).await[0]["guards"], serde_json::json!([]));
    rig.execute("delete from block where id = 1").await;
    let first = rig.json(&["guard", "block", "--by", "ann", "--json"]).await.remove(0);
    assert_eq!((first["state"].as_str(), first["changed"].as_bool()), (Some("installed"), Some(true)), "{first}");
    let again = rig.json(&["guard", "--all", "--json"]).await.remove(0);
    assert_eq!((again["state"].as_str(), again["changed"].as_bool()), (Some("installed"), Some(false)), "{again}");
    let status = rig.json(&["status", "--json"]).await.remove(0);
    let wanted =
        serde_json::json!([{ "resource": "block", "trigger": "sexton_guard_deleted_block", "state": "installed" }]);
    assert_eq!(status["guards"], wanted);
    let shown = rig.run(&["status"]).await.expect_code(0).stdout;
    assert!(shown.contains("GUARDED"), "{shown}");
    rig.execute("delete from block where id = 2").await;
    let removed = rig.run(&["guard", "block", "--remove"]).await.expect_code(0).stdout;
    assert!(removed.contains("removed"), "{removed}");
    drop(rig.run(&["guard", "block", "--remove"]).await.expect_code(0));
    rig.execute("delete from block where id = 3").await;
    assert_eq!(rig.rows(OPEN).await, ["2"]);
    assert_eq!(states(&rig).await, ["block missing"]);
    let actions = rig.rows("select who, action from sexton_action order by id").await;
    assert_eq!((actions.len(), actions[0].as_str()), (2, "ann|guard"), "{actions:?}");
    assert!(actions[1].ends_with("|remove_guard"), "{actions:?}");
}

async fn dry_run_prints_what_a_migration_can_run(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let script = rig.run(&["guard", "block", "--dry-run"]).await.expect_code(0).stdout;
    assert_eq!(states(&rig).await, ["block missing"]);
    rig.execute(&script).await;
    assert_eq!(states(&rig).await, ["block installed"]);
    rig.execute(&script).await;
    rig.execute("delete from block").await;
    assert_eq!(rig.rows(OPEN).await, ["1"]);
    let script = rig.run(&["guard", "--all", "--remove", "--dry-run"]).await.expect_code(0).stdout;
    rig.execute(&script).await;
    assert_eq!(states(&rig).await, ["block missing"]);
    let asked = rig.run(&["guard", "--dry-run"]).await.expect_code(2).stderr;
    assert!(asked.contains("--all"), "{asked}");
}

async fn guard_of_another_configuration_is_outdated_until_it_is_installed_again(server: Server) {
    let rig = blocks(server, 2).await;
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.reconfigure(&RESOURCE.replace("{gcal_id}", "{note}"));
    assert_eq!(states(&rig).await, ["block outdated"]);
    assert_eq!(rig.json(&["status", "--json"]).await[0]["guards"][0]["state"], "outdated");
    let migrated = rig.run(&["migrate"]).await.expect_code(0);
    let checked = rig.run(&["check"]).await.expect_code(0);
    for said in [migrated.stderr, checked.stderr] {
        assert!(said.contains("resources.block") && said.contains("`sexton guard block`"), "{said}");
    }
    drop(rig.run(&["guard", "block"]).await.expect_code(0));
    assert_eq!(states(&rig).await, ["block installed"]);
    rig.execute("update block set note = 'n1'; delete from block where id = 1").await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/n1"]);
    let quiet = rig.run(&["check"]).await.expect_code(0).stderr;
    assert!(!quiet.contains("guard"), "{quiet}");
}

async fn guard_of_a_resource_that_is_gone_is_left_over(server: Server) {
    let rig = blocks(server, 1).await;
    rig.reconfigure(&RESOURCE.replace("resources.block", "resources.booking"));
    assert_eq!(states(&rig).await, ["booking missing", "- left_over"]);
    let checked = rig.run(&["migrate"]).await.expect_code(0).stderr;
    assert!(checked.contains("sexton_guard_deleted_block") && checked.contains("drop "), "{checked}");
    drop(rig.run(&["guard", "--all", "--remove"]).await.expect_code(0));
    assert_eq!(states(&rig).await, ["booking missing"]);
}

async fn resource_without_targets_has_nothing_to_guard(server: Server) {
    let targets = RESOURCE.find("[[resources.block.targets]]").unwrap();
    let rig = Rig::with(server, BLOCK, &RESOURCE[..targets]).await;
    let refused = rig.run(&["guard", "block"]).await.expect_code(2).stderr;
    assert!(refused.contains("resources.block") && refused.contains("neither targets nor"), "{refused}");
    let unknown = rig.run(&["guard", "blocks"]).await.expect_code(2).stderr;
    assert!(unknown.contains("no resource `blocks`") && unknown.contains("configured are block"), "{unknown}");
    drop(rig.run(&["guard", "--all"]).await.expect_code(0));
    assert_eq!(states(&rig).await, Vec::<String>::new());
}

/// Triggers that write into a ledger that is not there would fail the application.
async fn guards_go_with_the_ledger(server: Server) {
    let rig = blocks(server, 1).await;
    let application = rig.server.connect().await;
    Migrator::down(&application, None).await.unwrap();
    rig.execute("delete from block").await;
    let left = if rig.server.is_postgres() {
        "select (select count(*) from pg_proc where proname like 'sexton%') + (select count(*) from pg_trigger where tgname like 'sexton%')"
    } else {
        "select count(*) from sqlite_schema where type = 'trigger'"
    };
    assert_eq!(rig.rows(left).await, ["0"]);
    Migrator::up(&application, None).await.unwrap();
}

/// Rows that are requested, restored, adopted and changed as if there were none.
async fn everything_else_works_with_a_guard(server: Server) {
    let rig = guarded(Rig::blocks_with(server, 3, &resource_with("adopt = \"on\"\nadopt_all = true")).await).await;
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.execute("update block set deleted_at = '2025-01-01 00:00:00' where id = 1").await;
    drop(rig.run(&["sweep", "adopt"]).await.expect_code(0));
    drop(rig.run(&["request", "block", "2", "--after", "1h"]).await.expect_code(0));
    drop(rig.run(&["restore", "block", "2"]).await.expect_code(0));
    rig.execute("update block set gcal_id = 'other' where id = 3").await;
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
    assert_eq!(rig.rows("select id from block order by id").await, ["2", "3"]);
    assert_eq!(rig.rows(OPEN).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabled_guard_is_seen_and_mended() {
    let rig = blocks(Server::postgres().await, 1).await;
    rig.execute("alter table block disable trigger sexton_guard_deleted_block").await;
    assert_eq!(states(&rig).await, ["block disabled"]);
    let checked = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(checked.contains("disabled"), "{checked}");
    drop(rig.run(&["guard", "--all"]).await.expect_code(0));
    assert_eq!(states(&rig).await, ["block installed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_table_is_not_waited_for_for_long() {
    let rig = Rig::blocks(Server::postgres().await, 1).await;
    let application = rig.server.connect().await;
    let transaction = application.begin().await.unwrap();
    transaction.execute_unprepared("update block set note = 'x'").await.unwrap();
    let busy = rig.run(&["guard", "block"]).await.expect_code(1).stderr;
    assert!(busy.contains("is busy") && busy.contains("try again"), "{busy}");
    transaction.rollback().await.unwrap();
    assert_eq!(states(&rig).await, ["block missing"]);
    drop(rig.run(&["guard", "block"]).await.expect_code(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn role_without_rights_is_told_what_it_needs() {
    let server = Server::empty_postgres().await;
    let Server::Postgres(db) = &server else { unreachable!() };
    let role = db.create_role("app", "").await;
    let rights = format!("alter default privileges grant select, insert, update, delete on tables to {}", role.name);
    db.execute(&rights).await;
    let rig = Rig::as_role(server, &role.url, BLOCK, RESOURCE).await;
    rig.execute(&format!("grant create on schema public to {}", role.name)).await;
    let denied = rig.run(&["guard", "block"]).await.expect_code(1).stderr;
    assert!(denied.contains("TRIGGER on \"public\".\"block\"") && denied.contains("--dry-run"), "{denied}");
    rig.execute(&format!("grant trigger on block to {}", role.name)).await;
    drop(rig.run(&["guard", "block"]).await.expect_code(0));
    drop(rig.run(&["guard", "block", "--remove"]).await.expect_code(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_who_install_at_once_all_succeed() {
    let rig = Rig::blocks(Server::postgres().await, 1).await;
    for args in [["guard", "--all", "--by=a"], ["guard", "--all", "--remove"], ["guard", "--all", "--by=b"]] {
        let all = futures::future::join_all((0..6).map(|_| rig.run(&args))).await;
        all.into_iter().for_each(|output| drop(output.expect_code(0)));
    }
    assert_eq!(states(&rig).await, ["block installed"]);
    assert_eq!(rig.rows("select count(*) from sexton_action").await, ["3"]);
}
