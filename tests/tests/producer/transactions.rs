use sea_orm::{ActiveModelTrait, Set};
use sexton_producer::Error;

use super::{
    bed::Bed,
    entities::{insert_block, insert_blocks, stray},
};

on_both! {
    async fn removal_commits_with_the_callers_own_changes(bed) {
        let blocks = insert_blocks(&bed.conn, 3).await;
        let producer = bed.producer().await;
        let transaction = producer.begin().await.unwrap();
        stray::ActiveModel { id: Set(5) }.insert(&transaction).await.unwrap();
        let one = blocks[0].soft_remove(&transaction).await.unwrap();
        let rest = producer.soft_remove_many_in(&transaction, &blocks[1..]).await.unwrap();
        let pending = one.and(rest);
        assert_eq!(pending.ids().count(), 3);
        if bed.is_postgres() {
            assert!(bed.ledger().await.is_empty(), "seen before the commit");
        }
        transaction.commit().await.unwrap();
        producer.enqueue(pending);
        assert_eq!(bed.marked().await, ["1", "2", "3"]);
        assert_eq!(bed.ledger().await, ["block|1|pending", "block|2|pending", "block|3|pending"]);
        assert_eq!(bed.query("select id from stray").await, ["5"]);
    }

    async fn rollback_leaves_nothing(bed) {
        let blocks = insert_blocks(&bed.conn, 2).await;
        let producer = bed.producer().await;
        let transaction = producer.begin().await.unwrap();
        let one = blocks[0].soft_remove(&transaction).await.unwrap();
        let other = transaction.soft_remove_by_key("block", "2").await.unwrap();
        assert!(one.requested()[0].created && other.requested()[0].created);
        transaction.rollback().await.unwrap();
        assert!(bed.marked().await.is_empty());
        assert!(bed.ledger().await.is_empty());
    }

    async fn transaction_that_is_dropped_leaves_nothing(bed) {
        let block = insert_block(&bed.conn, 1, None).await;
        let producer = bed.producer().await;
        let transaction = producer.begin().await.unwrap();
        let pending = block.soft_remove(&transaction).await.unwrap();
        drop(transaction);
        // Telling the daemon of what never was does no harm either.
        producer.enqueue(pending);
        assert!(bed.marked().await.is_empty());
        assert!(bed.ledger().await.is_empty());
    }

    async fn transaction_survives_a_row_that_is_gone(bed) {
        let blocks = insert_blocks(&bed.conn, 2).await;
        bed.execute("delete from block where id = 1").await;
        let producer = bed.producer().await;
        let transaction = producer.begin().await.unwrap();
        let gone = blocks[0].soft_remove(&transaction).await.unwrap_err();
        assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
        let pending = blocks[1].soft_remove(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        producer.enqueue(pending);
        assert_eq!(bed.marked().await, ["2"]);
    }
}
