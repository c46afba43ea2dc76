//! Phase 1: what a request marks and records.

use std::{sync::Arc, time::Duration};

use sexton_core::{
    soft_remove::{DeletionRequest, soft_remove},
    state::{Event, State},
};

use crate::rig::{
    ledger::{Fixture, confirmed, lane, settlement},
    on_both,
};

on_both!(
    request_marks_the_row_and_records_the_deletion_in_one_transaction,
    payload_is_what_the_row_says_after_it_was_marked,
    second_request_returns_the_open_deletion_with_a_fresh_payload,
    changed_row_requested_again_has_its_target_asked_again,
    running_deletion_is_not_touched_by_a_second_request,
    dead_deletion_is_superseded_and_confirmations_of_unchanged_targets_are_carried_over,
    key_without_a_row_is_left_out,
    same_key_twice_is_one_deletion,
    value_marker_of_a_matching_row_wins,
    boolean_marker_and_grace_are_honoured,
    request_for_later_is_not_due,
    marker_of_an_already_marked_row_is_kept,
    concurrent_requests_of_one_row_give_one_open_deletion,
);

async fn request_marks_the_row_and_records_the_deletion_in_one_transaction(f: Fixture) {
    f.blocks(2).await;
    let table = f.table("block");
    let keys = [table.parse_key("1").unwrap()];
    let transaction = f.begin().await;
    let requested = soft_remove(&transaction, &f.store, &table, &keys, &DeletionRequest::by("test")).await.unwrap();
    assert_eq!((requested[0].created, requested[0].state, requested[0].due), (true, State::Pending, true));
    transaction.rollback().await.unwrap();
    assert_eq!(f.rows("select key from sexton_deletion").await, [""; 0]);
    assert_eq!(f.one("select count(*) from block where deleted_at is not null").await, "0");
    f.request_one("block", "1").await;
    assert_eq!(f.deletions().await, ["1|pending|0|0|0"]);
    assert_eq!(f.rows("select id from block where deleted_at is not null").await, ["1"]);
}

async fn payload_is_what_the_row_says_after_it_was_marked(f: Fixture) {
    f.execute("insert into block (id, calendar_id, gcal_id) values (1, 'c', 'g')").await;
    let id = f.request_one("block", "1").await.id;
    let claim = f.claim_one(id).await;
    let columns: Vec<_> = claim.payload.keys().map(String::as_str).collect();
    assert_eq!(columns, ["calendar_id", "deleted_at", "gcal_id", "item_status", "kind", "other_id"]);
    assert_eq!(claim.payload["calendar_id"].as_deref(), Some("c"));
    assert_eq!(claim.payload["other_id"], None);
    let marker = claim.payload["deleted_at"].clone().unwrap();
    assert_eq!(
        f.one("select marker_value, marker_before, marker_column from sexton_deletion").await,
        format!("{marker}|-|deleted_at")
    );
    assert!(marker.starts_with("20") && marker.contains('T'), "{marker}");
}

async fn second_request_returns_the_open_deletion_with_a_fresh_payload(f: Fixture) {
    f.blocks(1).await;
    let first = f.request_one("block", "1").await;
    let marked = f.one("select deleted_at from block").await;
    f.execute("update block set gcal_id = 'new'").await;
    let second = f.request_one("block", "1").await;
    assert_eq!((second.id, second.created, second.state, second.due), (first.id, false, State::Pending, true));
    assert_eq!(f.claim_one(first.id).await.payload["gcal_id"].as_deref(), Some("new"));
    assert_eq!(f.one("select deleted_at from block").await, marked);
}

async fn changed_row_requested_again_has_its_target_asked_again(f: Fixture) {
    let claim = f.claimed_block().await;
    let mut failed = settlement(&claim, Event::HardDeleteScheduled);
    failed.confirmations = confirmed(&["calendar", "other"]);
    failed.phase = sexton_core::ledger::Phase::HardDelete;
    failed.lane = lane("block");
    failed.delay = Duration::from_secs(1000);
    assert!(f.settle(failed).await);
    assert!(!f.request_one("block", "1").await.due);
    f.execute("update block set other_id = 'new'").await;
    assert!(f.request_one("block", "1").await.due);
    let again = f.claim_one(claim.id).await;
    assert_eq!(again.confirmations, confirmed(&["calendar"]));
    assert_eq!(again.phase, sexton_core::ledger::Phase::Confirm);
    assert_eq!(f.one("select lane from sexton_deletion").await, "block.other");
}

async fn running_deletion_is_not_touched_by_a_second_request(f: Fixture) {
    let claim = f.claimed_block().await;
    f.execute("update block set gcal_id = 'new'").await;
    let second = f.request_one("block", "1").await;
    assert_eq!((second.id, second.created, second.state, second.due), (claim.id, false, State::Running, false));
    assert_eq!(second.fence, claim.fence);
    let mut failed = settlement(&claim, Event::Failed);
    failed.confirmations = confirmed(&["calendar"]);
    assert!(f.settle(failed).await);
    // The payload of the call to `calendar`: the worker sees that the row has changed.
    assert_eq!(f.claim_one(claim.id).await.payload["gcal_id"].as_deref(), Some("g1"));
}

async fn dead_deletion_is_superseded_and_confirmations_of_unchanged_targets_are_carried_over(f: Fixture) {
    let claim = f.claimed_block().await;
    f.kill(&claim, confirmed(&["calendar", "other", "unknown"])).await;
    f.execute("update block set other_id = 'new'").await;
    let anew = f.request_one("block", "1").await;
    assert!(anew.created && anew.id != claim.id && anew.due);
    assert_eq!(f.rows("select state, cancelled_by, fence from sexton_deletion_done").await, ["cancelled|superseded|1"]);
    assert_eq!(
        f.one("select lane, called_at is null from sexton_deletion").await.split('|').next(),
        Some("block.other")
    );
    let again = f.claim_one(anew.id).await;
    assert_eq!(again.confirmations, confirmed(&["calendar"]));
    assert!(!again.uncalled, "a call was made for this row, so it must not be restorable");
    assert_eq!(f.deletions().await, ["1|running|1|1|0"]);
    assert_eq!(f.one("select marker_before from sexton_deletion").await, "-");
}

async fn key_without_a_row_is_left_out(f: Fixture) {
    f.blocks(2).await;
    let requested = f.request("block", &["1", "77", "2"]).await;
    let mut keys: Vec<_> = requested.iter().map(|r| r.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["1", "2"]);
    assert!(f.request("block", &["77"]).await.is_empty());
    assert!(f.request("block", &[]).await.is_empty());
}

async fn same_key_twice_is_one_deletion(f: Fixture) {
    f.blocks(1).await;
    let requested = f.request("block", &["1", "01", "1"]).await;
    assert_eq!((requested.len(), requested[0].created), (1, true));
}

async fn value_marker_of_a_matching_row_wins(f: Fixture) {
    f.execute("insert into block (id, kind) values (1, 'T'), (2, 'X'), (3, null)").await;
    f.request("block", &["1", "2", "3"]).await;
    let marks =
        "select id, item_status, case when deleted_at is null then 'live' else 'marked' end from block order by id";
    assert_eq!(f.rows(marks).await, ["1|Deleted|live", "2|Active|marked", "3|Active|marked"]);
    let rules = "select key, marker_rule, marker_column, marker_before from sexton_deletion order by key";
    assert_eq!(f.rows(rules).await, ["1|0|item_status|Active", "2|1|deleted_at|-", "3|1|deleted_at|-"]);
}

async fn boolean_marker_and_grace_are_honoured(f: Fixture) {
    f.execute("insert into flag (id) values (1)").await;
    let requested = f.request_one("flag", "1").await;
    assert!(!requested.due && requested.created);
    let removed = if f.is_postgres() { "t" } else { "1" };
    assert_eq!(f.one("select removed from flag").await, removed);
    let before = if f.is_postgres() { "true|false" } else { "1|0" };
    assert_eq!(f.one("select marker_value, marker_before from sexton_deletion").await, before);
    assert_eq!(f.one("select lane from sexton_deletion").await, "flag");
    let in_an_hour = f.store.ledger.next_due_in(&f.store.db, &f.store.catalog.lanes()).await.unwrap().unwrap();
    assert!(in_an_hour > Duration::from_secs(3500) && in_an_hour <= Duration::from_secs(3600), "{in_an_hour:?}");
}

async fn request_for_later_is_not_due(f: Fixture) {
    f.blocks(1).await;
    let table = f.table("block");
    let keys = [table.parse_key("1").unwrap()];
    let transaction = f.begin().await;
    let later =
        DeletionRequest { after: Duration::MAX, reason: Some("it's \"so\"".to_owned()), ..DeletionRequest::by("me") };
    let requested = soft_remove(&transaction, &f.store, &table, &keys, &later).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(!requested[0].due);
    assert_eq!(f.one("select requested_by, reason from sexton_deletion").await, "me|it's \"so\"");
}

async fn marker_of_an_already_marked_row_is_kept(f: Fixture) {
    let marked = if f.is_postgres() { "2026-01-02T03:04:05.678901" } else { "2026-01-02T03:04:05.678Z" };
    f.execute("insert into block (id, deleted_at) values (1, '2026-01-02T03:04:05.678Z')").await;
    f.execute("insert into block (id, deleted_at) values (2, '2026-01-02T03:04:05.678901Z')").await;
    f.request("block", &["1", "2"]).await;
    let key = if f.is_postgres() { "2" } else { "1" };
    let sql = format!("select marker_value, marker_before from sexton_deletion where key = '{key}'");
    assert_eq!(f.one(&sql).await, format!("{marked}|{marked}"));
}

async fn concurrent_requests_of_one_row_give_one_open_deletion(f: Fixture) {
    f.blocks(4).await;
    let f = Arc::new(f);
    let requests = (0..8_usize).map(|n| {
        let f = Arc::clone(&f);
        let mut keys = vec!["1", "2", "3", "4"];
        keys.rotate_left(n % 4);
        tokio::spawn(async move { f.request("block", &keys).await })
    });
    let mut created = 0;
    for requested in futures::future::join_all(requests).await {
        let requested = requested.unwrap();
        assert_eq!(requested.len(), 4);
        created += requested.iter().filter(|r| r.created).count();
    }
    assert_eq!(created, 4);
    assert_eq!(f.one("select count(*) from sexton_deletion").await, "4");
}
