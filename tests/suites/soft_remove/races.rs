//! Requests, restores and claims of one row at once, in every order that a lock can force (PostgreSQL).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sexton_core::{
    ledger::Candidates,
    restore::{Error as RestoreError, MarkedRows, restore},
    soft_remove::{DeletionRequest, soft_remove},
    state::{Event, State},
};

use crate::{
    ledger::finish::try_restore,
    rig::ledger::{Fixture, confirmed, settlement},
};

#[tokio::test]
async fn request_meets_a_deletion_that_died_while_it_waited_for_the_row() {
    let f = Fixture::postgres().await;
    let claim = f.claimed_block().await;
    assert!(f.settle(settlement(&claim, Event::Failed)).await);
    let holder = f.begin().await;
    holder.execute_unprepared("update public.block set other_id = 'new' where id = 1").await.unwrap();
    let (requested, ()) = tokio::join!(f.request_one("block", "1"), async {
        f.waiting_for_locks(1).await;
        let claim = f.claim_one(claim.id).await;
        f.kill(&claim, confirmed(&["calendar", "other"])).await;
        holder.commit().await.unwrap();
    });
    // One deletion of the row, alive: not a dead one beside it.
    assert_eq!((requested.id, requested.created, requested.state), (claim.id, false, State::Pending));
    assert_eq!(f.deletions().await, ["1|pending|2|0|0"]);
    let again = f.claim_one(claim.id).await;
    assert_eq!((again.confirmations, again.payload["other_id"].as_deref()), (confirmed(&["calendar"]), Some("new")));
}

#[tokio::test]
async fn request_meets_a_deletion_that_was_recorded_and_claimed_while_it_waited() {
    let f = Fixture::postgres().await;
    f.blocks(1).await;
    let table = f.table("block");
    let keys = [table.parse_key("1").unwrap()];
    let first = f.begin().await;
    let recorded = soft_remove(&first, &f.store, &table, &keys, &DeletionRequest::by("first")).await.unwrap();
    let (second, ()) = tokio::join!(f.request_one("block", "1"), async {
        f.waiting_for_locks(1).await;
        first.commit().await.unwrap();
    });
    assert_eq!((second.id, second.created), (recorded[0].id, false));
    assert_eq!(f.deletions().await.len(), 1);
}

#[tokio::test]
async fn request_of_a_running_row_does_not_block_its_worker() {
    let f = Fixture::postgres().await;
    let claim = f.claimed_block().await;
    let table = f.table("block");
    let keys = [table.parse_key("1").unwrap()];
    let long = f.begin().await;
    soft_remove(&long, &f.store, &table, &keys, &DeletionRequest::by("test")).await.unwrap();
    let settled = tokio::time::timeout(Duration::from_secs(4), f.settle(settlement(&claim, Event::Failed))).await;
    assert_eq!(settled, Ok(true));
    long.commit().await.unwrap();
}

#[tokio::test]
async fn request_within_a_repeatable_read_transaction_is_recorded_or_refused_but_never_doubled() {
    let f = Fixture::postgres().await;
    f.blocks(2).await;
    let table = f.table("block");
    let (one, two) = ([table.parse_key("1").unwrap()], [table.parse_key("2").unwrap()]);
    let caller = f.repeatable_read().await;
    caller.execute_unprepared("select count(*) from public.block").await.unwrap();
    f.request_one("block", "1").await;
    let fresh = soft_remove(&caller, &f.store, &table, &two, &DeletionRequest::by("caller")).await.unwrap();
    assert!(fresh[0].created);
    let error = soft_remove(&caller, &f.store, &table, &one, &DeletionRequest::by("caller")).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().code, "40001");
    caller.rollback().await.unwrap();
    assert_eq!(f.deletions().await, ["1|pending|0|0|0"]);
}

#[tokio::test]
async fn restore_that_locked_first_wins_over_the_claim() {
    let f = Fixture::postgres().await;
    f.blocks(1).await;
    let id = f.request_one("block", "1").await.id;
    let restoring = f.begin().await;
    restore(&restoring, &f.store, id, MarkedRows::Refuse).await.unwrap();
    assert!(f.claim(Candidates::Hinted(&[id])).await.is_empty());
    restoring.commit().await.unwrap();
    assert!(f.claim(Candidates::Hinted(&[id])).await.is_empty());
    assert_eq!(f.one("select deleted_at from block").await, "-");
}

#[tokio::test]
async fn claim_that_locked_first_wins_over_the_restore() {
    let f = Fixture::postgres().await;
    f.blocks(1).await;
    let id = f.request_one("block", "1").await.id;
    // A claim that has not committed yet: what the statement of a claim does to the row.
    let claiming = f.begin().await;
    claiming
        .execute_unprepared(
            "update public.sexton_deletion set state = 'running', fence = 1, worker = 'w', lease_until = now(), called_at = now()",
        )
        .await
        .unwrap();
    let (restored, ()) = tokio::join!(try_restore(&f, id), async {
        f.waiting_for_locks(1).await;
        claiming.commit().await.unwrap();
    });
    assert!(matches!(restored, Err(RestoreError::TooLate { .. })), "{restored:?}");
    assert_eq!(f.one("select count(*) from block where deleted_at is null").await, "0");
    assert_eq!(f.deletions().await, ["1|running|1|0|0"]);
}

#[tokio::test]
async fn restore_and_request_of_one_row_wait_for_each_other_without_a_deadlock() {
    let f = Fixture::postgres().await;
    f.blocks(1).await;
    let id = f.request_one("block", "1").await.id;
    let application = f.begin().await;
    application.execute_unprepared("select 1 from public.block where id = 1 for update").await.unwrap();
    let (restored, requested, ()) = tokio::join!(try_restore(&f, id), f.try_request("block", &["1"]), async {
        f.waiting_for_locks(2).await;
        application.commit().await.unwrap();
    });
    assert!(restored.unwrap().row_restored);
    let requested = requested.unwrap().remove(0);
    // Either order: a refreshed deletion that was then restored, or a new one after the restore.
    let open = f.deletions().await;
    assert_eq!(open.len(), usize::from(requested.id != id), "{open:?}");
    let live = f.one("select count(*) from block where deleted_at is null").await;
    assert_eq!(live == "1", open.is_empty());
}

#[tokio::test]
async fn restore_does_not_hold_the_deletion_while_it_waits_for_the_row() {
    let f = Fixture::postgres().await;
    f.blocks(1).await;
    let id = f.request_one("block", "1").await.id;
    let table = f.table("block");
    let keys = [table.parse_key("1").unwrap()];
    let application = f.begin().await;
    application.execute_unprepared("update public.block set gcal_id = 'new' where id = 1").await.unwrap();
    let (restored, ()) = tokio::join!(try_restore(&f, id), async {
        f.waiting_for_locks(1).await;
        let requested = soft_remove(&application, &f.store, &table, &keys, &DeletionRequest::by("test")).await.unwrap();
        assert_eq!((requested[0].id, requested[0].created), (id, false));
        application.commit().await.unwrap();
    });
    assert!(restored.unwrap().row_restored);
    assert_eq!(f.one("select gcal_id, deleted_at from block").await, "new|-");
}
