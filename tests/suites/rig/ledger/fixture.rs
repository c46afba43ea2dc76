//! A fresh database with the ledger and an application's tables in it, on either database.

use std::{sync::Arc, time::Duration};

use sea_orm::TransactionTrait;
use sexton_core::{
    catalog::Table,
    config::Config,
    db,
    ids::DeletionId,
    ledger::{Candidates, Claim, Confirmations, Settlement},
    soft_remove::{DeletionRequest, Requested, soft_remove},
    state::Event,
    store::Store,
};
use sexton_tests::{FromServer, Server};

use super::{claim_by_me, schema, settlement};
use crate::rig::store;

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const ME: &str = "worker-a";

pub(crate) struct Fixture {
    pub(crate) server: Server,
    pub(crate) store: Store,
}

/// The configuration with these resources, and a database that is never connected to.
pub(crate) fn parse(resources: &str) -> Config {
    store::parse(&format!("[database]\nurl = \"postgres://nobody@localhost/none\"\n{resources}"))
}

impl Fixture {
    /// On PostgreSQL, with the tables and resources of [`schema`].
    pub(crate) async fn postgres() -> Self {
        Self::from_server(Server::postgres().await).await
    }

    /// With other tables and resources.
    pub(crate) async fn with(server: Server, tables: &str, resources: &str) -> Self {
        let db = store::connect(server.url(), 10).await;
        server.execute(tables).await;
        let store = store::open(db, &parse(resources)).await;
        Self { server, store }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.server.is_postgres()
    }

    pub(crate) fn table(&self, resource: &str) -> Arc<Table> {
        Arc::clone(self.store.catalog.by_name(resource).unwrap())
    }

    /// Runs statements beside the code under test.
    pub(crate) async fn execute(&self, sql: &str) {
        self.server.execute(sql).await;
    }

    /// The rows of a query as text, columns joined by `|`, null as `-`.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        self.server.rows(sql).await
    }

    pub(crate) async fn one(&self, sql: &str) -> String {
        self.server.one(sql).await
    }

    /// Live blocks with the ids 1 to `n`.
    pub(crate) async fn blocks(&self, n: usize) {
        self.execute(&format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {n})
             insert into block (id, calendar_id, gcal_id, other_id) select i, 'c', 'g' || i, 'o' || i from n"
        ))
        .await;
    }

    pub(crate) async fn try_request(&self, resource: &str, keys: &[&str]) -> Result<Vec<Requested>, db::Error> {
        let table = self.table(resource);
        let keys: Vec<_> = keys.iter().map(|key| table.parse_key(key).unwrap()).collect();
        let transaction = self.store.db.begin().await?;
        let requested = soft_remove(&transaction, &self.store, &table, &keys, &DeletionRequest::by("test")).await?;
        transaction.commit().await.map_err(db::Error::from)?;
        Ok(requested)
    }

    /// Requests deletions and commits.
    pub(crate) async fn request(&self, resource: &str, keys: &[&str]) -> Vec<Requested> {
        self.try_request(resource, keys).await.unwrap()
    }

    /// Requests one deletion and commits.
    pub(crate) async fn request_one(&self, resource: &str, key: &str) -> Requested {
        let mut requested = self.request(resource, &[key]).await;
        assert_eq!(requested.len(), 1);
        requested.remove(0)
    }

    pub(crate) async fn claim(&self, candidates: Candidates<'_>) -> Vec<Claim> {
        let lanes = self.store.catalog.lanes();
        self.store.ledger.claim(&self.store.db, claim_by_me(candidates, &lanes)).await.unwrap()
    }

    /// Requests a block's deletion and claims it.
    pub(crate) async fn claimed_block(&self) -> Claim {
        self.blocks(1).await;
        let id = self.request_one("block", "1").await.id;
        self.claim_one(id).await
    }

    pub(crate) async fn claim_one(&self, id: DeletionId) -> Claim {
        let mut claims = self.claim(Candidates::Hinted(&[id])).await;
        assert_eq!(claims.len(), 1, "{id} is not to be had");
        claims.remove(0)
    }

    pub(crate) async fn settle(&self, settlement: Settlement) -> bool {
        let id = settlement.id;
        self.store.ledger.settle(&self.store.db, &[settlement], ME).await.unwrap().contains(&id)
    }

    /// Makes a block's deletion dead, with these confirmations.
    pub(crate) async fn kill(&self, claim: &Claim, confirmations: Confirmations) {
        let mut dead = settlement(claim, Event::Died);
        dead.dead = Some(sexton_core::outcome::DeadKind::Rejected);
        dead.confirmations = confirmations;
        assert!(self.settle(dead).await);
    }

    /// All open and dead deletions as `key|state|fence|attempts|rescues`.
    pub(crate) async fn deletions(&self) -> Vec<String> {
        self.rows("select key, state, fence, attempts, rescues from sexton_deletion order by key").await
    }

    pub(crate) async fn begin(&self) -> sea_orm::DatabaseTransaction {
        self.store.db.begin().await.unwrap()
    }

    /// Another pool, as an application has it.
    pub(crate) async fn application(&self) -> sea_orm::DatabaseConnection {
        self.server.connect().await
    }

    /// A transaction of the application at another level.
    pub(crate) async fn repeatable_read(&self) -> sea_orm::DatabaseTransaction {
        self.store.db.conn.begin_with_config(Some(sea_orm::IsolationLevel::RepeatableRead), None).await.unwrap()
    }

    /// Waits until `n` sessions of this database wait for a lock (PostgreSQL).
    pub(crate) async fn waiting_for_locks(&self, n: usize) {
        self.server.until_waiting_for_locks(n).await;
    }
}

impl FromServer for Fixture {
    async fn from_server(server: Server) -> Self {
        let tables = if server.is_postgres() { schema::POSTGRES } else { schema::SQLITE };
        Self::with(server, tables, schema::CONFIG).await
    }
}
