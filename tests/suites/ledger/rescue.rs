//! Expired leases: back to work, or dead.

use sexton_core::{ids::Fence, outcome::DeadKind, state::Event};

use crate::rig::{
    ledger::{Fixture, confirmed, settlement},
    on_both,
};

on_both!(
    expired_lease_is_taken_back_and_counted,
    running_lease_is_not_touched,
    deletion_that_keeps_losing_its_worker_is_poison,
    unrepeatable_call_in_flight_has_an_unknown_outcome,
    rescue_takes_no_more_than_the_limit,
);

const EXPIRE: &str = "update sexton_deletion set lease_until = requested_at where state = 'running'";

async fn expired_lease_is_taken_back_and_counted(f: Fixture) {
    let claim = f.claimed_block().await;
    f.execute(EXPIRE).await;
    let rescued = f.store.ledger.rescue(&f.store.db, 5, 10).await.unwrap();
    assert_eq!((rescued[0].id, rescued[0].rescues, rescued[0].dead), (claim.id, 1, None));
    assert_eq!(rescued[0].resource, "block");
    // The attempt counts, since it was made. The fence is not raised; the next claim does that.
    assert_eq!(f.deletions().await, ["1|pending|1|1|1"]);
    let again = f.claim_one(claim.id).await;
    assert_eq!((again.fence, again.rescues), (Fence(2), 1));
    assert!(f.settle(settlement(&again, Event::Failed)).await);
    assert_eq!(f.deletions().await, ["1|pending|2|2|0"]);
}

async fn running_lease_is_not_touched(f: Fixture) {
    f.claimed_block().await;
    assert!(f.store.ledger.rescue(&f.store.db, 5, 10).await.unwrap().is_empty());
    assert_eq!(f.deletions().await, ["1|running|1|1|0"]);
}

async fn deletion_that_keeps_losing_its_worker_is_poison(f: Fixture) {
    let claim = f.claimed_block().await;
    for rescues in 1..=2 {
        f.execute(EXPIRE).await;
        assert_eq!(f.store.ledger.rescue(&f.store.db, 2, 10).await.unwrap()[0].rescues, rescues);
        f.claim_one(claim.id).await;
    }
    f.execute(EXPIRE).await;
    let rescued = f.store.ledger.rescue(&f.store.db, 2, 10).await.unwrap();
    assert_eq!((rescued[0].rescues, rescued[0].dead), (3, Some(DeadKind::Poison)));
    assert_eq!(f.deletions().await, ["1|dead|3|3|3"]);
    let record = f.store.ledger.record(&f.store.db.conn, claim.id).await.unwrap().unwrap();
    assert_eq!(
        (record.dead_kind.as_deref(), record.last_error_kind.as_deref()),
        (Some("poison"), Some("lease_expired"))
    );
    assert_eq!(record.last_error.as_deref(), Some("the lease of worker worker-a expired"));
}

async fn unrepeatable_call_in_flight_has_an_unknown_outcome(f: Fixture) {
    let claim = f.claimed_block().await;
    f.execute("update sexton_deletion set calling = 'calendar'").await;
    f.execute(EXPIRE).await;
    assert_eq!(f.store.ledger.rescue(&f.store.db, 5, 10).await.unwrap()[0].dead, Some(DeadKind::UnknownOutcome));
    assert_eq!(f.one("select calling, worker, lease_until from sexton_deletion").await, "-|-|-");
    assert!(!f.settle(settlement(&claim, Event::Failed)).await);
}

async fn rescue_takes_no_more_than_the_limit(f: Fixture) {
    f.blocks(30).await;
    let keys: Vec<String> = (1..=30).map(|n| n.to_string()).collect();
    let ids: Vec<_> =
        f.request("block", &keys.iter().map(String::as_str).collect::<Vec<_>>()).await.iter().map(|r| r.id).collect();
    assert_eq!(f.claim(sexton_core::ledger::Candidates::Hinted(&ids)).await.len(), 30);
    f.execute(EXPIRE).await;
    for left in [18, 6, 0] {
        assert!(f.store.ledger.rescue(&f.store.db, 5, 12).await.unwrap().len() <= 12);
        assert_eq!(f.one("select count(*) from sexton_deletion where state = 'running'").await, left.to_string());
    }
}

#[tokio::test]
async fn rescue_passes_over_what_its_worker_is_finishing() {
    let f = Fixture::postgres().await;
    let claim = f.claimed_block().await;
    f.execute(EXPIRE).await;
    let completing = f.begin().await;
    assert_eq!(f.store.ledger.lock_ours(&completing, &[claim.lease()]).await.unwrap().len(), 1);
    assert!(f.store.ledger.rescue(&f.store.db, 5, 10).await.unwrap().is_empty());
    let finish = sexton_core::ledger::Finish {
        id: claim.id,
        fence: claim.fence,
        confirmations: confirmed(&["calendar", "other"]),
        row: sexton_core::ledger::RowOutcome::Deleted,
        children: 0,
    };
    assert_eq!(f.store.ledger.finish(&completing, &[finish]).await.unwrap().len(), 1);
    completing.commit().await.unwrap();
}
