//! Rows that take longer to delete than a statement may (PostgreSQL): a cascade without an index, a slow trigger.

use crate::rig::{PATIENCE, RESOURCE, Rig, Server};

/// Room for a busy machine between the limit and the rows that are meant to be quick.
const LIMITS: &str = "[worker]\ndelete_timeout = \"1s\"\nlongest_delete = \"8s\"\n";

/// Guests go with their block by a cascade without an index, and that of block 1 takes `seconds`.
async fn slow_guest(rig: &Rig, seconds: f64) {
    rig.execute(&format!(
        "create table guest (id bigint, block_id bigint references block on delete cascade);
         insert into guest select id, id from block;
         create function doze() returns trigger language plpgsql as
         $$ begin perform pg_sleep({seconds}); return old; end $$;
         create trigger doze before delete on guest for each row when (old.block_id = 1) execute function doze()"
    ))
    .await;
}

async fn rig(blocks: usize, seconds: f64) -> Rig {
    let rig = Rig::blocks_with(Server::postgres().await, blocks, &format!("{LIMITS}{RESOURCE}")).await;
    slow_guest(&rig, seconds).await;
    rig
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_that_needs_longer_goes_alone_with_a_limit_that_grows() {
    let rig = rig(20, 2.5).await;
    let keys: Vec<_> = (1..=20).map(|n| n.to_string()).collect();
    let ids = rig.request("block", &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let daemon = rig.daemon().await;
    rig.until("select count(*) from block where id <> 1", "0").await;
    let limit = "select delete_limit_ms, last_error from sexton_deletion where delete_limit_ms > 1000";
    rig.until(limit, "4000|row: deleting it took longer than 1s; guest has no index on (block_id)").await;
    let status = rig.run(&["status"]).await.expect_code(0).stdout;
    assert!(status.contains("SLOW DELETE") && status.contains("guest has no index on (block_id)"), "{status}");
    assert_eq!(rig.settled(&ids[0]).await, "completed");
    drop(daemon);
    let record = rig.show(&ids[0]).await;
    // Alone with the common limit, alone with the next. Within the batch it had less time than it may have.
    assert_eq!(record["attempts"], 2, "{record}");
    let neighbours = "select max(attempts) from sexton_deletion_done where key <> '1'";
    assert_eq!(rig.rows(neighbours).await, ["1"], "a row in the same batch costs its neighbours no attempt");
    assert_eq!(rig.calls().len(), 20, "what is confirmed is not asked for again");
    assert!(!rig.run(&["status"]).await.stdout.contains("SLOW DELETE"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_for_which_no_limit_is_long_enough_is_dead_and_goes_once_it_is_quick() {
    let rig = rig(2, 60.0).await;
    rig.reconfigure(&format!("{}{RESOURCE}", LIMITS.replace("8s", "1s")));
    let ids = rig.request("block", &["1", "2"]).await;
    let daemon = rig.daemon().await;
    assert_eq!(rig.settled(&ids[0]).await, "dead: slow_delete");
    drop(daemon);
    let record = rig.show(&ids[0]).await;
    let why = "row: deleting it took longer than 1s; guest has no index on (block_id)";
    assert_eq!(record["last_error"], why);
    assert_eq!(rig.json(&["status", "--json"]).await[0]["slow_deletes"][0]["reason"], why);
    assert_eq!(rig.rows("select id from block").await, ["1"]);
    rig.execute("drop trigger doze on guest; create index on guest (block_id)").await;
    drop(rig.run(&["dlq", "retry", &ids[0]]).await.expect_code(0));
    rig.work().await;
    assert_eq!(rig.state(&ids[0]).await, "completed");
}

/// More children than one transaction should delete go in parts, and such a part may take long as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn part_of_very_many_children_that_takes_long_gets_the_longer_limit() {
    let child = "[[resources.block.children]]\ntable = \"note\"\ncolumn = \"block_id\"\nreferences = \"id\"\nthen = \"delete\"\n";
    let tables = "create table note (id bigint primary key, block_id bigint)";
    let server = Server::postgres().await;
    server.execute(tables).await;
    let rig = Rig::blocks_with(server, 1, &format!("{LIMITS}{RESOURCE}{child}")).await;
    rig.execute(
        "insert into note select n, 1 from generate_series(1, 1500) n;
         create function doze() returns trigger language plpgsql as
         $$ begin perform pg_sleep(0.002); return old; end $$;
         create trigger doze before delete on note for each row execute function doze()",
    )
    .await;
    let id = rig.request_block().await;
    drop(rig.sexton.run_within(PATIENCE, &["run", "--until-idle"]).await.expect_code(0));
    let record = rig.show(&id).await;
    assert_eq!((&record["state"], &record["children_deleted"]), (&"completed".into(), &1500.into()), "{record}");
    let failed = record["failed_attempts"].to_string();
    assert!(failed.contains("note has no index on"), "{failed}");
}
