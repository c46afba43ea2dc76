use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set, TransactionTrait};
use sexton_producer::{Error, Producer, prelude::*};

use super::{
    entities::{block, insert_block, insert_blocks, stray},
    fixture::Fixture,
};
use crate::rig::on_both;

/// A part of an application that is handed a transaction and does not know who commits it.
async fn tidy_up(producer: &Producer, transaction: &DatabaseTransaction, blocks: &[block::Model]) -> Result<(), Error> {
    let joined = producer.join(transaction);
    blocks.soft_remove_all(&joined).await?;
    producer.enqueue(joined.into_pending());
    Ok(())
}

on_both!(
    removal_commits_with_the_callers_own_changes,
    rollback_leaves_nothing,
    transaction_that_is_dropped_leaves_nothing,
    transaction_survives_a_row_that_is_gone,
    transaction_of_the_caller_is_joined,
    part_of_a_transaction_is_rolled_back_alone,
);

async fn removal_commits_with_the_callers_own_changes(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 3).await;
    let producer = fixture.producer().await;
    let transaction = producer.begin().await.unwrap();
    stray::ActiveModel { id: Set(5) }.insert(&transaction).await.unwrap();
    blocks[0].soft_remove(&transaction).await.unwrap();
    let rest = blocks[1..].soft_remove_all(&transaction).await.unwrap();
    assert_eq!(rest.len(), 2);
    if fixture.is_postgres() {
        assert!(fixture.ledger().await.is_empty(), "seen before the commit");
    }
    transaction.commit().await.unwrap();
    assert_eq!(fixture.marked().await, ["1", "2", "3"]);
    assert_eq!(fixture.ledger().await, ["block|1|pending", "block|2|pending", "block|3|pending"]);
    assert_eq!(fixture.query("select id from stray").await, ["5"]);
}

async fn rollback_leaves_nothing(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 3).await;
    let producer = fixture.producer().await;
    let transaction = producer.begin().await.unwrap();
    let one = blocks[0].soft_remove(&transaction).await.unwrap();
    let other = transaction.soft_remove_by_key("block", "2").await.unwrap();
    let third = block::Entity::soft_remove_by_id(3, &transaction).await.unwrap();
    assert!(one.created && other.created && third.created);
    transaction.rollback().await.unwrap();
    assert!(fixture.marked().await.is_empty());
    assert!(fixture.ledger().await.is_empty());
}

async fn transaction_that_is_dropped_leaves_nothing(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    let producer = fixture.producer().await;
    let transaction = producer.begin().await.unwrap();
    block.soft_remove(&transaction).await.unwrap();
    drop(transaction);
    assert!(fixture.marked().await.is_empty());
    assert!(fixture.ledger().await.is_empty());
}

async fn transaction_survives_a_row_that_is_gone(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 2).await;
    fixture.execute("delete from block where id = 1").await;
    let producer = fixture.producer().await;
    let transaction = producer.begin().await.unwrap();
    let gone = blocks[0].soft_remove(&transaction).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    blocks[1].soft_remove(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(fixture.marked().await, ["2"]);
}

async fn transaction_of_the_caller_is_joined(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 4).await;
    let producer = fixture.producer().await;
    for (rows, commit) in [(&blocks[..2], true), (&blocks[2..], false)] {
        let theirs = fixture.conn.begin().await.unwrap();
        tidy_up(&producer, &theirs, rows).await.unwrap();
        if commit { theirs.commit().await.unwrap() } else { theirs.rollback().await.unwrap() }
    }
    assert_eq!(fixture.marked().await, ["1", "2"]);
    assert_eq!(fixture.ledger().await, ["block|1|pending", "block|2|pending"]);
}

// SeaORM's nested transactions are savepoints.
async fn part_of_a_transaction_is_rolled_back_alone(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 2).await;
    let producer = fixture.producer().await;
    let transaction = producer.begin().await.unwrap();
    blocks[0].soft_remove(&transaction).await.unwrap();
    let nested = producer.join(transaction.begin().await.unwrap());
    blocks[1].soft_remove(&nested).await.unwrap();
    nested.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(fixture.marked().await, ["1"]);
    assert_eq!(fixture.ledger().await, ["block|1|pending"]);
}

/// Web frameworks move futures between threads.
#[tokio::test]
async fn futures_can_be_spawned() {
    let fixture = Fixture::sqlite().await;
    let block = insert_block(&fixture.conn, 1, None).await;
    let producer = fixture.producer().await;
    let work = tokio::spawn(async move {
        let requested = block.soft_remove(&producer).await?;
        producer.restore(requested.id).await?;
        let transaction = producer.begin().await?;
        [block].soft_remove_all(&transaction).await?;
        transaction.commit().await?;
        block::Entity::restore_by_id(1, &producer).await?;
        block::Entity::soft_remove_many(sea_orm::Condition::all()).on_progress(|_| ()).exec(&producer).await
    });
    assert_eq!(work.await.unwrap().unwrap().requested, 1);
}
