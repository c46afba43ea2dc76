//! The producer itself: what it knows, and what its clones share.

use std::sync::Arc;

use sea_orm::{DatabaseConnection, EntityTrait};
use sexton_core::{
    catalog::{Table, UnreferencedTable},
    config::Config,
    store::Store,
};

use crate::{Builder, Error, Pending, Request, entity_tables::EntityTables, hints::HintSender};

/// Marks rows of the configured tables and records their deletions. Cheap to clone; clones share everything.
///
/// It must be made and used within a Tokio runtime.
#[derive(Debug, Clone)]
pub struct Producer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) request: Request,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) entities: EntityTables<Table>,
    pub(crate) choices: EntityTables<UnreferencedTable>,
    pub(crate) hints: HintSender,
}

impl Producer {
    /// A producer on the application's own pool. Of `config`, only the resources and the queue are used.
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub async fn connect(conn: DatabaseConnection, config: &Config) -> Result<Self, Error> {
        Self::builder(conn, config).connect().await
    }

    /// As [`Self::connect`], with settings.
    ///
    /// ```no_run
    /// # async fn example(db: sea_orm::DatabaseConnection, config: sexton_core::config::Config)
    /// # -> Result<(), sexton_producer::Error> {
    /// use sexton_producer::{Producer, Request};
    ///
    /// let producer = Producer::builder(db, &config).request(Request::by("booking-service")).connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(conn: DatabaseConnection, config: &Config) -> Builder<'_> {
        Builder::new(conn, config)
    }

    pub(crate) fn new(shared: Shared, request: Request) -> Self {
        Self { shared: Arc::new(shared), request }
    }

    /// A clone that records `request` with its deletions.
    #[must_use]
    pub fn with(&self, request: Request) -> Self {
        Self { shared: Arc::clone(&self.shared), request }
    }

    /// Tells the daemon of deletions that were requested in a transaction of the caller, now that it has committed. It
    /// never waits and cannot fail: if the hint does not reach Redis, the daemon finds the deletions in the ledger.
    pub fn enqueue(&self, pending: Pending) {
        self.shared.hints.push(pending.0.into_iter());
    }

    /// The resource whose table is the entity's.
    pub(crate) fn table_of<E: EntityTrait>(&self) -> Result<&Arc<Table>, Error> {
        self.shared.entities.table_of::<E>()
    }
}
