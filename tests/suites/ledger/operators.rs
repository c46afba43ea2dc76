//! What operators see and do: dead letters, records, figures, definitions.

use std::time::Duration;

use sexton_core::{
    ids::DeletionId,
    ledger::{Drift, FailedAttempt, Filter, LastError, Operator, Settlement},
    outcome::DeadKind,
    state::{Cancellation, Event, State},
};

use crate::rig::{
    ledger::{Fixture, parse, schema, settlement},
    on_both,
};

on_both!(
    dead_letters_are_filtered_by_everything_that_is_given,
    dead_letter_retried_starts_anew_and_keeps_its_history,
    discarded_dead_letter_is_kept_as_cancelled,
    newest_deletion_of_a_row_is_found,
    status_counts_states_lanes_and_the_oldest_due,
    definitions_that_differ_are_drift,
);

async fn dead(f: &Fixture, key: &str, kind: DeadKind, target: &str) -> DeletionId {
    let id = f.request_one("block", key).await.id;
    let claim = f.claim_one(id).await;
    let attempt = FailedAttempt {
        target: target.to_owned(),
        outcome: "rejected".to_owned(),
        status: None,
        reason: "http_400".to_owned(),
        duration: Duration::ZERO,
    };
    let error = Some(LastError { class: "rejected".to_owned(), text: format!("{target}: http_400") });
    assert!(
        f.settle(Settlement { dead: Some(kind), attempt: Some(attempt), error, ..settlement(&claim, Event::Died) })
            .await
    );
    id
}

async fn dead_letters_are_filtered_by_everything_that_is_given(f: Fixture) {
    f.blocks(3).await;
    let one = dead(&f, "1", DeadKind::Rejected, "calendar").await;
    let two = dead(&f, "2", DeadKind::Expired, "other").await;
    f.request_one("block", "3").await;
    f.execute(&format!("update sexton_deletion set dead_at = '2026-01-01T00:00:00.000Z' where id = '{two}'")).await;
    let listed = async |filter: Filter| -> Vec<DeletionId> {
        let letters = f.store.ledger.dead_letters(&f.store.db.conn, &filter).await.unwrap();
        letters.iter().map(|letter| letter.id).collect()
    };
    let all = Filter::default;
    assert_eq!(listed(all()).await, [two, one], "oldest first");
    assert_eq!(listed(Filter { limit: Some(1), ..all() }).await, [two]);
    assert_eq!(listed(Filter { kind: Some(DeadKind::Rejected), ..all() }).await, [one]);
    assert_eq!(listed(Filter { target: Some("other".to_owned()), ..all() }).await, [two]);
    assert_eq!(listed(Filter { older_than: Some(Duration::from_secs(3600)), ..all() }).await, [two]);
    assert_eq!(listed(Filter { older_than: Some(Duration::MAX), ..all() }).await, []);
    assert_eq!(listed(Filter { ids: vec![one, DeletionId::new()], ..all() }).await, [one]);
    assert_eq!(listed(Filter { resource: Some("flag".parse().unwrap()), ..all() }).await, []);
    let both = Filter {
        resource: Some("block".parse().unwrap()),
        kind: Some(DeadKind::Expired),
        target: Some("other".to_owned()),
        older_than: Some(Duration::from_secs(3600)),
        ids: vec![one, two],
        limit: Some(10),
    };
    assert_eq!(listed(both).await, [two]);
    let letter =
        f.store.ledger.dead_letters(&f.store.db.conn, &Filter { ids: vec![two], ..all() }).await.unwrap().remove(0);
    assert_eq!((letter.kind.as_str(), letter.key.as_str(), letter.attempts), ("expired", "2", 1));
    assert_eq!((letter.target.as_deref(), letter.error.as_deref()), (Some("other"), Some("other: http_400")));
    assert_eq!(letter.dead_at, "2026-01-01T00:00:00.000Z");
}

async fn dead_letter_retried_starts_anew_and_keeps_its_history(f: Fixture) {
    f.blocks(2).await;
    let id = dead(&f, "1", DeadKind::Rejected, "calendar").await;
    let open = f.request_one("block", "2").await.id;
    f.execute("update sexton_deletion set rescues = 2 where state = 'dead'").await;
    let operator = Operator { who: "me", reason: Some("fixed") };
    assert_eq!(f.store.ledger.retry_dead(&f.store.db, &[id, open, DeletionId::new()], &operator).await.unwrap(), [id]);
    assert_eq!(f.deletions().await, ["1|pending|1|0|0", "2|pending|0|0|0"]);
    let record = f.store.ledger.record(&f.store.db.conn, id).await.unwrap().unwrap();
    assert_eq!((record.dead_kind, record.dead_at, record.failed_attempts.len()), (None, None, 1));
    let done = &record.actions[0];
    assert_eq!((done.who.as_str(), done.action.as_str(), done.reason.as_deref()), ("me", "retry", Some("fixed")));
    assert!(!f.claim_one(id).await.uncalled);
    assert_eq!(f.store.ledger.record(&f.store.db.conn, open).await.unwrap().unwrap().actions.len(), 0);
}

async fn discarded_dead_letter_is_kept_as_cancelled(f: Fixture) {
    f.blocks(1).await;
    let id = dead(&f, "1", DeadKind::Rejected, "calendar").await;
    let operator = Operator { who: "me", reason: Some("gone for good") };
    assert_eq!(f.store.ledger.discard_dead(&f.store.db, &[id], &operator).await.unwrap(), [id]);
    assert!(f.store.ledger.discard_dead(&f.store.db, &[id], &operator).await.unwrap().is_empty());
    let record = f.store.ledger.record(&f.store.db.conn, id).await.unwrap().unwrap();
    assert_eq!((record.state, record.cancelled_by), (State::Cancelled, Some(Cancellation::Discarded)));
    assert_eq!(record.actions.len(), 1);
    assert_eq!(f.one("select count(*) from block where deleted_at is not null").await, "1");
}

async fn newest_deletion_of_a_row_is_found(f: Fixture) {
    f.blocks(1).await;
    let find = async || f.store.ledger.find(&f.store.db.conn, "block", "1").await.unwrap();
    assert_eq!(find().await, None);
    let first = dead(&f, "1", DeadKind::Rejected, "calendar").await;
    assert_eq!(find().await, Some(first));
    let second = f.request_one("block", "1").await.id;
    assert_eq!(find().await, Some(second));
    assert_eq!(f.store.ledger.find(&f.store.db.conn, "flag", "1").await.unwrap(), None);
    assert!(f.store.ledger.record(&f.store.db.conn, DeletionId::new()).await.unwrap().is_none());
    f.store.ledger.ping(&f.store.db).await.unwrap();
}

async fn status_counts_states_lanes_and_the_oldest_due(f: Fixture) {
    f.blocks(3).await;
    dead(&f, "1", DeadKind::Poison, "calendar").await;
    f.request("block", &["2", "3"]).await;
    f.execute("insert into flag (id) values (1)").await;
    f.request_one("flag", "1").await;
    f.execute("update sexton_deletion set run_at = '2026-01-01T00:00:00.000Z' where key = '2'").await;
    let claim = f.store.ledger.find(&f.store.db.conn, "block", "3").await.unwrap().unwrap();
    f.claim_one(claim).await;
    let status = f.store.ledger.status(&f.store.db.conn).await.unwrap();
    let states: Vec<_> = status.states.iter().map(|(state, n)| (state.as_str(), *n)).collect();
    assert_eq!(states, [("dead", 1), ("pending", 2), ("running", 1)]);
    assert_eq!(status.dead.into_iter().collect::<Vec<_>>(), [("poison".to_owned(), 1)]);
    let lanes: Vec<_> = status.lanes.iter().map(|l| (l.lane.as_str(), l.due, l.later, l.running)).collect();
    assert_eq!(lanes, [("block.calendar", 1, 0, 1), ("flag", 0, 1, 0)]);
    assert_eq!(status.lanes[1].oldest_due_ms, None);
    assert!(status.oldest_due_ms.unwrap() > 86_400_000);
}

async fn definitions_that_differ_are_drift(f: Fixture) {
    let config = parse(schema::CONFIG);
    let drift = async |config: &sexton_core::config::Config| {
        f.store.ledger.drift(&f.store.db, &config.resources).await.unwrap()
    };
    assert_eq!(drift(&config).await.len(), config.resources.len());
    assert!(matches!(drift(&config).await[0], Drift::Missing(_)));
    for _ in 0..2 {
        f.store
            .ledger
            .write_resources(&f.store.db, &config.resources, &std::collections::BTreeMap::new())
            .await
            .unwrap();
        assert_eq!(drift(&config).await, []);
    }
    let other = parse(&schema::CONFIG.replace("value = true }\ngrace = \"1h\"", "value = true }\ngrace = \"2h\""));
    assert_eq!(drift(&other).await, [Drift::Different("flag".parse().unwrap())]);
}
