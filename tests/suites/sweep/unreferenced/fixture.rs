//! Toys and persons in PostgreSQL, and the steps of the sweep one by one.

use std::{collections::BTreeMap, time::Duration};

use super::toys::{TABLES, TOY};
use crate::rig::{Server, ledger::parse, store};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use sexton_core::{
    catalog::{Catalog, UnreferencedTable},
    db::{Db, NextPage},
    key::Key,
    ledger::Ledger,
    store::Store,
    sweep::unreferenced::{Page, Step, TablePass},
};

/// What is covered in tests that are about something else.
const ALWAYS: &str = "2000-01-01T00:00:00Z";
/// And a time that is no longer ago than it may be.
const LATELY: &str = "2200-01-01T00:00:00Z";

pub(crate) struct Fixture {
    pub(crate) server: Server,
    /// The sweep's own sessions.
    pub(crate) store: Store,
    pub(crate) toys: UnreferencedTable,
    /// An application's.
    pub(crate) application: DatabaseConnection,
}

impl Fixture {
    /// Toys 1 to `n`, unreferenced long enough to be deleted.
    pub(crate) async fn of_old_toys(n: usize) -> Self {
        let server = Server::postgres().await;
        server.execute(TABLES).await;
        server
            .execute(&format!("insert into toy select n, '', now() - interval '1 year' from generate_series(1, {n}) n"))
            .await;
        Self::on(server, 4).await
    }

    pub(crate) async fn on(server: Server, connections: u32) -> Self {
        let db = store::connect(server.url(), connections).await;
        let toys = load(&db, TOY).await;
        let application = server.connect().await;
        let store = store_without_tables(db).await;
        Self { server, store, toys, application }
    }

    pub(crate) async fn look(&self) -> Page {
        self.pass().look(NextPage { after: None, limit: 1000 }).await.unwrap()
    }

    /// What is to be done, as the sweep sees it now.
    pub(crate) async fn seen(&self) -> Vec<(String, Step)> {
        self.look().await.observations.into_iter().map(|one| (one.key.to_string(), one.step)).collect()
    }

    pub(crate) async fn act(&self, step: Step, keys: &[&str]) -> Result<Vec<String>, sexton_core::db::Error> {
        let keys: Vec<Key> = keys.iter().map(|key| self.toys.rows.parse_key(key).unwrap()).collect();
        let done = self.pass().act(step, &keys).await?;
        Ok(done.iter().map(Key::to_string).collect())
    }

    pub(crate) fn pass(&self) -> TablePass<'_> {
        pass(&self.store, &self.toys)
    }

    /// An application's transaction in which this was done, at the given isolation level.
    pub(crate) async fn open(&self, level: &str, sql: &str) -> DatabaseTransaction {
        let transaction = self.application.begin().await.unwrap();
        transaction.execute_unprepared(&format!("set transaction isolation level {level}")).await.unwrap();
        transaction.execute_unprepared(sql).await.unwrap();
        transaction
    }

    pub(crate) async fn ids(&self, sql: &str) -> String {
        self.server.rows(sql).await.join(" ")
    }
}

pub(crate) fn pass<'p>(store: &'p Store, toys: &'p UnreferencedTable) -> TablePass<'p> {
    TablePass { store, unreferenced: toys, table: None, covered_from: ALWAYS, looked_at: LATELY }
}

/// The ledger, and no tables: a pass has its own.
pub(crate) async fn store_without_tables(db: Db) -> Store {
    let ledger = Ledger::open(&db).await.unwrap();
    let catalog = Catalog::resolve(&db, &BTreeMap::new()).await.unwrap();
    Store { db, ledger, catalog }
}

/// The resource `toy`.
pub(crate) async fn load(db: &Db, resources: &str) -> UnreferencedTable {
    let config = parse(resources);
    let (name, resource) = config.resources.iter().find(|(name, _)| name.as_str() == "toy").unwrap();
    let toys = UnreferencedTable::load(db, name, resource).await.unwrap().unwrap().unwrap();
    assert_eq!(toys.problems, []);
    toys
}

/// The SQLSTATE of what the database refused.
pub(crate) fn code(error: &sexton_core::db::Error) -> String {
    error.refusal().map(|refusal| refusal.code).unwrap_or_default()
}

/// Runs what must not wait for a lock.
pub(crate) async fn at_once<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), what).await.expect("it waits for another transaction")
}
