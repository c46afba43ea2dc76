use sea_orm::EntityTrait;
use sexton_producer::{DeletionId, Error, Removed, RestoreError};

use super::{
    bed::Bed,
    entities::{block, insert_block, insert_member, member},
};

on_both! {
    async fn restored_row_is_live_again(bed) {
        let block = insert_block(&bed.conn, 1, None).await;
        let producer = bed.producer().await;
        let requested = block.soft_remove(&producer).await.unwrap();
        let restored = producer.restore(requested.id).await.unwrap();
        assert!(restored.row_restored);
        assert_eq!((restored.resource.as_str(), restored.key.as_str()), ("block", "1"));
        assert_eq!(bed.ledger().await, ["block|1|cancelled"]);
        assert_eq!(block::Entity::find().live(&producer).unwrap().all(&bed.conn).await.unwrap(), [block]);
    }

    async fn restored_status_is_the_one_before(bed) {
        let member = insert_member(&bed.conn, uuid::Uuid::from_u128(1), "ada").await;
        bed.execute("update member set status = 'active'").await;
        let producer = bed.producer().await;
        let requested = member.soft_remove(&producer).await.unwrap();
        assert_eq!(bed.query("select status from member").await, ["gone"]);
        producer.restore(requested.id).await.unwrap();
        assert_eq!(bed.query("select status from member").await, ["active"]);
        assert_eq!(member::Entity::find().live(&producer).unwrap().all(&bed.conn).await.unwrap(), [member]);
    }

    async fn row_can_be_removed_again_after_a_restore(bed) {
        let block = insert_block(&bed.conn, 1, None).await;
        let producer = bed.producer().await;
        let first = block.soft_remove(&producer).await.unwrap();
        producer.restore(first.id).await.unwrap();
        let second = block.soft_remove(&producer).await.unwrap();
        assert!(second.created && second.id != first.id);
        assert_eq!(bed.marked().await, ["1"]);
    }

    async fn restore_in_a_transaction_that_rolls_back_changes_nothing(bed) {
        let block = insert_block(&bed.conn, 1, None).await;
        let producer = bed.producer().await;
        let requested = block.soft_remove(&producer).await.unwrap();
        let transaction = producer.begin().await.unwrap();
        transaction.restore(requested.id).await.unwrap();
        transaction.rollback().await.unwrap();
        assert_eq!(bed.marked().await, ["1"]);
        assert_eq!(bed.ledger().await, ["block|1|pending"]);
    }

    async fn restore_after_the_first_external_call_is_refused(bed) {
        let block = insert_block(&bed.conn, 1, None).await;
        let producer = bed.producer().await;
        let requested = block.soft_remove(&producer).await.unwrap();
        bed.execute("update sexton_deletion set called_at = '2026-01-31T10:00:00.000Z'").await;
        let error = producer.restore(requested.id).await.unwrap_err();
        assert!(matches!(error, Error::Restore(RestoreError::TooLate { .. })));
        assert!(error.to_string().contains("first external call was made at 2026-01-31T10:00:00.000Z"), "{error}");
        assert_eq!(bed.marked().await, ["1"]);
        assert_eq!(bed.ledger().await, ["block|1|pending"]);
    }

    async fn restore_of_an_unknown_deletion_is_refused(bed) {
        let id = DeletionId::new();
        let error = bed.producer().await.restore(id).await.unwrap_err();
        assert!(matches!(error, Error::Restore(RestoreError::NotFound(unknown)) if unknown == id), "{error}");
    }
}
