//! Making a producer.

use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret;
use sexton_core::{config::Config, db::Db, ledger::Ledger, store::Store, transport::HintQueue};
use tracing::warn;

use crate::{Error, Producer, Request, entity_tables::EntityTables, hints::HintSender, producer::Shared};

/// Settings of a [`Producer`]; see [`Producer::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing before `connect`"]
pub struct Builder<'c> {
    conn: DatabaseConnection,
    config: &'c Config,
    request: Request,
    hints: bool,
}

impl<'c> Builder<'c> {
    pub(crate) fn new(conn: DatabaseConnection, config: &'c Config) -> Self {
        Self { conn, config, request: Request::default(), hints: true }
    }

    /// What is recorded with deletions for which [`Producer::with`] says nothing else.
    pub fn request(mut self, request: Request) -> Self {
        self.request = request;
        self
    }

    /// Does without Redis although the configuration names one.
    pub fn without_hints(mut self) -> Self {
        self.hints = false;
        self
    }

    /// Finds the ledger and the configured tables in the database. Redis is not contacted.
    ///
    /// A configuration that differs from the one `sexton migrate` wrote is logged as a warning only, because an
    /// application and its daemon are not deployed in the same instant.
    ///
    /// # Errors
    /// [`Error::Ledger`] when the database was not migrated, [`Error::Catalog`] when the resources do not fit the
    /// database, [`Error::Queue`] when the queue's URL or name cannot be used, [`Error::Database`].
    pub async fn connect(self) -> Result<Producer, Error> {
        let reading = Error::database("read the database's catalogue");
        let db = Db::of_application(self.conn).await.map_err(reading)?;
        let ledger = Ledger::open(&db).await?;
        let store = Store::load(db, ledger, self.config).await?;
        let resolving = || Error::database("resolve the configured tables");
        let entities = EntityTables::find(&store.db, store.catalog.tables()).await.map_err(resolving())?;
        let choices = EntityTables::find(&store.db, store.catalog.unreferenced()).await.map_err(resolving())?;
        let drift = store.ledger.drift(&store.db, &self.config.resources).await;
        for drift in drift.map_err(Error::database("read the resource definitions"))? {
            warn!(%drift, "this application's configuration is not the daemon's");
        }
        let hints = match &self.config.queue.url {
            Some(url) if self.hints => {
                let identity = store.ledger.identity(&store.db).await;
                let identity = identity.map_err(Error::database("tell this ledger from others"))?;
                let queue = HintQueue::new(url.expose_secret(), &self.config.queue.name)?.of_ledger(&identity);
                HintSender::start(queue, self.config.queue.window)
            }
            _ => HintSender::off(),
        };
        Ok(Producer::new(Shared { store, entities, choices, hints }, self.request))
    }
}
