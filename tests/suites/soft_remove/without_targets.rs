//! Resources without targets: their rows are deleted in phase 1.

use std::time::Duration;

use sexton_core::{
    soft_remove::{DeletionRequest, soft_remove},
    state::State,
};

use crate::rig::{
    Server,
    ledger::{Fixture, schema},
    on_both,
};

on_both!(
    row_with_nothing_to_call_goes_in_the_transaction_that_asks,
    rollback_brings_the_row_back_and_leaves_no_proof,
    row_with_a_grace_waits_for_it,
    row_that_stays_is_left_to_a_worker,
    foreign_key_that_forbids_it_is_the_callers_error,
);

const CONFIG: &str = r#"
[resources.block]
table = "block"
key = "id"
marker = { column = "deleted_at" }
marker_when = [{ column = "kind", equals = "T", marker = { column = "item_status", value = "Deleted" }, then = "keep" }]
"#;

/// The fixture's tables, but no targets.
async fn without_targets(f: Fixture) -> Fixture {
    let tables = if f.is_postgres() { schema::POSTGRES } else { schema::SQLITE };
    let server = if f.is_postgres() { Server::postgres().await } else { Server::sqlite().await };
    Fixture::with(server, tables, CONFIG).await
}

async fn row_with_nothing_to_call_goes_in_the_transaction_that_asks(f: Fixture) {
    let f = without_targets(f).await;
    f.blocks(3).await;
    let requested = f.request("block", &["1", "3", "9"]).await;
    assert!(requested.iter().all(|one| one.created && one.state == State::Completed && !one.due), "{requested:?}");
    assert_eq!(f.rows("select id from block").await, ["2"]);
    assert_eq!(f.deletions().await, [""; 0]);
    let proof = "select key, state, row_outcome, requested_by from sexton_deletion_done order by key";
    assert_eq!(f.rows(proof).await, ["1|completed|deleted|test", "3|completed|deleted|test"]);
}

async fn rollback_brings_the_row_back_and_leaves_no_proof(f: Fixture) {
    let f = without_targets(f).await;
    f.blocks(1).await;
    let table = f.table("block");
    let keys = [table.parse_key("1").unwrap()];
    let transaction = f.begin().await;
    soft_remove(&transaction, &f.store, &table, &keys, &DeletionRequest::by("test")).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(f.one("select count(*) from block where deleted_at is null").await, "1");
    assert_eq!(f.one("select count(*) from sexton_deletion_done").await, "0");
}

async fn row_with_a_grace_waits_for_it(f: Fixture) {
    let f = without_targets(f).await;
    f.blocks(1).await;
    let table = f.table("block");
    let keys = [table.parse_key("1").unwrap()];
    let mut request = DeletionRequest::by("test");
    request.after = Duration::from_secs(60);
    let transaction = f.begin().await;
    let requested = soft_remove(&transaction, &f.store, &table, &keys, &request).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(requested[0].state, State::Pending);
    assert_eq!(f.one("select count(*) from block where deleted_at is not null").await, "1");
    // A second request without a delay gives the same deletion, with its grace.
    assert_eq!(f.request_one("block", "1").await.state, State::Pending);
    assert_eq!(f.deletions().await, ["1|pending|0|0|0"]);
}

async fn row_that_stays_is_left_to_a_worker(f: Fixture) {
    let f = without_targets(f).await;
    f.execute("insert into block (id, kind, item_status) values (1, 'T', 'Active')").await;
    assert_eq!(f.request_one("block", "1").await.state, State::Pending);
    assert_eq!(f.one("select item_status from block").await, "Deleted");
}

async fn foreign_key_that_forbids_it_is_the_callers_error(f: Fixture) {
    let f = without_targets(f).await;
    f.blocks(1).await;
    f.execute("create table remark (block_id bigint not null references block (id))").await;
    f.execute("insert into remark values (1)").await;
    let error = f.try_request("block", &["1"]).await.unwrap_err();
    assert!(error.refusal().is_some_and(|refusal| refusal.is_foreign_key()), "{error}");
    assert_eq!(f.one("select count(*) from block where deleted_at is null").await, "1");
    assert_eq!(f.deletions().await, [""; 0]);
}
