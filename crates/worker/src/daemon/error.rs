//! Why a daemon cannot start, or ends.

use std::net::SocketAddr;

use sexton_core::{
    catalog,
    db::{self, ConnectError},
    ledger::{Drift, OpenError},
};
use tokio::task::JoinError;

use crate::connector::SetupError;

/// Why a daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No database.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No ledger in it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The configuration does not fit the database.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// Producers and this worker would not agree.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Drift(Vec<Drift>),
    /// A connector cannot be set up.
    #[error(transparent)]
    Connector(#[from] SetupError),
    /// The queue's name or URL is wrong.
    #[error("queue: {0}")]
    Queue(#[from] sexton_core::transport::Error),
    /// The console's or the API's address is taken, or not ours.
    #[error("{setting}: cannot listen on {address}: {source}")]
    Listen {
        /// The setting with the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// A part of the daemon ended although the daemon was not shut down.
#[derive(Debug, thiserror::Error)]
pub enum ServiceFailure {
    /// It returned an error, or just returned.
    #[error("{0} ended: {1}")]
    Ended(&'static str, String),
    /// It panicked.
    #[error("a part of the daemon panicked: {0}")]
    Panicked(#[from] JoinError),
}
