//! What can go wrong, said so that the reader knows the row and the remedy.

use sexton_core::{
    catalog,
    db::{self, Refusal},
    ids::BatchId,
    key::InvalidKey,
    ledger::OpenError,
    restore, transport,
};

/// Why a [`Producer`](crate::Producer) could not be made or a request was refused. Nothing was changed by a call that
/// returns one, except as [`Self::Database`] and [`Self::Interrupted`] say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database has no ledger, or did not answer.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// `sexton.toml` does not fit the database.
    #[error("the resources of the configuration do not fit the database:\n{0}")]
    Catalog(#[from] catalog::Error),
    /// The URL or the name of the queue cannot be used.
    #[error("queue: {0}")]
    Queue(#[from] transport::Error),
    /// The entity's table is not a configured resource.
    #[error(
        "table `{table}` is not a configured resource (configured: {configured}); \
         add a [resources.NAME] with table = \"{table}\" to sexton.toml and run `sexton migrate`"
    )]
    UnknownTable {
        /// The entity's table.
        table: String,
        /// The tables that are, each with its resource.
        configured: String,
    },
    /// Several resources are about the entity's table.
    #[error("table `{table}` is the table of the resources {resources}; name one with `soft_remove_by_key`")]
    AmbiguousTable {
        /// The entity's table.
        table: String,
        /// The resources.
        resources: String,
    },
    /// There is no such resource.
    #[error(
        "resource `{resource}` is not configured (configured: {configured}); add [resources.{resource}] to sexton.toml"
    )]
    UnknownResource {
        /// The name that was given.
        resource: String,
        /// The tables that are configured, each with its resource.
        configured: String,
    },
    /// The entity lacks a key column.
    #[error("the entity of table `{table}` has no column `{column}`, which is in the key of resource `{resource}`")]
    MissingKeyColumn {
        /// The resource.
        resource: String,
        /// The entity's table.
        table: String,
        /// The column.
        column: String,
    },
    /// The model's value cannot be part of a key.
    #[error(
        "column `{column}` of a row of resource `{resource}` is {value}, which cannot be part of a key: \
         expected an integer, a UUID or text"
    )]
    KeyValue {
        /// The resource.
        resource: String,
        /// The column.
        column: String,
        /// What kind of value it is.
        value: &'static str,
    },
    /// The text or the model's values cannot be a key of the table.
    #[error("resource `{resource}`: {source}")]
    InvalidKey {
        /// The resource.
        resource: String,
        /// What is wrong with it.
        source: InvalidKey,
    },
    /// There is no such row: it was deleted, or never inserted.
    #[error("there is no row with key {key} in table `{table}` (resource `{resource}`); was it deleted meanwhile?")]
    NotFound {
        /// The resource.
        resource: String,
        /// Its table.
        table: String,
        /// The key that was looked for.
        key: String,
    },
    /// The row of a restore has no deletion: it was never removed through Sexton, or the proof is no longer kept.
    #[error("no deletion of the row with key {key} in table `{table}` is known (resource `{resource}`)")]
    NotRequested {
        /// The resource.
        resource: String,
        /// Its table.
        table: String,
        /// The row's key.
        key: String,
    },
    /// The deletion cannot be taken back.
    #[error(transparent)]
    Restore(#[from] restore::Error),
    /// Removing many rows stopped. What was committed before is requested.
    #[error("stopped after {requested} rows of table `{table}`: {source}; continue with `resume({batch})`")]
    Interrupted {
        /// The table.
        table: String,
        /// The batch to resume.
        batch: BatchId,
        /// The rows that were newly requested by this run.
        requested: u64,
        /// What stopped it.
        source: Box<Error>,
    },
    /// The database refused or did not answer. If it was the commit that failed, only the ledger knows whether it took
    /// place; another try is safe.
    #[error("cannot {action}: {source}")]
    Database {
        /// What was being done.
        action: String,
        /// What the database said.
        source: db::Error,
    },
}

impl Error {
    /// What the database refused, if it may be about one row alone: locks and timeouts are not.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let Self::Database { source, .. } = self else { return None };
        source.refusal().filter(|refusal| !refusal.is_contention())
    }

    pub(crate) fn database<E: Into<db::Error>>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source: source.into() }
    }
}
