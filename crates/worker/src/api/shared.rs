//! What the handlers share.

use std::{sync::Arc, time::Duration};

use sexton_core::{catalog::Table, soft_remove::Requested};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{auth::ApiClients, problem::Problem};
use crate::{engine::Context, feed::Wake, requests::Hints};

/// How long a request waits for its turn.
const QUEUED: Duration = Duration::from_secs(3);
/// How long an answer waits for hints to be pushed; the deletions are committed by then.
const HINTED: Duration = Duration::from_millis(500);

/// What the handlers share.
pub(crate) struct ApiState {
    pub(super) context: Arc<Context>,
    pub(super) clients: ApiClients,
    pub(super) hints: Hints,
    wake: Arc<Wake>,
    /// For requests that use the database.
    connections: Arc<Semaphore>,
}

impl ApiState {
    /// The API of this process; none if it is not configured.
    pub(crate) fn new(context: &Arc<Context>, hints: Hints, wake: Arc<Wake>) -> Option<Arc<Self>> {
        let config = &context.config;
        let connections = (config.database.max_connections / 2).max(1) as usize;
        config.api.is_on().then(|| {
            Arc::new(Self {
                clients: ApiClients::new(&config.api.tokens),
                context: Arc::clone(context),
                hints,
                wake,
                connections: Arc::new(Semaphore::new(connections)),
            })
        })
    }

    /// The right to use a connection to the database.
    pub(super) async fn connection_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        match tokio::time::timeout(QUEUED, Arc::clone(&self.connections).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Problem::busy("too many requests at once")),
        }
    }

    pub(super) fn table(&self, resource: &str) -> Result<&Arc<Table>, Problem> {
        let catalog = &self.context.store.catalog;
        catalog.by_name(resource).ok_or_else(|| {
            let known: Vec<_> = catalog.tables().map(|table| table.name.to_string()).collect();
            let why = format!("there is no resource `{resource}`; configured are {}", known.join(", "));
            Problem::field("resource", why)
        })
    }

    /// Pushes hints at what was just committed, or wakes this process.
    pub(super) async fn push_hints(&self, requested: &[Requested]) {
        let pushed = tokio::time::timeout(HINTED, self.hints.push(requested)).await.unwrap_or(false);
        if !pushed {
            self.wake.wake_all();
        }
    }
}
