//! Guards that were installed and are lost, lifted or weakened: operators are told, and nothing relies on them.

use sexton_tests::{PATIENCE, clients::psql};

use super::{OPEN, Rig, Server, blocks, guarded, on_both};
use crate::{
    console::get,
    rig::BLOCK,
    sweep::unreferenced::toys::{TABLES, TOY, days_pass, nonzero, sweep},
};

on_both!(
    guard_that_a_new_table_did_not_get_is_lost_until_it_is_installed_again,
    guard_that_was_removed_on_purpose_is_not_missed,
    guard_that_a_migration_installed_is_known_once_it_was_seen,
);

async fn state(rig: &Rig) -> String {
    let lines = rig.json(&["guard", "--json"]).await;
    lines.iter().map(|line| line["state"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// What Django, alembic and peewee do on SQLite for most changes of a table.
async fn rebuild(rig: &Rig) {
    let table = BLOCK.replace("block (", "new_block (");
    rig.execute(&format!(
        "{table}; insert into new_block select * from block; drop table block; alter table new_block rename to block"
    ))
    .await;
}

/// `check` refuses, naming what is wrong.
async fn assert_refused(rig: &Rig, why: &str) {
    let refused = rig.run(&["check"]).await.expect_code(2).stderr;
    assert!(refused.contains("resources.block") && refused.contains(why), "{refused}");
    assert!(refused.contains("`sexton guard block`"), "{refused}");
}

async fn guard_that_a_new_table_did_not_get_is_lost_until_it_is_installed_again(server: Server) {
    let rig = blocks(server, 2).await;
    rebuild(&rig).await;
    assert_eq!(state(&rig).await, "lost");
    assert_refused(&rig, "is gone").await;
    let migrated = rig.run(&["migrate"]).await.expect_code(0).stderr;
    assert!(migrated.contains("is gone"), "{migrated}");
    assert_eq!(rig.json(&["status", "--json"]).await[0]["guards"][0]["state"], "lost");
    let daemon = rig.daemon().await;
    daemon.wait_for_log("is gone", PATIENCE).await;
    let console = daemon.address("console").await;
    let (_, metrics) = get(&console, "/metrics").await;
    let broken = r#"sexton_guard_broken{resource="block",guard="sexton_guard_deleted_block"} 1"#;
    assert!(metrics.contains(broken), "{metrics}");
    drop(daemon);
    drop(rig.run(&["guard", "--all"]).await.expect_code(0));
    assert_eq!(state(&rig).await, "installed");
    drop(rig.run(&["check"]).await.expect_code(0));
    rig.execute("delete from block where id = 1").await;
    assert_eq!(rig.rows(OPEN).await, ["1"]);
}

async fn guard_that_was_removed_on_purpose_is_not_missed(server: Server) {
    let rig = blocks(server, 1).await;
    rebuild(&rig).await;
    assert_eq!(state(&rig).await, "lost");
    drop(rig.run(&["guard", "block", "--remove"]).await.expect_code(0));
    assert_eq!(state(&rig).await, "missing");
    drop(rig.run(&["check"]).await.expect_code(0));
}

async fn guard_that_a_migration_installed_is_known_once_it_was_seen(server: Server) {
    let rig = Rig::blocks(server, 1).await;
    let script = rig.run(&["guard", "block", "--dry-run"]).await.expect_code(0).stdout;
    rig.execute(&script).await;
    drop(rig.run(&["migrate"]).await.expect_code(0));
    rebuild(&rig).await;
    assert_eq!(state(&rig).await, "lost");
}

/// What `pg_restore --no-privileges` leaves, and what an operator may do by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guard_that_was_changed_is_seen_and_mended() {
    let rig = blocks(Server::postgres().await, 1).await;
    let function = "function sexton_guard_deleted_block()";
    let trigger = "trigger sexton_guard_deleted_block";
    let role = rig.server.as_postgres().create_role("other", "").await;
    rig.execute(&format!("grant create on schema public to {}", role.name)).await;
    let changes = [
        (format!("grant execute on {function} to public"), "PUBLIC"),
        (format!("grant execute on {function} to {}", role.name), &*role.name),
        (format!("alter {function} owner to {}", role.name), "owned by"),
        (format!("alter {function} security invoker"), "SECURITY DEFINER"),
        (format!("alter {function} set search_path = public"), "settings"),
        (format!("alter {function} reset all"), "settings"),
        (
            format!(
                "drop {trigger} on block; create {trigger} after delete on block referencing old table as gone
                 for each statement when (false) execute {function}"
            ),
            "fires otherwise",
        ),
        (
            format!(
                "create or replace {function} returns trigger language plpgsql security definer
                 as $$ begin return null; end $$"
            ),
            "another text",
        ),
    ];
    for (change, why) in changes {
        rig.execute(&change).await;
        assert_eq!(state(&rig).await, "altered", "{change}");
        assert_refused(&rig, why).await;
        drop(rig.run(&["guard", "--all"]).await.expect_code(0));
        assert_eq!(state(&rig).await, "installed", "{change}");
        drop(rig.run(&["check"]).await.expect_code(0));
    }
}

/// Privileges that every new function gets are taken away again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guard_is_its_owners_alone_whatever_default_privileges_say() {
    let rig = Rig::blocks(Server::postgres().await, 1).await;
    let role = rig.server.as_postgres().create_role("other", "").await;
    rig.execute(&format!("alter default privileges grant execute on functions to {}", role.name)).await;
    let rig = guarded(rig).await;
    assert_eq!(state(&rig).await, "installed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guard_that_anybody_may_run_acts_on_its_own_table_alone() {
    let rig = blocks(Server::postgres().await, 2).await;
    let role = rig.server.as_postgres().create_role("other", "").await;
    rig.execute(&format!(
        "grant execute on function sexton_guard_deleted_block() to public; grant create on schema public to {}",
        role.name
    ))
    .await;
    let theft = "create table mine (id bigint, calendar_id text, gcal_id text, deleted_at timestamptz);
        insert into mine values (1, 'c', 'g1', null);
        create trigger mine after delete on mine referencing old table as gone for each statement
            execute function sexton_guard_deleted_block();
        delete from mine";
    let denied = psql(&role.url, theft).await.expect_code(3).stderr;
    assert!(denied.contains("is not for"), "{denied}");
    assert_eq!(rig.rows(OPEN).await, [""; 0]);
    rig.execute("delete from block where id = 1").await;
    assert_eq!(rig.rows(OPEN).await, ["1"]);
}

/// A table keeps its guard when it is renamed; its rows are recorded until the configuration follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renamed_table_is_still_guarded() {
    let rig = blocks(Server::postgres().await, 2).await;
    rig.execute("alter table block rename to booking; delete from booking where id = 1").await;
    assert_eq!(rig.rows(OPEN).await, ["1"]);
}

/// A row that is referenced by a transaction that is still open. Without the triggers of the foreign key its reference
/// locks nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_stay_while_triggers_of_a_referencing_table_are_disabled() {
    for parts in [false, true] {
        let tables = if parts {
            TABLES.replace(
                "favorite_toy_id bigint references toy (id), deleted_at TIME_TYPE)",
                "favorite_toy_id bigint references toy (id), deleted_at TIME_TYPE) partition by range (id);
                 create table person_1 partition of person default",
            )
        } else {
            TABLES.to_owned()
        };
        let disabled = if parts { "person_1" } else { "person" };
        let rig = Rig::with(Server::postgres().await, &tables, TOY).await;
        rig.execute("insert into toy (id) values (1)").await;
        drop(rig.run(&["guard", "--all"]).await.expect_code(0));
        sweep(&rig).await;
        days_pass(&rig, 15).await;
        rig.execute(&format!("alter table {disabled} disable trigger all")).await;
        let swept = rig.run(&["sweep", "unreferenced", "--json"]).await;
        let said = format!("{}{}", swept.stdout, swept.stderr);
        assert!(said.contains("disabled"), "{said}");
        assert_eq!(rig.rows("select id from toy").await, ["1"], "{said}");
        drop(rig.run(&["check"]).await.expect_code(2));
        rig.execute(&format!("alter table {disabled} enable trigger all")).await;
        assert!(nonzero(&sweep(&rig).await).contains("deleted 1"));
    }
}
