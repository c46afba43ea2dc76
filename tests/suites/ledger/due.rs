//! Reading what is due: the dispatcher's pages, the time until the next, and whether there is anything left to do.

use std::time::Duration;

use sexton_core::{ledger::Settlement, state::Event};

use crate::rig::{
    ledger::{Fixture, lane, settlement},
    on_both,
};

on_both!(
    pages_of_a_lane_skip_and_repeat_nothing,
    next_due_counts_from_the_oldest_of_the_lanes,
    idle_means_nothing_is_due_without_time_passing,
);

async fn pages_of_a_lane_skip_and_repeat_nothing(f: Fixture) {
    f.blocks(57).await;
    let keys: Vec<String> = (1..=57).map(|n| n.to_string()).collect();
    f.request("block", &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // Several at the same instant, so that a page ends between them; one in another lane, one not due.
    f.execute("update sexton_deletion set run_at = '2026-01-02T00:00:00.123Z' where cast(key as integer) <= 40").await;
    f.execute("update sexton_deletion set lane = 'block.other' where key = '56'").await;
    f.execute("update sexton_deletion set run_at = '2900-01-01T00:00:00.000Z' where key = '57'").await;
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = f.store.ledger.due_in_lane(&f.store.db, &lane("block.calendar"), after.as_ref(), 7).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7);
        after = Some(last.clone());
        seen.extend(page);
    }
    let ids: std::collections::HashSet<_> = seen.iter().map(|due| due.hint.id()).collect();
    assert_eq!((seen.len(), ids.len()), (55, 55));
    let order: Vec<_> = seen.iter().map(|due| due.run_at.clone()).collect();
    assert!(order.is_sorted());
}

async fn next_due_counts_from_the_oldest_of_the_lanes(f: Fixture) {
    let lanes = f.store.catalog.lanes();
    assert_eq!(f.store.ledger.next_due_in(&f.store.db, &lanes).await.unwrap(), None);
    assert_eq!(f.store.ledger.next_due_in(&f.store.db, &[]).await.unwrap(), None);
    f.execute("insert into flag (id) values (1)").await;
    f.request_one("flag", "1").await;
    let hour = f.store.ledger.next_due_in(&f.store.db, &lanes).await.unwrap().unwrap();
    assert!(hour > Duration::from_secs(3500) && hour <= Duration::from_secs(3600), "{hour:?}");
    f.blocks(1).await;
    f.request_one("block", "1").await;
    assert_eq!(f.store.ledger.next_due_in(&f.store.db, &lanes).await.unwrap(), Some(Duration::ZERO));
    let flag = [lane("flag")];
    assert!(f.store.ledger.next_due_in(&f.store.db, &flag).await.unwrap().unwrap() > Duration::from_secs(3500));
}

async fn idle_means_nothing_is_due_without_time_passing(f: Fixture) {
    let lanes = f.store.catalog.lanes();
    let idle = async || f.store.ledger.is_idle(&f.store.db, &lanes).await.unwrap();
    assert!(idle().await);
    f.execute("insert into flag (id) values (1)").await;
    f.request_one("flag", "1").await;
    assert!(idle().await, "a deletion in grace is not work");
    let claim = f.claimed_block().await;
    assert!(!idle().await, "something is running");
    assert!(f.store.ledger.is_idle(&f.store.db, &[lane("flag")]).await.unwrap(), "in another lane");
    let later = Settlement { delay: Duration::from_secs(1000), ..settlement(&claim, Event::Failed) };
    assert!(f.settle(later).await);
    assert!(!idle().await, "a backoff will be due");
    f.execute("update sexton_deletion set run_at = requested_at where resource = 'block'").await;
    assert!(!idle().await, "due");
    let claim = f.claim_one(claim.id).await;
    let scheduled = Settlement {
        delay: Duration::from_secs(1000),
        phase: sexton_core::ledger::Phase::HardDelete,
        ..settlement(&claim, Event::HardDeleteScheduled)
    };
    assert!(f.settle(scheduled).await);
    assert!(idle().await, "a removal in the future is not work");
    f.execute("update sexton_deletion set run_at = requested_at where resource = 'block'").await;
    let claim = f.claim_one(claim.id).await;
    f.kill(&claim, Default::default()).await;
    assert!(idle().await, "the dead wait for on-call");
}
