//! An application's table, an external system, and any number of `sexton run` processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::{Duration, Instant, UNIX_EPOCH},
};

use sea_orm::TransactionTrait;
use sexton_core::{
    soft_remove::{DeletionRequest, Requested, soft_remove},
    store::Store,
};
use sexton_tests::{PATIENCE, Postgres, Sexton, TestDb, api::Api};

use super::{Setup, Worker, setup::config};
use crate::rig::store;

/// What a test that waits in vain says of deletions that have not ended.
const PENDING: &str =
    "select state, lane, held_at is not null as held, run_at <= now() as due, last_error, count(*)::text
    from sexton_deletion where state <> 'dead' group by 1, 2, 3, 4, 5 order by 6 desc limit 10";
/// Deletions that have ended: finished or dead.
const ENDED: &str = "select (select count(*) from sexton_deletion_done)
                          + (select count(*) from sexton_deletion where state = 'dead')";

pub(crate) struct Rig {
    pub(crate) test_db: TestDb,
    pub(crate) api: Api,
    pub(crate) sexton: Sexton,
    config: String,
    store: Option<Store>,
}

impl Rig {
    pub(crate) async fn new(setup: Setup) -> Self {
        Self::on(Postgres::shared().await, setup).await
    }

    pub(crate) async fn on(server: &Postgres, setup: Setup) -> Self {
        let (test_db, api) = (TestDb::on(server).await, Api::start().await);
        let tables = ["item", "other"];
        for table in tables {
            let columns = "id bigint primary key, name text not null, deleted_at timestamptz";
            test_db.execute(&format!("create table {table} ({columns})")).await;
        }
        let config = config(&setup, test_db.url(), &api.url(), &tables);
        let sexton = Sexton::new(&config);
        drop(sexton.run(&["migrate"]).await.expect_code(0));
        Self { test_db, api, sexton, config, store: None }
    }

    /// The configuration with `from` replaced by `to`, for a process that differs.
    pub(crate) fn sexton_with(&self, from: &str, to: &str) -> Sexton {
        assert!(self.config.contains(from), "{from} is not in the configuration");
        Sexton::new(&self.config.replace(from, to))
    }

    /// Inserts rows into `table` and requests their deletion, in one transaction.
    pub(crate) async fn request(&mut self, table: &str, ids: RangeInclusive<i64>) -> Vec<Requested> {
        let (first, last) = (ids.start(), ids.end());
        let insert =
            format!("insert into {table} select n, '{table}-' || n, null from generate_series({first}, {last}) n");
        self.test_db.execute(&insert).await;
        if self.store.is_none() {
            let db = store::connect(self.test_db.url(), 2).await;
            self.store = Some(store::open(db, &store::parse(&self.config)).await);
        }
        let store = self.store.as_ref().unwrap();
        let table = store.catalog.by_name(table).unwrap();
        let keys: Vec<_> = ids.map(|id| table.parse_key(&id.to_string()).unwrap()).collect();
        let mut requested = Vec::new();
        for keys in keys.chunks(5000) {
            let transaction = store.db.conn.begin().await.unwrap();
            requested
                .extend(soft_remove(&transaction, store, table, keys, &DeletionRequest::by("test")).await.unwrap());
            transaction.commit().await.unwrap();
        }
        requested
    }

    /// Adds due deletions to the lane `table.api`, as many as `SEXTON_LANE` says: copies of an existing one, due after
    /// it, with keys of no row.
    pub(crate) async fn fill_lane(&self, table: &str) {
        let Some(count) = std::env::var("SEXTON_LANE").ok().and_then(|count| count.parse::<usize>().ok()) else {
            return;
        };
        let copied =
            "batch_id, marker_rule, marker_column, marker_value, targets, confirmations, payload, requested_by";
        self.test_db
            .execute(&format!(
                "insert into sexton_deletion (id, resource, key, lane, state, run_at, {copied})
                 select gen_random_uuid(), resource, (1000000000 + n)::text, lane, 'pending', clock_timestamp(), {copied}
                 from (select * from sexton_deletion where resource = '{table}' and state = 'pending' limit 1) one,
                    generate_series(1, {count}) n"
            ))
            .await;
        self.test_db.execute("analyze sexton_deletion").await;
    }

    /// How often rows of the ledger were rewritten so far.
    pub(crate) async fn updated_deletions(&self) -> usize {
        // A session reports it once a second at most.
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.number("select n_tup_upd from pg_stat_user_tables where relname = 'sexton_deletion'").await
    }

    /// Starts `sexton run` and waits until it works.
    pub(crate) async fn run(&self) -> Worker {
        Worker::start(&self.sexton).await
    }

    /// Works off what is due, in a process of its own.
    pub(crate) async fn drain(&self) {
        drop(self.sexton.run_within(PATIENCE, &["run", "--until-idle"]).await.expect_code(0));
    }

    /// One value of a query.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let rows = self.test_db.query_text(sql).await;
        rows.first().and_then(|row| row.first().cloned().flatten()).unwrap_or_default()
    }

    pub(crate) async fn number(&self, sql: &str) -> usize {
        self.value(sql).await.parse().unwrap()
    }

    /// Waits until `condition` (SQL) is true. It gives up when no deletion has ended for [`PATIENCE`], however many end
    /// in a second: that is for the benchmark.
    pub(crate) async fn wait_until(&self, condition: &str) {
        let (mut ended, mut since, mut looked) = (0, Instant::now(), Instant::now());
        while self.value(&format!("select {condition}")).await != "t" {
            if looked.elapsed() > Duration::from_secs(1) {
                let now = self.number(ENDED).await;
                if now > ended {
                    (ended, since) = (now, Instant::now());
                }
                looked = Instant::now();
            }
            assert!(
                since.elapsed() < PATIENCE,
                "nothing ended in {PATIENCE:?}: {condition}\n{:?}\nbreakers: {:?}\nof the pending: {:?}",
                self.states().await,
                self.test_db.query_text("select to_jsonb(b)::text from sexton_breaker b").await,
                self.test_db.query_text(PENDING).await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Deletions by state, the dead ones by kind.
    pub(crate) async fn states(&self) -> BTreeMap<String, usize> {
        let sql = "select coalesce(dead_kind, state), count(*) from sexton_deletion group by 1
                   union all select state, count(*) from sexton_deletion_done group by 1";
        let rows = self.test_db.query_text(sql).await;
        rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].as_ref().unwrap().parse().unwrap())).collect()
    }

    /// All `count` deletions are completed, and what must always be true is.
    pub(crate) async fn assert_completed(&self, count: usize) {
        assert_eq!(self.states().await, BTreeMap::from([("completed".to_owned(), count)]));
        assert_eq!(self.number("select (select count(*) from item) + (select count(*) from other)").await, 0);
        self.assert_sound().await;
    }

    /// What must always be true:
    ///
    /// - the external system confirmed each hard-deleted row before it went, by its own account;
    /// - no row was called by two workers at once;
    /// - no row went without a completed deletion.
    pub(crate) async fn assert_sound(&self) {
        let mut first = BTreeMap::new();
        for call in self.api.log().iter().filter(|call| call.confirmed) {
            let at = call.at_time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
            first.entry(call.path_and_query.clone()).or_insert(at);
        }
        let sql = "select resource || '-' || key, extract(epoch from finished_at) from sexton_deletion_done
                   where state = 'completed'";
        let mut completed = BTreeSet::new();
        for row in self.test_db.query_text(sql).await {
            let path = format!("/{}", row[0].as_ref().unwrap());
            let finished: f64 = row[1].as_ref().unwrap().parse().unwrap();
            let confirmed = first.get(&path).unwrap_or_else(|| panic!("{path} was deleted, but never confirmed"));
            assert!(*confirmed <= finished, "{path} was deleted before it was confirmed");
            assert!(completed.insert(path.clone()), "{path} was completed twice");
        }
        for table in ["item", "other"] {
            let sql = format!(
                "select count(*) from sexton_deletion d where resource = '{table}'
                 and not exists (select 1 from {table} t where t.id = d.key::bigint)"
            );
            assert_eq!(self.number(&sql).await, 0, "a row of {table} is gone, but its deletion is not completed");
        }
        assert_eq!(self.api.overlapping(), BTreeSet::new(), "called by two workers at once");
    }
}
