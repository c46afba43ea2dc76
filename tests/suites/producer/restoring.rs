use sea_orm::{EntityTrait, IntoActiveModel};
use sexton_producer::{BatchId, DeletionId, Error, Request, RestoreError, prelude::*};

use super::{
    entities::{block, insert_block, insert_blocks, insert_member, member},
    fixture::Fixture,
};
use crate::rig::on_both;

on_both!(
    restored_row_is_live_again,
    restored_status_is_the_one_before,
    row_can_be_removed_again_after_a_restore,
    restore_in_a_transaction_that_rolls_back_changes_nothing,
    restore_after_the_first_external_call_is_refused,
    restore_of_an_unknown_deletion_is_refused,
    row_is_restored_by_its_model_or_id,
    row_that_was_not_removed_is_not_restored,
    batch_of_several_calls_is_restored_as_a_whole,
    batch_that_is_too_far_stays_removed_as_a_whole,
    active_model_without_its_key_is_refused,
);

async fn restored_row_is_live_again(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    let producer = fixture.producer().await;
    let requested = block.soft_remove(&producer).await.unwrap();
    let restored = producer.restore(requested.id).await.unwrap();
    assert!(restored.row_restored);
    assert_eq!((restored.resource.as_str(), restored.key.as_str()), ("block", "1"));
    assert_eq!(fixture.ledger().await, ["block|1|cancelled"]);
    assert_eq!(block::Entity::find().live(&producer).unwrap().all(&fixture.conn).await.unwrap(), [block]);
}

async fn restored_status_is_the_one_before(fixture: Fixture) {
    let member = insert_member(&fixture.conn, uuid::Uuid::from_u128(1), "ada").await;
    fixture.execute("update member set status = 'active'").await;
    let producer = fixture.producer().await;
    let requested = member.soft_remove(&producer).await.unwrap();
    assert_eq!(fixture.query("select status from member").await, ["gone"]);
    producer.restore(requested.id).await.unwrap();
    assert_eq!(fixture.query("select status from member").await, ["active"]);
    assert_eq!(member::Entity::find().live(&producer).unwrap().all(&fixture.conn).await.unwrap(), [member]);
}

async fn row_can_be_removed_again_after_a_restore(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    let producer = fixture.producer().await;
    let first = block.soft_remove(&producer).await.unwrap();
    producer.restore(first.id).await.unwrap();
    let second = block.soft_remove(&producer).await.unwrap();
    assert!(second.created && second.id != first.id);
    assert_eq!(fixture.marked().await, ["1"]);
}

async fn restore_in_a_transaction_that_rolls_back_changes_nothing(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    let producer = fixture.producer().await;
    let requested = block.soft_remove(&producer).await.unwrap();
    let transaction = producer.begin().await.unwrap();
    transaction.restore(requested.id).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(fixture.marked().await, ["1"]);
    assert_eq!(fixture.ledger().await, ["block|1|pending"]);
}

async fn restore_after_the_first_external_call_is_refused(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 1, None).await;
    let producer = fixture.producer().await;
    let requested = block.soft_remove(&producer).await.unwrap();
    fixture.execute("update sexton_deletion set called_at = '2026-01-31T10:00:00.000Z'").await;
    let error = producer.restore(requested.id).await.unwrap_err();
    assert!(matches!(error, Error::Restore(RestoreError::TooLate { .. })));
    assert!(error.to_string().contains("first external call was made at 2026-01-31T10:00:00.000Z"), "{error}");
    assert_eq!(fixture.marked().await, ["1"]);
    assert_eq!(fixture.ledger().await, ["block|1|pending"]);
}

async fn restore_of_an_unknown_deletion_is_refused(fixture: Fixture) {
    let id = DeletionId::new();
    let error = fixture.producer().await.restore(id).await.unwrap_err();
    assert!(matches!(error, Error::Restore(RestoreError::NotFound(unknown)) if unknown == id), "{error}");
}

async fn row_is_restored_by_its_model_or_id(fixture: Fixture) {
    let producer = fixture.producer().await;
    let block = insert_block(&fixture.conn, 1, None).await;
    let member = insert_member(&fixture.conn, uuid::Uuid::from_u128(0xAB), "ada \"the first\"").await;
    let id = (member.tenant_id, member.name.clone());
    let removed = [block.soft_remove(&producer).await.unwrap(), member.soft_remove(&producer).await.unwrap()];
    let restored = [block.restore(&producer).await.unwrap(), member.restore(&producer).await.unwrap()];
    assert_eq!(restored.each_ref().map(|one| one.id), removed.each_ref().map(|one| one.id));
    assert!(restored.iter().all(|one| one.row_restored));

    block.clone().into_active_model().soft_remove(&producer).await.unwrap();
    member::Entity::soft_remove_by_id(id.clone(), &producer).await.unwrap();
    assert!(block.into_active_model().restore(&producer).await.unwrap().row_restored);
    assert!(member::Entity::restore_by_id(id, &producer).await.unwrap().row_restored);
    assert!(fixture.marked().await.is_empty());
}

async fn row_that_was_not_removed_is_not_restored(fixture: Fixture) {
    let block = insert_block(&fixture.conn, 7, None).await;
    let producer = fixture.producer().await;
    let never = block.restore(&producer).await.unwrap_err();
    assert_eq!(never.to_string(), "no deletion of the row with key 7 in table `block` is known (resource `block`)");
    block.soft_remove(&producer).await.unwrap();
    block.restore(&producer).await.unwrap();
    let again = block.restore(&producer).await.unwrap_err();
    assert!(matches!(again, Error::Restore(RestoreError::TooLate { .. })), "{again}");
}

async fn batch_of_several_calls_is_restored_as_a_whole(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 4).await;
    let batch = BatchId::new();
    let producer = fixture.producer().await;
    let closing = producer.with(Request::by("alice").batch(batch));
    blocks[0].soft_remove(&closing).await.unwrap();
    blocks[1..3].soft_remove_all(&closing).await.unwrap();
    blocks[3].soft_remove(&producer).await.unwrap();
    assert_eq!(producer.restore_batch(batch).await.unwrap().len(), 3);
    assert_eq!(fixture.marked().await, ["4"]);
}

async fn batch_that_is_too_far_stays_removed_as_a_whole(fixture: Fixture) {
    let blocks = insert_blocks(&fixture.conn, 3).await;
    let batch = BatchId::new();
    let producer = fixture.producer().await;
    blocks.soft_remove_all(&producer.with(Request::by("alice").batch(batch))).await.unwrap();
    fixture.execute("update sexton_deletion set called_at = '2026-01-31T10:00:00.000Z' where key = '3'").await;
    let error = producer.restore_batch(batch).await.unwrap_err();
    assert!(matches!(error, Error::Restore(RestoreError::TooLate { .. })), "{error}");
    assert_eq!(fixture.marked().await, ["1", "2", "3"]);
}

async fn active_model_without_its_key_is_refused(fixture: Fixture) {
    let nothing = <block::ActiveModel as sea_orm::ActiveModelTrait>::default();
    let error = nothing.soft_remove(&fixture.producer().await).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `id` of a row of resource `block` is not set, which cannot be part of a key: \
         expected an integer, a UUID or text"
    );
}
