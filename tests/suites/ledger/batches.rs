//! Requests as a whole: restored all or not at all.

use sexton_core::{
    ids::BatchId,
    restore::{Error as RestoreError, MarkedRows, Restored, restore_batch},
    soft_remove::{DeletionRequest, soft_remove},
};

use crate::rig::{ledger::Fixture, on_both};

on_both!(
    whole_request_is_restored,
    request_of_which_one_was_called_for_is_not_restored_at_all,
    rows_of_another_request_stay_removed,
);

async fn request(f: &Fixture, keys: &[&str]) -> BatchId {
    let table = f.table("block");
    let keys: Vec<_> = keys.iter().map(|key| table.parse_key(key).unwrap()).collect();
    let request = DeletionRequest::by("test");
    let transaction = f.begin().await;
    soft_remove(&transaction, &f.store, &table, &keys, &request).await.unwrap();
    transaction.commit().await.unwrap();
    request.batch
}

async fn try_restore(f: &Fixture, batch: BatchId) -> Result<Vec<Restored>, RestoreError> {
    let transaction = f.begin().await;
    let restored = restore_batch(&transaction, &f.store, batch, MarkedRows::Refuse).await?;
    transaction.commit().await.map_err(sexton_core::db::Error::from)?;
    Ok(restored)
}

async fn live(f: &Fixture) -> Vec<String> {
    f.rows("select id from block where deleted_at is null order by id").await
}

async fn whole_request_is_restored(f: Fixture) {
    f.blocks(3).await;
    let batch = request(&f, &["1", "2", "3"]).await;
    let restored = try_restore(&f, batch).await.unwrap();
    assert_eq!(restored.iter().filter(|one| one.row_restored).count(), 3);
    assert_eq!(live(&f).await, ["1", "2", "3"]);
    assert!(
        matches!(try_restore(&f, batch).await, Err(RestoreError::NothingInBatch(_))),
        "there is nothing left to restore"
    );
}

async fn request_of_which_one_was_called_for_is_not_restored_at_all(f: Fixture) {
    f.blocks(3).await;
    let batch = request(&f, &["1", "2", "3"]).await;
    let second = f.store.ledger.find(&f.store.db.conn, "block", "2").await.unwrap().unwrap();
    f.claim_one(second).await;
    let error = try_restore(&f, batch).await.unwrap_err();
    assert!(matches!(&error, RestoreError::TooLate { id, .. } if *id == second), "{error}");
    assert_eq!(live(&f).await, [""; 0]);
    assert_eq!(f.one("select count(*) from sexton_deletion").await, "3");
}

async fn rows_of_another_request_stay_removed(f: Fixture) {
    f.blocks(2).await;
    let batch = request(&f, &["1"]).await;
    request(&f, &["2"]).await;
    try_restore(&f, batch).await.unwrap();
    assert_eq!(live(&f).await, ["1"]);
}
