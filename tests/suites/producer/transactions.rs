use sea_orm::{ActiveModelTrait, DatabaseTransaction, Set, TransactionTrait};
use sexton_producer::{Error, Producer, prelude::*};

use super::{
    entities::{block, insert_block, insert_blocks, stray},
    fixture::Bed,
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

async fn removal_commits_with_the_callers_own_changes(bed: Bed) {
    let blocks = insert_blocks(&bed.conn, 3).await;
    let producer = bed.producer().await;
    let transaction = producer.begin().await.unwrap();
    stray::ActiveModel { id: Set(5) }.insert(&transaction).await.unwrap();
    blocks[0].soft_remove(&transaction).await.unwrap();
    let rest = blocks[1..].soft_remove_all(&transaction).await.unwrap();
    assert_eq!(rest.len(), 2);
    if bed.is_postgres() {
        assert!(bed.ledger().await.is_empty(), "seen before the commit");
    }
    transaction.commit().await.unwrap();
    assert_eq!(bed.marked().await, ["1", "2", "3"]);
    assert_eq!(bed.ledger().await, ["block|1|pending", "block|2|pending", "block|3|pending"]);
    assert_eq!(bed.query("select id from stray").await, ["5"]);
}

async fn rollback_leaves_nothing(bed: Bed) {
    let blocks = insert_blocks(&bed.conn, 3).await;
    let producer = bed.producer().await;
    let transaction = producer.begin().await.unwrap();
    let one = blocks[0].soft_remove(&transaction).await.unwrap();
    let other = transaction.soft_remove_by_key("block", "2").await.unwrap();
    let third = block::Entity::soft_remove_by_id(3, &transaction).await.unwrap();
    assert!(one.created && other.created && third.created);
    transaction.rollback().await.unwrap();
    assert!(bed.marked().await.is_empty());
    assert!(bed.ledger().await.is_empty());
}

async fn transaction_that_is_dropped_leaves_nothing(bed: Bed) {
    let block = insert_block(&bed.conn, 1, None).await;
    let producer = bed.producer().await;
    let transaction = producer.begin().await.unwrap();
    block.soft_remove(&transaction).await.unwrap();
    drop(transaction);
    assert!(bed.marked().await.is_empty());
    assert!(bed.ledger().await.is_empty());
}

async fn transaction_survives_a_row_that_is_gone(bed: Bed) {
    let blocks = insert_blocks(&bed.conn, 2).await;
    bed.execute("delete from block where id = 1").await;
    let producer = bed.producer().await;
    let transaction = producer.begin().await.unwrap();
    let gone = blocks[0].soft_remove(&transaction).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
    blocks[1].soft_remove(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(bed.marked().await, ["2"]);
}

async fn transaction_of_the_caller_is_joined(bed: Bed) {
    let blocks = insert_blocks(&bed.conn, 4).await;
    let producer = bed.producer().await;
    for (rows, commit) in [(&blocks[..2], true), (&blocks[2..], false)] {
        let theirs = bed.conn.begin().await.unwrap();
        tidy_up(&producer, &theirs, rows).await.unwrap();
        if commit { theirs.commit().await.unwrap() } else { theirs.rollback().await.unwrap() }
    }
    assert_eq!(bed.marked().await, ["1", "2"]);
    assert_eq!(bed.ledger().await, ["block|1|pending", "block|2|pending"]);
}

// SeaORM's nested transactions are savepoints.
async fn part_of_a_transaction_is_rolled_back_alone(bed: Bed) {
    let blocks = insert_blocks(&bed.conn, 2).await;
    let producer = bed.producer().await;
    let transaction = producer.begin().await.unwrap();
    blocks[0].soft_remove(&transaction).await.unwrap();
    let nested = producer.join(transaction.begin().await.unwrap());
    blocks[1].soft_remove(&nested).await.unwrap();
    nested.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(bed.marked().await, ["1"]);
    assert_eq!(bed.ledger().await, ["block|1|pending"]);
}

/// Web frameworks move futures between threads.
#[tokio::test]
async fn futures_can_be_spawned() {
    let bed = Bed::sqlite().await;
    let block = insert_block(&bed.conn, 1, None).await;
    let producer = bed.producer().await;
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
