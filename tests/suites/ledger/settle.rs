//! Writing back: retry, snooze, dead letter, and what a stale fence may do (nothing).

use std::time::Duration;

use sexton_core::{
    ids::Fence,
    ledger::{FailedAttempt, LastError, Lease, Operator, Settlement},
    outcome::DeadKind,
    state::{Event, State},
};

use crate::rig::{
    ledger::{Fixture, ME, confirmed, lane, settlement},
    on_both,
};

on_both!(
    retry_is_due_after_its_delay_and_keeps_what_was_learnt,
    snooze_gives_the_attempt_back_and_never_lowers_the_fence,
    uncalled_snooze_is_restorable_again,
    death_is_recorded_with_its_kind,
    endless_delay_is_cut_to_what_the_database_can_hold,
    stale_fence_writes_nothing,
    settlements_of_a_batch_are_written_or_refused_one_by_one,
    leases_are_renewed_only_under_their_fence,
    illegal_rows_are_refused_by_the_database,
);

fn failed_attempt(target: &str) -> FailedAttempt {
    FailedAttempt {
        target: target.to_owned(),
        outcome: "retry".to_owned(),
        status: Some(503),
        reason: "http_503".to_owned(),
        duration: Duration::from_millis(12),
    }
}

async fn retry_is_due_after_its_delay_and_keeps_what_was_learnt(f: Fixture) {
    let claim = f.claimed_block().await;
    let failed = Settlement {
        delay: Duration::from_secs(100),
        lane: lane("block.other"),
        confirmations: confirmed(&["calendar"]),
        payload: Some([("gcal_id".to_owned(), Some("ü\"'\\\u{1}".to_owned())), ("kind".to_owned(), None)].into()),
        error: Some(LastError { class: "retry".to_owned(), text: "other: http_503".to_owned() }),
        attempt: Some(failed_attempt("other")),
        ..settlement(&claim, Event::Failed)
    };
    assert!(f.settle(failed).await);
    assert_eq!(f.deletions().await, ["1|pending|1|1|0"]);
    let due = f.store.ledger.next_due_in(&f.store.db, &[lane("block.other")]).await.unwrap().unwrap();
    assert!(due > Duration::from_secs(90) && due <= Duration::from_secs(100), "{due:?}");
    let record = f.store.ledger.record(&f.store.db.conn, claim.id).await.unwrap().unwrap();
    assert_eq!((record.worker, record.lease_until, record.lane), (None, None, Some(lane("block.other"))));
    assert_eq!(
        (record.last_error_kind.as_deref(), record.last_error.as_deref()),
        (Some("retry"), Some("other: http_503"))
    );
    let attempt = &record.failed_attempts[0];
    assert_eq!(
        (attempt.fence, attempt.target.as_str(), attempt.status, attempt.duration_ms),
        (1, "other", Some(503), 12)
    );
    assert_eq!((attempt.outcome.as_str(), attempt.reason.as_str(), attempt.worker.as_str()), ("retry", "http_503", ME));
    f.execute("update sexton_deletion set run_at = requested_at").await;
    let again = f.claim_one(claim.id).await;
    assert_eq!(again.confirmations, confirmed(&["calendar"]));
    assert_eq!(again.payload["gcal_id"].as_deref(), Some("ü\"'\\\u{1}"));
    assert_eq!((again.payload.len(), &again.payload["kind"]), (2, &None));
    // Without an error the last one stays.
    assert!(f.settle(settlement(&again, Event::Failed)).await);
    assert_eq!(f.one("select last_error_kind from sexton_deletion").await, "retry");
}

async fn snooze_gives_the_attempt_back_and_never_lowers_the_fence(f: Fixture) {
    let claim = f.claimed_block().await;
    f.execute("update sexton_deletion set rescues = 2").await;
    let snooze = Settlement { give_back: true, ..settlement(&claim, Event::Snoozed) };
    assert!(f.settle(snooze.clone()).await);
    assert_eq!(f.deletions().await, ["1|pending|1|0|2"]);
    let again = f.claim_one(claim.id).await;
    assert_eq!((again.fence, again.attempts), (Fence(2), 1));
    assert!(!f.settle(snooze).await, "the snoozed claim's fence is stale");
    assert!(f.settle(settlement(&again, Event::Failed)).await);
    // An attempt that was made ends the series of rescues.
    assert_eq!(f.deletions().await, ["1|pending|2|1|0"]);
}

async fn uncalled_snooze_is_restorable_again(f: Fixture) {
    let claim = f.claimed_block().await;
    assert!(f.settle(Settlement { give_back: true, uncalled: true, ..settlement(&claim, Event::Snoozed) }).await);
    assert_eq!(f.one("select called_at from sexton_deletion").await, "-");
    assert!(f.claim_one(claim.id).await.uncalled);
}

async fn death_is_recorded_with_its_kind(f: Fixture) {
    let claim = f.claimed_block().await;
    for kind in DeadKind::ALL {
        let dead = Settlement { dead: Some(kind), ..settlement(&claim, Event::Died) };
        assert!(f.settle(Settlement { attempt: Some(failed_attempt("calendar")), ..dead }).await);
        let record = f.store.ledger.record(&f.store.db.conn, claim.id).await.unwrap().unwrap();
        assert_eq!((record.state, record.dead_kind.as_deref()), (State::Dead, Some(kind.as_str())));
        assert!(record.dead_at.is_some());
        f.execute("update sexton_deletion set state = 'running', lease_until = run_at, worker = 'x', dead_at = null, dead_kind = null").await;
    }
    // The same claim's attempt at the same target is one record.
    assert_eq!(f.one("select count(*) from sexton_attempt").await, "1");
}

async fn endless_delay_is_cut_to_what_the_database_can_hold(f: Fixture) {
    let claim = f.claimed_block().await;
    assert!(f.settle(Settlement { delay: Duration::MAX, ..settlement(&claim, Event::Snoozed) }).await);
    let due = f.store.ledger.next_due_in(&f.store.db, &f.store.catalog.lanes()).await.unwrap().unwrap();
    assert!(due > Duration::from_secs(90 * 365 * 86_400), "{due:?}");
}

async fn stale_fence_writes_nothing(f: Fixture) {
    let stale = f.claimed_block().await;
    let write = || Settlement {
        attempt: Some(failed_attempt("calendar")),
        error: Some(LastError { class: "stale".to_owned(), text: "stale".to_owned() }),
        ..settlement(&stale, Event::Failed)
    };
    let untouched = async |state: &str| {
        let before = f.rows("select * from sexton_deletion").await;
        assert!(!f.settle(write()).await, "{state}");
        assert_eq!(f.rows("select * from sexton_deletion").await, before, "{state}");
        assert_eq!(f.one("select count(*) from sexton_attempt").await, "0", "{state}");
    };
    f.execute("update sexton_deletion set lease_until = requested_at").await;
    assert_eq!(f.store.ledger.rescue(&f.store.db, 5, 10).await.unwrap().len(), 1);
    untouched("rescued").await;
    let second = f.claim_one(stale.id).await;
    untouched("claimed by another").await;
    assert!(f.settle(Settlement { give_back: true, ..settlement(&second, Event::Snoozed) }).await);
    untouched("snoozed").await;
    let third = f.claim_one(stale.id).await;
    f.kill(&third, Default::default()).await;
    untouched("dead").await;
    let operator = Operator { who: "me", reason: None };
    assert_eq!(f.store.ledger.retry_dead(&f.store.db, &[stale.id], &operator).await.unwrap(), [stale.id]);
    untouched("retried by on-call").await;
    assert_eq!(f.claim_one(stale.id).await.fence, Fence(4));
    untouched("claimed again").await;
}

async fn settlements_of_a_batch_are_written_or_refused_one_by_one(f: Fixture) {
    f.blocks(3).await;
    let ids: Vec<_> = f.request("block", &["1", "2", "3"]).await.iter().map(|r| r.id).collect();
    let claims = f.claim(sexton_core::ledger::Candidates::Hinted(&ids)).await;
    let mut batch: Vec<_> = claims.iter().map(|claim| settlement(claim, Event::Failed)).collect();
    batch[1].fence = Fence(7);
    batch[2].event = Event::Died;
    batch[2].dead = Some(DeadKind::Rejected);
    let written = f.store.ledger.settle(&f.store.db, &batch, ME).await.unwrap();
    assert!(written.contains(&batch[0].id) && !written.contains(&batch[1].id) && written.contains(&batch[2].id));
    let mut states = f.rows("select state from sexton_deletion order by state").await;
    states.sort();
    assert_eq!(states, ["dead", "pending", "running"]);
    assert!(f.store.ledger.settle(&f.store.db, &[], ME).await.unwrap().is_empty());
}

async fn leases_are_renewed_only_under_their_fence(f: Fixture) {
    let claim = f.claimed_block().await;
    f.execute("update sexton_deletion set lease_until = '2026-01-01T00:00:00.000Z'").await;
    let stale = Lease { id: claim.id, fence: Fence(claim.fence.0 + 1) };
    let lease = Duration::from_secs(60);
    assert!(f.store.ledger.renew(&f.store.db, &[stale], lease).await.unwrap().renewed.is_empty());
    assert!(f.store.ledger.renew(&f.store.db, &[], lease).await.unwrap().renewed.is_empty());
    assert!(f.one("select lease_until from sexton_deletion").await.starts_with("2026-01-01"));
    assert!(f.store.ledger.renew(&f.store.db, &[claim.lease()], lease).await.unwrap().renewed.contains(&claim.id));
    assert!(!f.one("select lease_until from sexton_deletion").await.starts_with("2026-01-01"));
    assert!(f.settle(settlement(&claim, Event::Failed)).await);
    assert!(f.store.ledger.renew(&f.store.db, &[claim.lease()], lease).await.unwrap().renewed.is_empty());
}

/// A transaction of this process that deletes a row may take long. The leases of all others must not run out meanwhile.
#[tokio::test]
async fn renewal_passes_over_what_is_locked_and_does_not_call_it_lost() {
    let f = Fixture::postgres().await;
    f.blocks(2).await;
    let ids: Vec<_> = f.request("block", &["1", "2"]).await.iter().map(|r| r.id).collect();
    let claims = f.claim(sexton_core::ledger::Candidates::Hinted(&ids)).await;
    let leases: Vec<_> = claims.iter().map(sexton_core::ledger::Claim::lease).collect();
    let holder = f.begin().await;
    f.store.ledger.lock_ours(&holder, &leases[..1]).await.unwrap();
    let renewal = f.store.ledger.renew(&f.store.db, &leases, Duration::from_secs(60)).await.unwrap();
    assert_eq!(renewal.locked, [leases[0].id].into());
    assert_eq!(renewal.renewed, [leases[1].id].into());
    holder.rollback().await.unwrap();
    let renewal = f.store.ledger.renew(&f.store.db, &leases, Duration::from_secs(60)).await.unwrap();
    assert_eq!((renewal.renewed.len(), renewal.locked.len()), (2, 0));
}

async fn illegal_rows_are_refused_by_the_database(f: Fixture) {
    let claim = f.claimed_block().await;
    let refused = async |set: &str| {
        let table = if f.is_postgres() { "public.sexton_deletion" } else { "sexton_deletion" };
        let sql = format!("update {table} set {set}");
        let error = sea_orm::ConnectionTrait::execute_unprepared(&f.store.db.conn, &sql).await.unwrap_err();
        assert!(error.to_string().to_lowercase().contains("check"), "{set}: {error}");
    };
    refused("lease_until = null").await;
    refused("worker = null").await;
    refused("state = 'pending'").await;
    refused("state = 'dead'").await;
    refused("state = 'completed'").await;
    refused("phase = 'other'").await;
    refused("fence = -1").await;
    refused("dead_kind = 'poison', dead_at = run_at").await;
    f.kill(&claim, Default::default()).await;
    refused("calling = 'calendar'").await;
}
