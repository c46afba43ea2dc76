//! What the functions run is what the last `sexton migrate` wrote, or nothing.

use sexton_tests::Sexton;

use super::setup::{RESOURCES, TABLES, rig};
use crate::rig::{Rig, Server, config};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_are_missing_or_do_not_fit_are_refused_until_the_next_migrate() {
    let rig = rig().await;
    for (change, wanted) in [
        ("statements = null where name = 'album'", "resource \"album\" are missing"),
        (
            "definition = definition || '{\"then\": \"keep\"}' where name = 'album'",
            "\"album\" do not fit the definition",
        ),
        (
            "definition = definition || '{\"then\": \"keep\"}' where name = 'photo'",
            "\"photo\" do not fit the definition",
        ),
        // A child whose statements are newer than the parent's.
        (
            "definition = definition || '{\"then\": \"keep\"}',
              statements = jsonb_set(statements, '{definition,then}', '\"keep\"') where name = 'photo'",
            "\"photo\" do not fit the definition",
        ),
        ("statements = statements || '{\"format\": 99, \"release\": \"9.9\"}' where name = 'album'", "of release 9.9"),
    ] {
        rig.execute(&format!("update sexton_resource set {change}")).await;
        let error = rig.refused("select sexton_soft_remove('album', '2')").await;
        assert!(error.starts_with("SX003") && error.contains(wanted) && error.contains("sexton migrate"), "{error}");
        assert_eq!(rig.rows("select count(*) from album where deleted_at is not null").await, ["0"]);
        drop(rig.run(&["migrate"]).await.expect_code(0));
    }
    rig.soft_remove("album", "2").await;
    rig.execute("update sexton_resource set statements = null").await;
    let error = rig.refused("select sexton_restore_batch(batch_id) from sexton_deletion").await;
    assert!(error.starts_with("SX003"), "{error}");
    // Workers need none of it.
    rig.work().await;
    assert_eq!(rig.rows("select id from album order by id").await, ["1", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_warns_of_statements_for_a_table_that_was_changed() {
    let rig = rig().await;
    // It has other advice as well, on indexes.
    let warnings = async || {
        let stderr = rig.run(&["check"]).await.expect_code(0).stderr;
        stderr.lines().filter(|line| line.contains("SQL functions")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(warnings().await, [""; 0]);
    rig.execute("alter table note alter column deleted_at type timestamp").await;
    let warned = warnings().await;
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("resources.note") && warned[0].contains("sexton migrate"), "{warned:?}");
    drop(rig.run(&["migrate"]).await.expect_code(0));
    assert_eq!(warnings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_before_the_applications_tables_is_completed_by_a_second_one() {
    let server = Server::postgres().await;
    let api = sexton_tests::api::Api::start().await;
    let sexton = Sexton::new(&config(server.url(), &api, RESOURCES));
    let warned = sexton.run(&["migrate"]).await.expect_code(0).stderr;
    assert!(warned.contains("there is no table `album`") && warned.contains("migrate` is run again"), "{warned}");
    server.execute(TABLES).await;
    let rig = Rig { server, api, sexton };
    let error = rig.refused("select sexton_soft_remove('pair', '[1, \"other\"]')").await;
    assert!(error.starts_with("SX003: the statements for the resource \"pair\" are missing"), "{error}");
    assert_eq!(rig.run(&["migrate"]).await.expect_code(0).stderr, "");
    rig.soft_remove("pair", "[1, \"other\"]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_find_the_ledger_from_any_search_path_and_triggers_keep_theirs() {
    let server = Server::empty_postgres().await;
    let Server::Postgres(db) = &server else { panic!("PostgreSQL only") };
    let schema = "\"the \"\"ledger\"\"\"";
    let set = format!("alter database {} set search_path = {schema}, public", db.name());
    db.execute(&format!("create schema {schema}; {set}")).await;
    let tables = format!("set search_path = public; {TABLES}");
    let rig = Rig::with(server, &tables, RESOURCES).await;
    rig.execute(
        "set search_path = public;
         create table public.seen (path text);
         create schema app; create table app.audit (path text);
         create function public.log() returns trigger language plpgsql as
            $$ begin insert into audit values (current_setting('search_path')); return new; end $$;
         create trigger log after update on public.album for each row execute function public.log();",
    )
    .await;
    let script = format!(
        "set search_path = app;
         set standard_conforming_strings = off;
         select {schema}.sexton_soft_remove('album', '2');
         select path from audit;
         select distinct resource || ' ' || row_restored from {schema}.sexton_restore_row('album', '2') order by 1"
    );
    let output = rig.psql(&script).await.expect_code(0).stdout;
    let lines: Vec<_> = output.lines().skip(1).collect();
    assert_eq!(lines, ["app", "album true", "photo true"]);
}

/// And those whose children it has: how such rows are marked is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resource_without_a_table_is_the_only_one_that_is_not_available() {
    let rig = rig().await;
    rig.execute("drop table print").await;
    let warned = rig.run(&["migrate"]).await.expect_code(0).stderr;
    assert!(warned.contains("there is no table `print`"), "{warned}");
    assert!(warned.contains("refuse album, photo, print until `sexton migrate` is run again"), "{warned}");
    rig.soft_remove("pair", "[1, \"other\"]").await;
    let id = rig.soft_remove("block", "1").await;
    rig.execute(&format!("select sexton_restore('{id}')")).await;
    for (resource, key) in [("print", "111"), ("photo", "11"), ("album", "1")] {
        let error = rig.refused(&format!("select sexton_soft_remove('{resource}', '{key}')")).await;
        let wanted = format!("SX003: the statements for the resource \"{resource}\" are missing");
        assert!(error.starts_with(&wanted), "{error}");
    }
    rig.execute("create table print (id bigint primary key, photo_id bigint, deleted_at timestamptz)").await;
    assert_eq!(rig.run(&["migrate"]).await.expect_code(0).stderr, "");
    rig.soft_remove("album", "1").await;
}
