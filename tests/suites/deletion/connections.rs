//! What Sexton's sessions have, whatever the role, the database and a pooler say (PostgreSQL).

use sexton_tests::{Pgbouncer, Postgres, TestDb};

use crate::rig::{BLOCK, RESOURCE, Rig, Server};

async fn rig_with_a_block(server: Server, url: &str) -> Rig {
    let rig = Rig::as_role(server, url, BLOCK, RESOURCE).await;
    rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1')").await;
    rig
}

/// Records what sessions have when they delete a block.
const WITNESS: &str = "create table witness (synchronous_commit text, row_security text);
    create function watch() returns trigger language plpgsql as $$
    begin
        insert into public.witness
        select current_setting('synchronous_commit'), current_setting('row_security');
        return old;
    end $$;
    create trigger watch before delete on block for each row execute function watch()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_durable_although_the_database_does_without() {
    let server = Server::postgres().await;
    let url = server.url().to_owned();
    let rig = rig_with_a_block(server, &url).await;
    rig.execute(WITNESS).await;
    let name = rig.server.as_postgres().name().to_owned();
    for (setting, wanted) in [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")] {
        rig.execute(&format!("alter database {name} set synchronous_commit = {setting}; truncate witness")).await;
        rig.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g1') on conflict do nothing").await;
        let id = rig.request_block().await;
        rig.work().await;
        assert_eq!(rig.state(&id).await, "completed");
        assert_eq!(rig.rows("select * from witness").await, [format!("{wanted}|off")], "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pooler_in_session_mode_is_all_that_is_needed() {
    let server = Server::postgres().await;
    let pooler = Pgbouncer::before(Postgres::shared().await, "").await;
    let url = pooler.url(server.as_postgres().name());
    let rig = rig_with_a_block(server, &url).await;
    rig.execute(WITNESS).await;
    drop(rig.run(&["check"]).await.expect_code(0));
    let id = rig.request_block().await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
    assert_eq!(rig.rows("select * from witness").await, ["on|off"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pooler_that_shares_sessions_is_refused_before_a_setting_reaches_others() {
    let server = Server::postgres().await;
    let pooler = Pgbouncer::before(Postgres::shared().await, "pool_mode = transaction").await;
    let url = pooler.url(server.as_postgres().name());
    let rig = rig_with_a_block(server, &url).await;
    let refused = rig.run(&["check"]).await.expect_code(1).stderr;
    assert!(refused.contains("it must work in session mode"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_database_is_refused_and_used_once_it_is_not() {
    let server = Server::postgres().await;
    let url = server.url().to_owned();
    let rig = rig_with_a_block(server, &url).await;
    let id = rig.request_block().await;
    let name = rig.server.as_postgres().name().to_owned();
    rig.execute(&format!("alter database {name} set default_transaction_read_only = on")).await;
    for command in [&["check"][..], &["run", "--until-idle"], &["status"]] {
        let refused = rig.run(command).await.expect_code(1).stderr;
        assert!(refused.contains("the database is read-only"), "{refused}");
    }
    let restore =
        format!("set default_transaction_read_only = off; alter database {name} reset default_transaction_read_only");
    rig.execute(&restore).await;
    rig.work().await;
    assert_eq!(rig.state(&id).await, "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standby_is_refused_as_such() {
    let mut server = Postgres::start_dedicated().await;
    let db = TestDb::on(&server).await;
    let url = db.url().to_owned();
    let rig = rig_with_a_block(Server::Postgres(db), &url).await;
    server.stop_immediate().await;
    server.start_as_standby().await;
    for command in [&["check"][..], &["run", "--until-idle"], &["status"]] {
        let refused = rig.run(command).await.expect_code(1).stderr;
        assert!(refused.contains("the server is a standby (in recovery); connect to the primary"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_is_down_is_said_to_refuse_the_connection_at_once() {
    let mut server = Postgres::start_dedicated().await;
    let db = TestDb::on(&server).await;
    let url = db.url().to_owned();
    let rig = rig_with_a_block(Server::Postgres(db), &url).await;
    server.stop_immediate().await;
    let refused = rig.run(&["status"]).await.expect_code(1).stderr;
    assert!(refused.contains("onnection refused"), "{refused}");
}
