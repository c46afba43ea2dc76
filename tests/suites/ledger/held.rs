//! Deletions that are held because a target said "gone" unexpectedly, and those that targets are probed with.

use std::{collections::BTreeSet, time::Duration};

use sexton_core::{
    ledger::{BreakerOpening, Cause, Confirmations, Operator, PauseScope, Settlement, has_confirmed},
    state::Event,
};

use crate::rig::{
    ledger::{Fixture, confirmed, lane, settlement},
    on_both,
};

on_both!(held_deletions_ask_again_once_an_operator_resumed, probes_are_drawn_among_what_is_due);

fn doubted(at: &str) -> Confirmations {
    let mut confirmations = confirmed(&["calendar"]);
    for confirmation in confirmations.values_mut() {
        (confirmation.at, confirmation.doubted) = (at.to_owned(), true);
    }
    confirmations
}

async fn held_deletions_ask_again_once_an_operator_resumed(f: Fixture) {
    let claim = f.claimed_block().await;
    let confirmations = doubted("2026-01-01T00:00:00.250Z");
    assert!(!has_confirmed(&confirmations, "calendar"));
    let delay = Duration::from_secs(3600);
    assert!(f.settle(Settlement { confirmations, delay, ..settlement(&claim, Event::Snoozed) }).await);
    let (ledger, db, lane) = (&f.store.ledger, &f.store.db, lane("block.calendar"));
    let held = ledger.count_held(&db.conn).await.unwrap();
    assert_eq!((held.len(), &held[0].lane, held[0].count), (1, &lane, 1));
    assert!(held[0].newest > Duration::from_secs(3600), "{:?}", held[0].newest);
    let held = ledger.held_in_lane(db, &lane, 10).await.unwrap();
    assert_eq!(held.iter().map(|one| one.id).collect::<Vec<_>>(), [claim.id]);
    let held = ledger.status(&db.conn).await.unwrap().lanes;
    assert_eq!(held.iter().map(|lane| lane.held).collect::<Vec<_>>(), [1]);
    // A pause that ends says nothing about the answers.
    let operator = Operator { who: "ann", reason: None };
    let scope = PauseScope::Lane(lane.to_string());
    assert!(ledger.pause(db, &scope, &operator).await.unwrap() && ledger.resume(db, &scope, &operator).await.unwrap());
    assert_eq!(ledger.count_held(&db.conn).await.unwrap().len(), 1);
    let opening = BreakerOpening { cause: Cause::Gone, reason: "many", first_probe: None };
    assert!(ledger.open_breaker(db, &lane, opening).await.unwrap());
    assert!(!ledger.withdraw_breaker(db, &lane, Duration::ZERO).await.unwrap(), "one is held");
    assert!(ledger.resume(db, &scope, &operator).await.unwrap());
    assert_eq!(ledger.count_held(&db.conn).await.unwrap(), []);
    let again = f.claim_one(claim.id).await;
    assert_eq!(
        (again.confirmations, again.gone_expected),
        (Confirmations::new(), BTreeSet::from(["calendar!".to_owned()]))
    );
    // Without one that is held, the breaker has no reason.
    assert!(ledger.open_breaker(db, &lane, opening).await.unwrap());
    assert!(!ledger.withdraw_breaker(db, &lane, Duration::from_secs(60)).await.unwrap(), "it is too new");
    assert!(ledger.withdraw_breaker(db, &lane, Duration::ZERO).await.unwrap());
}

async fn probes_are_drawn_among_what_is_due(f: Fixture) {
    f.blocks(100).await;
    let keys: Vec<_> = (1..=100).map(|key| key.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    f.try_request("block", &keys).await.unwrap();
    let (ledger, db, lane) = (&f.store.ledger, &f.store.db, lane("block.calendar"));
    f.execute("update sexton_deletion set last_error_kind = 'unauthorized' where key <> '50'").await;
    let drawn = ledger.draw_probes(db, &lane, 4).await.unwrap();
    assert_eq!(drawn.len(), 4);
    let mut firsts = BTreeSet::new();
    for _ in 0..40 {
        firsts.insert(ledger.draw_probes(db, &lane, 1).await.unwrap()[0]);
    }
    assert!(firsts.len() > 10, "only {} different ones in 40 draws", firsts.len());
    f.execute("update sexton_deletion set last_error_kind = null where key in ('1', '100')").await;
    let drawn = ledger.draw_probes(db, &lane, 2).await.unwrap();
    let drawn: BTreeSet<_> = f
        .rows(&format!("select key from sexton_deletion where id in ('{}', '{}')", drawn[0], drawn[1]))
        .await
        .into_iter()
        .collect();
    let never_failed = BTreeSet::from(["1", "50", "100"].map(str::to_owned));
    assert!(drawn.is_subset(&never_failed), "{drawn:?}");
    f.execute("update sexton_deletion set rescues = 1 where key <> '2'").await;
    let second = f.one("select id from sexton_deletion where key = '2'").await;
    assert_eq!(ledger.draw_probes(db, &lane, 1).await.unwrap()[0].to_string(), second, "rescued ones come last");
    f.execute("update sexton_deletion set rescues = 1").await;
    assert_eq!(ledger.draw_probes(db, &lane, 4).await.unwrap().len(), 4);
}
