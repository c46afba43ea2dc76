//! Finishing, cancelling and restoring: what moves to the finished deletions, and which of two wins.

use sexton_core::{
    ids::{DeletionId, Fence},
    ledger::{Candidates, Claim, Finish, Lease, RowOutcome},
    restore::{Error as RestoreError, MarkedRows, Restored, restore},
    state::{Cancellation, Event, State},
};

use crate::rig::{
    ledger::{Fixture, confirmed, settlement},
    on_both,
};

on_both!(
    finished_deletion_moves_with_all_its_columns,
    stale_fence_does_not_finish,
    cancelling_moves_only_what_the_event_allows,
    restored_row_gets_back_what_its_marker_held,
    restore_is_refused_once_a_call_may_have_been_made,
    restored_twice_is_too_late,
    row_that_was_marked_otherwise_is_not_touched_by_a_restore,
    request_after_a_restore_is_a_new_deletion,
);

fn finish(claim: &Claim) -> Finish {
    Finish {
        id: claim.id,
        fence: claim.fence,
        confirmations: confirmed(&["calendar", "other"]),
        row: RowOutcome::Kept,
        children: 0,
    }
}

async fn finished(f: &Fixture, finish: &Finish) -> usize {
    let transaction = f.begin().await;
    let finished = f.store.ledger.finish(&transaction, std::slice::from_ref(finish)).await.unwrap();
    transaction.commit().await.unwrap();
    finished.len()
}

pub(crate) async fn try_restore(f: &Fixture, id: DeletionId) -> Result<Restored, RestoreError> {
    let transaction = f.begin().await;
    let restored = restore(&transaction, &f.store, id, MarkedRows::Refuse).await?;
    transaction.commit().await.unwrap();
    Ok(restored)
}

async fn finished_deletion_moves_with_all_its_columns(f: Fixture) {
    let claim = f.claimed_block().await;
    f.execute(
        "update sexton_deletion set rescues = 3, attempts = 4, reason = 'why', last_error = 'e', last_error_kind = 'k',
            trace_context = 't', parent_id = batch_id",
    )
    .await;
    let columns = "id, resource, key, fence, attempts, rescues, called_at, batch_id, parent_id, marker_column,
        marker_value, targets, requested_at, requested_by, reason, last_error, last_error_kind, trace_context";
    let before = f.one(&format!("select {columns} from sexton_deletion")).await;
    assert!(!before.contains("|-|"), "a column is not tested: {before}");
    let transaction = f.begin().await;
    let unknown = Lease { id: DeletionId::new(), fence: Fence(1) };
    let ours = f.store.ledger.lock_ours(&transaction, &[claim.lease(), unknown]).await.unwrap();
    assert_eq!(ours.into_iter().collect::<Vec<_>>(), [claim.id]);
    let done = f.store.ledger.finish(&transaction, &[finish(&claim)]).await.unwrap();
    assert!(done.contains(&claim.id));
    transaction.commit().await.unwrap();
    assert_eq!(f.one(&format!("select {columns} from sexton_deletion_done")).await, before);
    assert_eq!(
        f.one("select state, cancelled_by, row_outcome, refs from sexton_deletion_done").await,
        "completed|-|kept|-"
    );
    assert!(f.deletions().await.is_empty());
    let record = f.store.ledger.record(&f.store.db.conn, claim.id).await.unwrap().unwrap();
    assert_eq!((record.state, record.confirmations), (State::Completed, confirmed(&["calendar", "other"])));
    assert!(record.finished_at.is_some());
}

async fn stale_fence_does_not_finish(f: Fixture) {
    let claim = f.claimed_block().await;
    let stale = Finish { fence: Fence(0), ..finish(&claim) };
    let transaction = f.begin().await;
    assert!(
        f.store.ledger.lock_ours(&transaction, &[Lease { id: claim.id, fence: Fence(0) }]).await.unwrap().is_empty()
    );
    transaction.commit().await.unwrap();
    assert_eq!(finished(&f, &stale).await, 0);
    assert!(f.settle(settlement(&claim, Event::Failed)).await);
    assert_eq!(finished(&f, &finish(&claim)).await, 0);
    assert_eq!(f.one("select count(*) from sexton_deletion_done").await, "0");
    let again = f.claim_one(claim.id).await;
    assert_eq!(finished(&f, &finish(&again)).await, 1);
    assert_eq!(finished(&f, &finish(&again)).await, 0);
}

async fn cancelling_moves_only_what_the_event_allows(f: Fixture) {
    let claim = f.claimed_block().await;
    for event in Cancellation::ALL {
        let transaction = f.begin().await;
        assert!(f.store.ledger.cancel(&transaction, &[claim.id], event).await.unwrap().is_empty(), "{event:?}");
        transaction.commit().await.unwrap();
    }
    f.kill(&claim, confirmed(&["calendar"])).await;
    let transaction = f.begin().await;
    assert!(f.store.ledger.cancel(&transaction, &[claim.id], Cancellation::Restored).await.unwrap().is_empty());
    assert!(
        f.store.ledger.cancel(&transaction, &[claim.id], Cancellation::Discarded).await.unwrap().contains(&claim.id)
    );
    assert!(f.store.ledger.cancel(&transaction, &[claim.id], Cancellation::Discarded).await.unwrap().is_empty());
    transaction.commit().await.unwrap();
    let done = f.one("select state, cancelled_by, row_outcome from sexton_deletion_done").await;
    assert_eq!((done.as_str(), f.deletions().await.len()), ("cancelled|discarded|-", 0));
}

async fn restored_row_gets_back_what_its_marker_held(f: Fixture) {
    f.execute("insert into block (id, kind) values (1, 'T'), (2, null); insert into flag (id) values (3)").await;
    let one = f.request_one("block", "1").await.id;
    let two = f.request_one("block", "2").await.id;
    let three = f.request_one("flag", "3").await.id;
    for id in [one, two, three] {
        assert!(try_restore(&f, id).await.unwrap().row_restored);
    }
    assert_eq!(f.rows("select item_status, deleted_at from block").await, ["Active|-", "Active|-"]);
    let live = if f.is_postgres() { "f" } else { "0" };
    assert_eq!(f.one("select removed from flag").await, live);
    assert_eq!(f.rows("select state, cancelled_by from sexton_deletion_done").await, ["cancelled|restored"; 3]);
    assert!(f.claim(Candidates::Hinted(&[one, two, three])).await.is_empty());
}

async fn restore_is_refused_once_a_call_may_have_been_made(f: Fixture) {
    let claim = f.claimed_block().await;
    let too_late = async |says: &str| {
        let error = try_restore(&f, claim.id).await.unwrap_err();
        assert!(matches!(error, RestoreError::TooLate { .. }) && error.to_string().contains(says), "{error}");
    };
    too_late("running").await;
    assert!(f.settle(settlement(&claim, Event::Failed)).await);
    too_late("first external call").await;
    let again = f.claim_one(claim.id).await;
    f.kill(&again, Default::default()).await;
    too_late("dead").await;
    assert_eq!(f.one("select count(*) from block where deleted_at is null").await, "0");
    let error = try_restore(&f, DeletionId::new()).await.unwrap_err();
    assert!(matches!(error, RestoreError::NotFound(_)), "{error}");
}

async fn restored_twice_is_too_late(f: Fixture) {
    f.blocks(1).await;
    let id = f.request_one("block", "1").await.id;
    try_restore(&f, id).await.unwrap();
    let error = try_restore(&f, id).await.unwrap_err();
    assert!(error.to_string().contains("restored already"), "{error}");
    assert_eq!(f.one("select count(*) from sexton_deletion_done").await, "1");
}

async fn row_that_was_marked_otherwise_is_not_touched_by_a_restore(f: Fixture) {
    f.blocks(2).await;
    let (one, two) = (f.request_one("block", "1").await.id, f.request_one("block", "2").await.id);
    f.execute("update block set deleted_at = '2026-01-02T00:00:00.000Z' where id = 1; delete from block where id = 2")
        .await;
    let error = try_restore(&f, one).await.unwrap_err();
    assert!(matches!(error, RestoreError::StillMarked { id, .. } if id == one), "{error}");
    assert!(error.to_string().contains("block 1"), "{error}");
    assert!(!try_restore(&f, two).await.unwrap().row_restored);
    assert!(f.one("select deleted_at from block").await.starts_with("2026-01-02"));
    assert_eq!(f.deletions().await.len(), 1);
    f.execute("update block set deleted_at = null").await;
    assert!(!try_restore(&f, one).await.unwrap().row_restored);
    assert!(f.deletions().await.is_empty());
}

async fn request_after_a_restore_is_a_new_deletion(f: Fixture) {
    f.blocks(1).await;
    let first = f.request_one("block", "1").await.id;
    try_restore(&f, first).await.unwrap();
    let second = f.request_one("block", "1").await;
    assert!(second.created && second.id != first);
    try_restore(&f, second.id).await.unwrap();
    assert_eq!(f.one("select deleted_at from block").await, "-");
}
