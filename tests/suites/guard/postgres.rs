//! What only PostgreSQL has: roles, partitions, moves between them.

use sexton_tests::clients::psql;

use super::{OPEN, RESOURCE, Rig, Server, blocks, guarded};
use crate::rig::BLOCK;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn role_that_may_delete_rows_needs_no_right_on_the_ledger() {
    let rig = blocks(Server::postgres().await, 2).await;
    let Server::Postgres(db) = &rig.server else { unreachable!() };
    let role = db.create_role("app", "").await;
    rig.execute(&format!("grant select, delete on block to {0}; grant create on schema public to {0}", role.name))
        .await;
    drop(psql(&role.url, "delete from block where id = 1").await.expect_code(0));
    assert_eq!(rig.rows(OPEN).await, ["1"]);
    assert_eq!(
        rig.one("select reason from sexton_deletion").await,
        format!("the row was deleted without a request, by {}", role.name)
    );
    // A role that may write to the ledger through the function may write anything there.
    let theft = "create table mine (id bigint, calendar_id text, gcal_id text, deleted_at timestamptz);
        create trigger mine after delete on mine for each row execute function sexton_guard_deleted_block();";
    let denied = psql(&role.url, theft).await.expect_code(3);
    assert!(denied.stderr.contains("42501"), "{}", denied.stderr);
    // Nor does it find other things than ours under names that it makes up.
    let shadow = "create schema app; create function app.jsonb_build_object(variadic text[]) returns jsonb
        language sql as $$ select '{}'::jsonb $$; set search_path = app, pg_catalog, public; delete from public.block;";
    rig.execute(&format!("grant create on database \"{}\" to {}", db.name(), role.name)).await;
    drop(psql(&role.url, shadow).await.expect_code(0));
    let payload = rig.one("select payload ->> 'gcal_id' from sexton_deletion where key = '2'").await;
    assert_eq!(payload, "g2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_a_session_change_nothing() {
    let (table, resource) = (BLOCK.replace("gcal_id", r#""g\id""#), RESOURCE.replace("{gcal_id}", r"{g\\id}"));
    let resource = resource.replace("timeout =", "skip_when_null = [\"deleted_at\"]\ntimeout =");
    let rig = guarded(Rig::with(Server::postgres().await, &table, &resource).await).await;
    rig.execute(
        r#"insert into block (id, calendar_id, "g\id", deleted_at) values (1, 'c', 'g1', '2025-07-01 12:00:00.125+00');
         set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set standard_conforming_strings = off;
         set escape_string_warning = off; set search_path = ''; delete from public.block"#,
    )
    .await;
    assert_eq!(rig.one("select payload ->> 'deleted_at' from public.sexton_deletion").await, "2025-07-01T12:00:00.125");
    rig.work().await;
    assert_eq!(rig.calls(), ["DELETE /calendars/c/events/g1"]);
}

/// Columns whose text depends on settings, and a session that has all of them otherwise.
pub(crate) const PRINTED: (&str, &str, &str) = (
    "document bytea, ratio double precision, span interval, during tstzrange, times timestamptz[]",
    r"'\x00ff', 0.1::float8 + 0.2, '1 day 02:03:04', '[2025-07-01 12:00+00, 2025-07-02 12:00+00)', '{2025-07-01 12:00+00}'",
    "set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set intervalstyle = 'iso_8601'; set bytea_output = 'escape';
     set extra_float_digits = -15;",
);

/// What is captured for the calendar, as text.
pub(crate) const CAPTURED: &str = "select payload - 'id' - 'deleted_at' from sexton_deletion order by requested_at, id";

/// The resource `printed` with all of these columns.
pub(crate) const PRINTED_RESOURCE: &str = r#"
[resources.printed]
table = "printed"
key = "id"
marker = { column = "deleted_at" }
[[resources.printed.targets]]
name = "calendar"
kind = "http"
url = "@API@/{document}/{ratio}/{span}/{during}/{times}"
allow_private = true
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_a_session_change_nothing_that_is_captured() {
    let (columns, values, settings) = PRINTED;
    let table = format!("create table printed (id bigint primary key, {columns}, deleted_at timestamptz)");
    let rig = guarded(Rig::with(Server::postgres().await, &table, PRINTED_RESOURCE).await).await;
    rig.execute(&format!("insert into printed values (1, {values}), (2, {values})")).await;
    drop(rig.run(&["request", "printed", "1"]).await.expect_code(0));
    rig.execute(&format!("{settings} delete from printed where id = 2")).await;
    let captured = rig.rows(CAPTURED).await;
    assert_eq!(captured.len(), 2);
    assert_eq!(captured[0], captured[1]);
    assert!(captured[0].contains("0.30000000000000004") && captured[0].contains("1 day 02:03:04"), "{captured:?}");
}

/// To a trigger for each row, an update that moves a row is a delete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_that_moves_to_another_partition_is_not_recorded() {
    let table =
        BLOCK.replace("bigint primary key", "bigint").replace("TIME_TYPE)", "TIME_TYPE, primary key (id, kind))");
    let tables = format!(
        "{table} partition by list (kind); create table block_a partition of block for values in ('a');
         create table block_b partition of block for values in ('b')"
    );
    let resource = RESOURCE.replace("key = \"id\"", "key = [\"id\", \"kind\"]");
    let rig = guarded(Rig::with(Server::postgres().await, &tables, &resource).await).await;
    rig.execute(
        "insert into block (id, kind, calendar_id, gcal_id) select n, 'a', 'c', 'g' || n from generate_series(1, 4) n",
    )
    .await;
    rig.execute("update block set kind = 'b' where id <= 2").await;
    assert_eq!(rig.rows(OPEN).await, [""; 0]);
    rig.execute("delete from block where id in (2, 3)").await;
    assert_eq!(rig.rows(OPEN).await, [r#"["2","b"]"#, r#"["3","a"]"#]);
    // Sexton's own, and partitions that come later.
    rig.request("block", &[r#"["4","a"]"#]).await;
    rig.execute("create table block_c partition of block for values in ('c'); insert into block (id, kind, calendar_id, gcal_id) values (5, 'c', 'c', 'g5')")
        .await;
    rig.execute("delete from block where id = 5").await;
    rig.work().await;
    let mut calls = rig.calls();
    calls.sort();
    assert_eq!(calls, ["2", "3", "4", "5"].map(|n| format!("DELETE /calendars/c/events/g{n}")));
    assert_eq!(rig.rows("select id from block").await, ["1"]);
    assert_eq!(
        rig.rows("select row_outcome, count(*) from sexton_deletion_done group by 1 order by 1").await,
        ["already_gone|3", "deleted|1"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_that_deletes_wakes_listening_workers() {
    let rig = blocks(Server::postgres().await, 3).await;
    let Server::Postgres(db) = &rig.server else { unreachable!() };
    let mut listener = sqlx::postgres::PgListener::connect(db.url()).await.unwrap();
    listener.listen("sexton_due").await.unwrap();
    rig.execute("delete from block").await;
    let patience = crate::rig::PATIENCE;
    drop(tokio::time::timeout(patience, listener.recv()).await.unwrap().unwrap());
    // One for all of them; the next is that of the marker after it.
    rig.execute("select pg_notify('sexton_due', 'the end')").await;
    let next = tokio::time::timeout(patience, listener.recv()).await.unwrap().unwrap();
    assert_eq!(next.payload(), "the end");
}
