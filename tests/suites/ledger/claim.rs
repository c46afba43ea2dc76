//! Claiming: which worker gets which deletion, and when.

use std::{collections::HashSet, sync::Arc, time::Duration};

use sexton_core::{
    ids::Fence,
    ledger::{Candidates, Claim, ClaimRequest},
    state::Event,
};

use crate::rig::{
    ledger::{Fixture, ME, claim_by_me, lane, settlement},
    on_both,
};

on_both!(
    claimed_deletion_is_running_under_the_next_fence,
    what_is_not_due_is_not_claimed,
    what_is_not_pending_is_not_claimed,
    concurrent_claimers_never_get_the_same_deletion,
    only_the_given_lanes_are_claimed,
    lanes_with_something_due_share_equally,
    no_more_than_the_limit_is_claimed_of_many_lanes,
    at_most_one_rescued_deletion_is_claimed,
    only_the_first_claim_is_uncalled,
    overdue_claims_leave_fresh_deletions_alone,
    removal_phase_is_claimed_without_a_call_being_noted,
);

const DUE: Candidates<'_> = Candidates::Due { limit: 100, overdue: Duration::ZERO };

fn keys(claims: &[Claim]) -> Vec<&str> {
    let mut keys: Vec<_> = claims.iter().map(|claim| claim.key.as_str()).collect();
    keys.sort_unstable();
    keys
}

async fn claimed_deletion_is_running_under_the_next_fence(f: Fixture) {
    f.blocks(1).await;
    let id = f.request_one("block", "1").await.id;
    let claim = f.claim_one(id).await;
    assert_eq!((claim.id, claim.fence, claim.attempts, claim.rescues), (id, Fence(1), 1, 0));
    assert_eq!((claim.resource.as_str(), claim.key.as_str(), claim.marker_rule), ("block", "1", Some(1)));
    assert_eq!(claim.targets, ["calendar", "other"]);
    assert_eq!(claim.payload["gcal_id"].as_deref(), Some("g1"));
    assert!(claim.age < Duration::from_secs(60) && claim.uncalled);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(now.abs_diff(u128::try_from(claim.claimed_at_ms).unwrap()) < 600_000);
    assert_eq!(f.deletions().await, ["1|running|1|1|0"]);
    let columns = "select worker, lease_until > run_at, called_at is not null, first_attempt_at is not null";
    let truth = if f.is_postgres() { "t" } else { "1" };
    assert_eq!(f.one(&format!("{columns} from sexton_deletion")).await, format!("{ME}|{truth}|{truth}|{truth}"));
}

async fn what_is_not_due_is_not_claimed(f: Fixture) {
    f.execute("insert into flag (id) values (1), (2)").await;
    let requested = f.request_one("flag", "1").await;
    // Beside it in its lane, one that is due.
    let due = f.request_one("flag", "2").await.id;
    f.execute(&format!("update sexton_deletion set run_at = requested_at where id = '{due}'")).await;
    assert_eq!(f.claim(DUE).await.iter().map(|claim| claim.id).collect::<Vec<_>>(), [due]);
    assert!(!requested.due);
    assert!(f.claim(Candidates::Hinted(&[requested.id])).await.is_empty());
    assert!(f.claim(DUE).await.is_empty());
    f.execute("update sexton_deletion set run_at = requested_at").await;
    assert_eq!(f.claim(DUE).await.len(), 1);
}

async fn what_is_not_pending_is_not_claimed(f: Fixture) {
    let claim = f.claimed_block().await;
    assert!(f.claim(Candidates::Hinted(&[claim.id])).await.is_empty());
    assert!(f.claim(DUE).await.is_empty());
    f.kill(&claim, Default::default()).await;
    assert!(f.claim(Candidates::Hinted(&[claim.id])).await.is_empty());
}

async fn concurrent_claimers_never_get_the_same_deletion(f: Fixture) {
    f.blocks(500).await;
    let all: Vec<String> = (1..=500).map(|n| n.to_string()).collect();
    let ids: Vec<_> =
        f.request("block", &all.iter().map(String::as_str).collect::<Vec<_>>()).await.iter().map(|r| r.id).collect();
    let (f, ids) = (Arc::new(f), Arc::new(ids));
    let claimers = (0..8_usize).map(|n| {
        let (f, ids) = (Arc::clone(&f), Arc::clone(&ids));
        tokio::spawn(async move {
            let mut mine = Vec::new();
            // Half of them follow the same hints, the others take what is due, until nothing is left.
            for hints in ids.chunks(25) {
                if n % 2 == 0 {
                    mine.extend(f.claim(Candidates::Hinted(hints)).await);
                } else {
                    mine.extend(f.claim(Candidates::Due { limit: 25, overdue: Duration::ZERO }).await);
                }
            }
            mine
        })
    });
    let mut claimed = Vec::new();
    for claimer in futures::future::join_all(claimers).await {
        claimed.extend(claimer.unwrap().into_iter().map(|claim| claim.id));
    }
    assert_eq!(claimed.len(), claimed.iter().collect::<HashSet<_>>().len(), "something was claimed twice");
    claimed.extend(f.claim(Candidates::Hinted(&ids)).await.iter().map(|claim| claim.id));
    assert_eq!(claimed.len(), 500);
    assert_eq!(f.one("select max(fence), min(fence), count(*) from sexton_deletion").await, "1|1|500");
}

async fn only_the_given_lanes_are_claimed(f: Fixture) {
    f.blocks(2).await;
    let ids: Vec<_> = f.request("block", &["1", "2"]).await.iter().map(|r| r.id).collect();
    f.execute("update sexton_deletion set lane = 'block.other' where key = '2'").await;
    let lanes = ["block.other", "block"].map(lane);
    let claims = f.store.ledger.claim(&f.store.db, claim_by_me(Candidates::Hinted(&ids), &lanes)).await.unwrap();
    assert_eq!(keys(&claims), ["2"]);
    assert!(f.store.ledger.claim(&f.store.db, claim_by_me(DUE, &lanes)).await.unwrap().is_empty());
    assert!(f.store.ledger.claim(&f.store.db, claim_by_me(DUE, &[])).await.unwrap().is_empty());
    assert_eq!(keys(&f.claim(DUE).await), ["1"]);
}

async fn lanes_with_something_due_share_equally(f: Fixture) {
    f.blocks(60).await;
    let all: Vec<String> = (1..=60).map(|n| n.to_string()).collect();
    f.request("block", &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    f.execute("update sexton_deletion set lane = 'block.other' where cast(key as integer) > 40").await;
    let claims = f.claim(Candidates::Due { limit: 20, overdue: Duration::ZERO }).await;
    let other = claims.iter().filter(|claim| claim.key.parse::<u32>().unwrap() > 40).count();
    // There are seven more lanes, but they have nothing to share.
    assert_eq!((claims.len(), other), (20, 10));
}

async fn no_more_than_the_limit_is_claimed_of_many_lanes(f: Fixture) {
    f.blocks(40).await;
    let all: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    f.request("block", &all.iter().map(String::as_str).collect::<Vec<_>>()).await;
    f.execute("update sexton_deletion set lane = 'lane' || cast(cast(key as integer) % 10 as text)").await;
    let lanes: Vec<_> = (0..10).map(|n| lane(&format!("lane{n}"))).collect();
    let limit = Candidates::Due { limit: 4, overdue: Duration::ZERO };
    let mut claimed = HashSet::new();
    for _ in 0..20 {
        let claims = f.store.ledger.claim(&f.store.db, claim_by_me(limit, &lanes)).await.unwrap();
        assert!(claims.len() <= 4);
        claimed.extend(claims.iter().map(|claim| claim.id));
    }
    assert_eq!(claimed.len(), 40);
}

async fn at_most_one_rescued_deletion_is_claimed(f: Fixture) {
    f.blocks(5).await;
    let ids: Vec<_> = f.request("block", &["1", "2", "3", "4", "5"]).await.iter().map(|r| r.id).collect();
    f.execute("update sexton_deletion set rescues = 1 where key in ('1', '2', '3')").await;
    let lanes = f.store.catalog.lanes();
    for pick in [Candidates::Hinted(&ids), DUE] {
        let rescued = f.store.ledger.claim(&f.store.db, claim_by_me(pick, &lanes)).await.unwrap();
        assert_eq!(rescued.iter().filter(|claim| claim.rescues > 0).count(), 1);
        let unrescued = ClaimRequest { with_rescued: false, ..claim_by_me(pick, &lanes) };
        assert!(f.store.ledger.claim(&f.store.db, unrescued).await.unwrap().is_empty());
    }
    assert_eq!(f.one("select count(*) from sexton_deletion where state = 'pending'").await, "1");
}

async fn only_the_first_claim_is_uncalled(f: Fixture) {
    let claim = f.claimed_block().await;
    assert!(claim.uncalled);
    assert!(f.settle(settlement(&claim, Event::Failed)).await);
    let again = f.claim_one(claim.id).await;
    assert!(!again.uncalled);
    assert_eq!((again.fence, again.attempts), (Fence(2), 2));
}

async fn overdue_claims_leave_fresh_deletions_alone(f: Fixture) {
    f.blocks(1).await;
    f.request_one("block", "1").await;
    let overdue = Candidates::Due { limit: 10, overdue: Duration::from_secs(300) };
    assert!(f.claim(overdue).await.is_empty());
    f.execute("update sexton_deletion set run_at = '2026-01-01T00:00:00.000Z'").await;
    assert_eq!(f.claim(overdue).await.len(), 1);
}

async fn removal_phase_is_claimed_without_a_call_being_noted(f: Fixture) {
    f.blocks(1).await;
    let id = f.request_one("block", "1").await.id;
    f.execute("update sexton_deletion set phase = 'remove'").await;
    let claim = f.claim_one(id).await;
    assert_eq!(claim.phase, sexton_core::ledger::Phase::HardDelete);
    assert_eq!(f.one("select called_at from sexton_deletion").await, "-");
}

#[tokio::test]
async fn locked_deletions_are_passed_over_without_waiting() {
    let f = Fixture::postgres().await;
    f.blocks(3).await;
    let ids: Vec<_> = f.request("block", &["1", "2", "3"]).await.iter().map(|r| r.id).collect();
    let holder = f.begin().await;
    sea_orm::ConnectionTrait::execute_unprepared(
        &holder,
        "select 1 from public.sexton_deletion where key = '2' for update",
    )
    .await
    .unwrap();
    assert_eq!(keys(&f.claim(Candidates::Hinted(&ids)).await), ["1", "3"]);
    assert!(f.claim(DUE).await.is_empty());
    holder.rollback().await.unwrap();
    assert_eq!(keys(&f.claim(DUE).await), ["2"]);
}
