//! A fresh database with the ledger and an application's tables in it, on either database.

use std::{sync::Arc, time::Duration};

use sea_orm::TransactionTrait;
use secrecy::SecretString;
use sexton_core::{
    catalog::Table,
    config::{self, Config},
    db::{self, Dialect},
    ids::{DeletionId, Fence, Lane},
    ledger::{Candidates, Claim, ClaimRequest, Confirmation, Confirmations, Ledger, Phase, Settlement},
    outcome::Answer,
    soft_remove::{Request, Requested, soft_remove},
    state::Event,
    store::Store,
};
use sexton_migrations::{Migrator, MigratorTrait};
use sexton_tests::{SqliteDb, TestDb};

use super::schema;

/// Runs a scenario on PostgreSQL and on SQLite, each as a test of its own.
macro_rules! on_both {
    ($($scenario:ident),+ $(,)?) => {$(
        mod $scenario {
            use crate::ledger::fixture::Fixture;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$scenario(Fixture::postgres().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$scenario(Fixture::sqlite().await).await;
            }
        }
    )+};
}
pub(super) use on_both;

pub(super) const LEASE: Duration = Duration::from_secs(60);
pub(super) const ME: &str = "worker-a";

pub(super) enum Server {
    Postgres(TestDb),
    Sqlite(SqliteDb),
}

pub(super) struct Fixture {
    pub(super) server: Server,
    pub(super) store: Store,
}

pub(super) fn parse(config: &str) -> Config {
    let text = format!("[database]\nurl = \"postgres://nobody@localhost/none\"\n{config}");
    config::parse("sexton.toml", &text, |_| None).unwrap()
}

impl Fixture {
    pub(super) async fn postgres() -> Self {
        Self::on(Server::Postgres(TestDb::new().await), schema::POSTGRES, schema::CONFIG).await
    }

    pub(super) async fn sqlite() -> Self {
        Self::on(Server::Sqlite(SqliteDb::new().await), schema::SQLITE, schema::CONFIG).await
    }

    pub(super) async fn on(server: Server, tables: &str, config: &str) -> Self {
        let (url, application) = match &server {
            Server::Postgres(db) => (db.url().to_owned(), db.connect().await),
            Server::Sqlite(db) => (db.url().to_owned(), db.connect().await),
        };
        Migrator::up(&application, None).await.unwrap();
        application.close().await.unwrap();
        let db = db::connect(&SecretString::from(url), 10).await.unwrap();
        match &server {
            Server::Postgres(db) => db.execute(tables).await,
            Server::Sqlite(db) => db.execute(tables).await,
        }
        let ledger = Ledger::open(&db).await.unwrap();
        let store = Store::load(db, ledger, &parse(config)).await.unwrap();
        Self { server, store }
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.store.db.dialect == Dialect::Postgres
    }

    pub(super) fn table(&self, resource: &str) -> Arc<Table> {
        Arc::clone(self.store.catalog.by_name(resource).unwrap())
    }

    /// Runs statements beside the code under test.
    pub(super) async fn execute(&self, sql: &str) {
        match &self.server {
            Server::Postgres(db) => db.execute(sql).await,
            Server::Sqlite(db) => db.execute(sql).await,
        }
    }

    /// The rows of a query as text, columns joined by `|`, null as `-`.
    pub(super) async fn rows(&self, sql: &str) -> Vec<String> {
        let rows = match &self.server {
            Server::Postgres(db) => db.query_text(sql).await,
            Server::Sqlite(db) => db.query_text(sql).await,
        };
        let text = |row: &Vec<Option<String>>| {
            row.iter().map(|value| value.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")
        };
        rows.iter().map(text).collect()
    }

    pub(super) async fn one(&self, sql: &str) -> String {
        self.rows(sql).await.into_iter().next().unwrap()
    }

    /// Live blocks with the ids 1 to `n`.
    pub(super) async fn blocks(&self, n: usize) {
        self.execute(&format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {n})
             insert into block (id, calendar_id, gcal_id, other_id) select i, 'c', 'g' || i, 'o' || i from n"
        ))
        .await;
    }

    pub(super) async fn try_request(&self, resource: &str, keys: &[&str]) -> Result<Vec<Requested>, db::Error> {
        let table = self.table(resource);
        let keys: Vec<_> = keys.iter().map(|key| table.parse_key(key).unwrap()).collect();
        let transaction = self.store.db.begin().await?;
        let requested = soft_remove(&transaction, &self.store, &table, &keys, &Request::by("test")).await?;
        transaction.commit().await.map_err(db::Error::from)?;
        Ok(requested)
    }

    /// Requests deletions and commits.
    pub(super) async fn request(&self, resource: &str, keys: &[&str]) -> Vec<Requested> {
        self.try_request(resource, keys).await.unwrap()
    }

    /// Requests one deletion and commits.
    pub(super) async fn request_one(&self, resource: &str, key: &str) -> Requested {
        let mut requested = self.request(resource, &[key]).await;
        assert_eq!(requested.len(), 1);
        requested.remove(0)
    }

    pub(super) async fn claim(&self, candidates: Candidates<'_>) -> Vec<Claim> {
        let lanes = self.store.catalog.lanes();
        self.store.ledger.claim(&self.store.db, claim_by_me(candidates, &lanes)).await.unwrap()
    }

    /// Requests a block's deletion and claims it.
    pub(super) async fn claimed_block(&self) -> Claim {
        self.blocks(1).await;
        let id = self.request_one("block", "1").await.id;
        self.claim_one(id).await
    }

    pub(super) async fn claim_one(&self, id: DeletionId) -> Claim {
        let mut claims = self.claim(Candidates::Hinted(&[id])).await;
        assert_eq!(claims.len(), 1, "{id} is not to be had");
        claims.remove(0)
    }

    pub(super) async fn settle(&self, settlement: Settlement) -> bool {
        let id = settlement.id;
        self.store.ledger.settle(&self.store.db, &[settlement], ME).await.unwrap().contains(&id)
    }

    /// Makes a block's deletion dead, with these confirmations.
    pub(super) async fn kill(&self, claim: &Claim, confirmations: Confirmations) {
        let mut dead = settlement(claim, Event::Died);
        dead.dead = Some(sexton_core::outcome::DeadKind::Rejected);
        dead.confirmations = confirmations;
        assert!(self.settle(dead).await);
    }

    /// All open and dead deletions as `key|state|fence|attempts|rescues`.
    pub(super) async fn deletions(&self) -> Vec<String> {
        self.rows("select key, state, fence, attempts, rescues from sexton_deletion order by key").await
    }

    pub(super) async fn begin(&self) -> sea_orm::DatabaseTransaction {
        self.store.db.begin().await.unwrap()
    }

    /// Another pool, as an application has it.
    pub(super) async fn application(&self) -> sea_orm::DatabaseConnection {
        match &self.server {
            Server::Postgres(db) => db.connect().await,
            Server::Sqlite(db) => db.connect().await,
        }
    }

    /// A transaction of the application at another level.
    pub(super) async fn repeatable_read(&self) -> sea_orm::DatabaseTransaction {
        self.store.db.conn.begin_with_config(Some(sea_orm::IsolationLevel::RepeatableRead), None).await.unwrap()
    }

    /// Returns once `n` sessions of this database wait for a lock (PostgreSQL).
    pub(super) async fn waiting_for_locks(&self, n: usize) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let sql =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        while self.one(sql).await != n.to_string() {
            assert!(tokio::time::Instant::now() < deadline, "nobody waits for a lock");
            tokio::task::yield_now().await;
        }
    }
}

/// A settlement of a claim with nothing changed but the event.
/// A claim of [`ME`], of rescued deletions too.
pub(super) const fn claim_by_me<'a>(candidates: Candidates<'a>, lanes: &'a [Lane]) -> ClaimRequest<'a> {
    ClaimRequest { candidates, lanes, worker: ME, lease: LEASE, with_rescued: true }
}

pub(super) fn settlement(claim: &Claim, event: Event) -> Settlement {
    Settlement {
        id: claim.id,
        fence: claim.fence,
        event,
        phase: Phase::Confirm,
        delay: Duration::ZERO,
        give_back: false,
        uncalled: false,
        lane: lane("block.calendar"),
        confirmations: claim.confirmations.clone(),
        payload: None,
        error: None,
        dead: None,
        attempt: None,
    }
}

/// A lane by its name.
pub(crate) fn lane(name: &str) -> Lane {
    Lane::from_ledger(name.to_owned())
}

/// Confirmations of these targets.
pub(super) fn confirmed(targets: &[&str]) -> Confirmations {
    let one = || Confirmation {
        at: "2026-01-01T00:00:00.000Z".to_owned(),
        answer: Answer::Deleted { status: 204 },
        verified: false,
    };
    targets.iter().map(|target| ((*target).to_owned(), one())).collect()
}

pub(super) fn lease_of(claim: &Claim) -> (DeletionId, Fence) {
    (claim.id, claim.fence)
}
