//! Runs production code, one action at a time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use sexton_core::{
    config::Config,
    ids::{BatchId, DeletionId, Lane},
    ledger::{Candidates, Claim, ClaimRequest, Ledger, Operator, Settlement},
    restore::{MarkedRows, restore, restore_batch},
    soft_remove::{DeletionRequest, soft_remove},
    state::Event,
    store::Store,
};
use sexton_worker::{Daemon, Options};

use super::{
    actions::Answer,
    fixture::Fixture,
    schema::{At, Schema},
    state::{Id, MAX_RESCUES, Value},
};

/// A deletion that has not settled by then goes round in circles.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) struct System<'b> {
    pub(super) fixture: &'b Fixture,
    pub(super) schema: Schema,
    config: Config,
    pub(super) store: Store,
    /// The ids of the model's deletions.
    pub(super) ids: BTreeMap<Id, String>,
    /// What the model's times look like.
    pub(super) times: BTreeMap<u32, (At, String)>,
    /// Claims of workers that vanished.
    pub(super) claims: Vec<(Id, Claim)>,
    batches: BTreeMap<usize, BatchId>,
    /// Calls of earlier actions.
    pub(super) called: usize,
}

impl<'b> System<'b> {
    pub(super) async fn new(fixture: &'b Fixture, schema: &Schema) -> Self {
        fixture.prepare(schema).await;
        let config = fixture.config(schema);
        let db = fixture.connect().await;
        let ledger = Ledger::open(&db).await.unwrap();
        let store = Store::load(db, ledger, &config).await.unwrap();
        Self {
            fixture,
            schema: schema.clone(),
            config,
            store,
            ids: BTreeMap::new(),
            times: BTreeMap::new(),
            claims: Vec::new(),
            batches: BTreeMap::new(),
            called: fixture.api.log().len(),
        }
    }

    pub(super) async fn execute(&self, sql: String) -> bool {
        self.fixture.execute(&sql).await.is_ok()
    }

    async fn must(&self, sql: &str) {
        self.fixture.execute(sql).await.unwrap();
    }

    fn id(&self, id: Id) -> DeletionId {
        self.ids[&id].parse().unwrap()
    }

    fn past(&self) -> &'static str {
        if self.fixture.is_postgres() { "'2020-01-01'" } else { "'2020-01-01T00:00:00.000Z'" }
    }

    fn future(&self) -> &'static str {
        if self.fixture.is_postgres() { "'2100-01-01'" } else { "'2100-01-01T00:00:00.000Z'" }
    }

    /// An expression for a time that many seconds from now.
    pub(super) fn in_seconds(&self, seconds: u32) -> String {
        if self.fixture.is_postgres() {
            format!("clock_timestamp() + interval '{seconds} seconds'")
        } else {
            format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+{seconds} seconds')")
        }
    }

    /// A time that is written by hand.
    pub(super) fn by_hand(&mut self, value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Text(text) => format!("'{text}'"),
            Value::Time(n) if self.fixture.is_postgres() => {
                format!("'2020-01-01 00:00:00Z'::timestamptz + interval '{n} s'")
            }
            Value::Time(n) => format!("'2020-01-01T00:{:02}:{:02}.000Z'", n / 60, n % 60),
        }
    }

    pub(super) async fn request(&mut self, table: usize, slots: &[usize], after: bool, batch: usize) -> bool {
        // Two marks of a row are never of the same time.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let of = self.store.catalog.by_name(&format!("t{table}")).unwrap();
        let keys: Vec<_> = slots.iter().map(|slot| of.parse_key(&self.schema.key((table, *slot))).unwrap()).collect();
        let mut request = DeletionRequest::by("model");
        if after {
            request.after = Duration::from_secs(3600);
        }
        self.batches.insert(batch, request.batch);
        let transaction = self.store.db.begin().await.unwrap();
        match soft_remove(&transaction, &self.store, of, &keys, &request).await {
            Ok(_) => transaction.commit().await.is_ok(),
            Err(error) => {
                transaction.rollback().await.unwrap();
                let foreign = error.refusal().is_some_and(|refusal| refusal.is_foreign_key());
                assert!(foreign, "a request failed: {error}");
                false
            }
        }
    }

    pub(super) async fn restore(&self, id: Id, batch: Option<usize>) -> bool {
        let transaction = self.store.db.begin().await.unwrap();
        let restored = match batch {
            Some(batch) => {
                restore_batch(&transaction, &self.store, self.batches[&batch], MarkedRows::Stay).await.map(drop)
            }
            None => restore(&transaction, &self.store, self.id(id), MarkedRows::Stay).await.map(drop),
        };
        match restored {
            Ok(()) => transaction.commit().await.is_ok(),
            Err(_) => transaction.rollback().await.is_err(),
        }
    }

    pub(super) async fn retry(&self, id: Id) -> bool {
        let audit = Operator { who: "model", reason: None };
        !self.store.ledger.retry_dead(&self.store.db, &[self.id(id)], &audit).await.unwrap().is_empty()
    }

    pub(super) async fn discard(&self, id: Id) -> bool {
        let audit = Operator { who: "model", reason: Some("the model says so") };
        !self.store.ledger.discard_dead(&self.store.db, &[self.id(id)], &audit).await.unwrap().is_empty()
    }

    /// Sets the clock on until the deletion is due.
    pub(super) async fn make_due(&self, id: Id) {
        self.must(&format!("update sexton_deletion set run_at = {} where id = '{}'", self.past(), self.ids[&id])).await;
    }

    pub(super) async fn crash(&mut self, id: Id) -> bool {
        let lease = Duration::from_secs(3600);
        let ids = [self.id(id)];
        let lanes = self.store.catalog.lanes();
        let request = ClaimRequest {
            candidates: Candidates::Hinted(&ids),
            lanes: &lanes,
            worker: "vanished",
            lease,
            payload_bytes: usize::MAX,
            with_rescued: true,
        };
        let claims = self.store.ledger.claim(&self.store.db, request).await.unwrap();
        let claimed = claims.len() == 1;
        self.claims.extend(claims.into_iter().map(|claim| (id, claim)));
        claimed
    }

    pub(super) async fn rescue(&self, id: Id) -> bool {
        let sql = format!("update sexton_deletion set lease_until = {} where id = '{}'", self.past(), self.ids[&id]);
        self.must(&sql).await;
        let most = u32::try_from(MAX_RESCUES).unwrap();
        self.store.ledger.rescue(&self.store.db, most, 10).await.unwrap().len() == 1
    }

    pub(super) async fn write_late(&self, claim: usize) -> bool {
        let claim = &self.claims[claim].1;
        let settlement = Settlement {
            id: claim.id,
            fence: claim.fence,
            event: Event::Failed,
            phase: claim.phase,
            delay: Duration::from_secs(360_000),
            give_back: false,
            uncalled: false,
            lane: Lane::from_ledger(claim.resource.clone()),
            confirmations: claim.confirmations.clone(),
            gone_expected: claim.gone_expected.clone(),
            payload: None,
            error: None,
            dead: None,
            delete_limit: None,
            attempt: None,
        };
        self.store.ledger.settle(&self.store.db, &[settlement], "vanished").await.unwrap().contains(&claim.id)
    }

    pub(super) async fn follow(&self) {
        while !self.store.ledger.advance_waiting(&self.store.db, None, 10).await.unwrap().is_empty() {}
    }

    /// Lets a worker work on one deletion, and on no other, until it is not due any more. The model has no time: what a
    /// target asked for in an earlier step is over.
    pub(super) async fn work(&mut self, id: Id, at: At, answers: [Answer; 2]) -> Result<(), String> {
        self.fixture.answer(at.0, answers);
        let (real, future) = (&self.ids[&id], self.future());
        self.must(&format!(
            "delete from sexton_breaker;
             insert into model_switch values (1);
             insert into model_held select id, run_at from sexton_deletion where id <> '{real}';
             update sexton_deletion set run_at = {future} where id <> '{real}'"
        ))
        .await;
        let fence = self.fixture.rows(&format!("select fence from sexton_deletion where id = '{real}'")).await;
        let fence = fence[0][0].clone().unwrap();
        let busy = format!(
            "select id, state, phase, fence from sexton_deletion where id = '{real}' and (fence = {fence} or state = 'running'
                or (state = 'pending' and run_at < {}))
             union all select d.id, d.state, d.phase, d.fence from sexton_deletion d where {}",
            self.in_seconds(10),
            FOLLOWABLE
        );
        let daemon = Daemon::start(self.config.clone(), Options { allow_drift: true }).await.unwrap();
        let settled = self.settle_down(&busy).await;
        daemon.shutdown().await;
        self.must(&format!(
            "update sexton_deletion set run_at = (select h.run_at from model_held h where h.id = sexton_deletion.id)
                where run_at = {future} and id in (select id from model_held);
             delete from model_held; delete from model_switch"
        ))
        .await;
        settled
    }

    async fn settle_down(&self, busy: &str) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let busy = self.fixture.rows(busy).await;
            if busy.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("never settles down: {busy:?}"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets workers work on everything while the clock runs fast, until nothing is left to do.
    pub(super) async fn work_off(&self) -> Result<(), String> {
        self.fixture.answer(0, [Answer::Done; 2]);
        self.must(&format!("update sexton_deletion set lease_until = {} where state = 'running'", self.past())).await;
        let until = Instant::now() + 3 * PATIENCE;
        let left = "select id, resource, key, state from sexton_deletion where state <> 'dead'";
        loop {
            let sql = format!("update sexton_deletion set run_at = {} where state = 'pending'", self.past());
            self.must(&sql).await;
            let left = self.fixture.rows(left).await;
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("never settles down: {left:?}"));
            }
            let busy = format!(
                "select id, state from sexton_deletion where state = 'running' or (state = 'pending' and run_at < {})
                 union all select d.id, d.state from sexton_deletion d where {FOLLOWABLE}",
                self.in_seconds(10)
            );
            let daemon = Daemon::start(self.config.clone(), Options { allow_drift: true }).await.unwrap();
            let settled = self.settle_down(&busy).await;
            daemon.shutdown().await;
            settled?;
        }
    }
}

/// Deletions `d` that wait for no other any more, or for a dead one.
const FOLLOWABLE: &str = "d.state = 'waiting' and (
    not exists (select 1 from sexton_wait w join sexton_deletion c on c.id = w.child_id where w.deletion_id = d.id)
    or exists (select 1 from sexton_wait w join sexton_deletion c on c.id = w.child_id
               where w.deletion_id = d.id and c.state = 'dead'))";
