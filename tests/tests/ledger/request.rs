//! Phase 1: what a request marks and records.

use sexton_core::{
    removal::{Request, soft_remove},
    state::State,
};

use super::fixture::{Fixture, on_both};

on_both!(request_marks_the_row_and_records_the_deletion_in_one_transaction);

async fn request_marks_the_row_and_records_the_deletion_in_one_transaction(f: Fixture) {
    f.blocks(2).await;
    let table = f.table("block");
    let keys = [table.parse_key("1").unwrap()];
    let transaction = f.begin().await;
    let requested = soft_remove(&transaction, &f.ledger, &table, &keys, &Request::by("test")).await.unwrap();
    assert_eq!((requested[0].created, requested[0].state, requested[0].due), (true, State::Pending, true));
    transaction.rollback().await.unwrap();
    assert_eq!(f.rows("select key from sexton_deletion").await, [""; 0]);
    assert_eq!(f.one("select count(*) from block where deleted_at is not null").await, "0");
    f.request_one("block", "1").await;
    assert_eq!(f.deletions().await, ["1|pending|0|0|0"]);
    assert_eq!(f.rows("select id from block where deleted_at is not null").await, ["1"]);
}
