//! An application's own triggers, which name their tables as the application does (PostgreSQL).

use crate::rig::{BLOCK, RESOURCE, Rig, Server};

/// The tables in a schema that the database's search path names, with a trigger that writes down what happens.
async fn audited(tables: &str, table: &str, resources: &str) -> Rig {
    let server = Server::empty_postgres().await;
    let name = server.as_postgres().name().to_owned();
    server.execute(&format!("create schema app; alter database \"{name}\" set search_path = app, public")).await;
    let tables = format!(
        "{tables}; create table app.audit (what text, note text default here());
         create function app.audit() returns trigger language plpgsql as $$
         begin insert into audit (what) values (lower(tg_op)); return coalesce(new, old); end $$;
         create trigger audit before update or delete on app.{table} for each row execute function app.audit()"
    );
    let here = "create function app.here() returns text language sql as $$ select 'here'::text $$;";
    Rig::with(server, &format!("{here} set search_path = app; {tables}"), resources).await
}

const AUDIT: &str = "select what, note, count(*) from app.audit group by 1, 2 order by 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_find_what_they_find_in_sessions_of_the_application() {
    let child = "[[resources.block.children]]\ntable = \"photo\"\ncolumn = \"block_id\"\nreferences = \"id\"\nthen = \"nullify\"\n";
    let photo = "create table app.photo (id bigint primary key, block_id bigint)";
    let rig = audited(&format!("{BLOCK}; {photo}"), "block", &format!("{RESOURCE}{child}")).await;
    rig.execute(
        "set search_path = app, public; create trigger audit before update on photo for each row execute function audit();
         insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1'), (2, 'c', 'g2'), (3, 'c', 'g3');
         insert into photo values (1, 1)",
    )
    .await;
    let ids = rig.request("block", &["1", "2"]).await;
    assert_eq!(rig.rows(AUDIT).await, ["update|here|2"]);
    drop(rig.run(&["restore", &ids[1]]).await.expect_code(0));
    assert_eq!(rig.rows(AUDIT).await, ["update|here|3"]);
    rig.work().await;
    assert_eq!(rig.state(&ids[0]).await, "completed");
    assert_eq!(rig.rows(AUDIT).await, ["delete|here|1", "update|here|4"]);
    // And an operator's condition, and the SQL functions.
    drop(rig.run(&["request", "block", "--where", "here() = 'here' and id = 2", "--yes"]).await.expect_code(0));
    rig.execute("set search_path = app, public; select sexton_soft_remove('block', '3')").await;
    rig.work().await;
    assert_eq!(rig.rows("select count(*) from app.block").await, ["0"]);
}

/// The guard clears times with the rights of the role that installed it. Its search path is that role's, whatever path
/// the writer of a reference has made up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triggers_below_a_guard_find_what_its_owner_finds() {
    let tables = "create table app.toy (id bigint primary key, deprecated_at timestamptz);
        create table app.person (id bigint primary key, toy_id bigint references app.toy (id));
        create index on app.person (toy_id)";
    let toy = r#"
[resources.toy]
table = "toy"
key = "id"
unreferenced = { by = [{ table = "person", column = "toy_id" }], since = "deprecated_at", hide_after = "7d", delete_after = "14d", mode = "on" }
"#;
    let rig = audited(tables, "toy", toy).await;
    drop(rig.run(&["guard", "--all"]).await.expect_code(0));
    rig.execute("insert into app.toy values (1), (2)").await;
    drop(rig.run(&["sweep", "unreferenced"]).await.expect_code(0));
    assert_eq!(rig.rows(AUDIT).await, ["update|here|2"]);
    rig.execute(
        "create schema other; create table other.audit (what text, note text default 'other');
         set search_path = other; insert into app.person values (1, 1)",
    )
    .await;
    assert_eq!(rig.rows(AUDIT).await, ["update|here|3"]);
    assert_eq!(rig.rows("select count(*) from other.audit").await, ["0"]);
    assert_eq!(rig.rows("select id from app.toy where deprecated_at is not null").await, ["2"]);
}
