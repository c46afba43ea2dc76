//! The routes, and what the handlers share.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Query, Request, rejection::QueryRejection},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};
use sexton_core::{catalog::Table, soft_remove::Requested};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    auth::{self, Clients},
    openapi,
    problem::{self, Problem},
};
use crate::{engine::Context, feed::Wake, metrics, requests::Hints};

/// The largest body of a request, in bytes: a thousand keys of a kilobyte.
const BODY: usize = 1024 * 1024;
/// How long a request waits for a connection to the database.
const QUEUED: Duration = Duration::from_secs(3);
/// How long an answer waits for hints to be pushed; the deletions are committed by then.
const HINTED: Duration = Duration::from_millis(500);

/// What the handlers share.
pub(crate) struct Api {
    pub(super) context: Arc<Context>,
    pub(super) clients: Clients,
    pub(super) hints: Hints,
    wake: Arc<Wake>,
    /// For requests that use the database.
    connections: Arc<Semaphore>,
}

impl Api {
    /// The API of this process; none if it is not configured.
    pub(crate) fn new(context: &Arc<Context>, hints: Hints, wake: Arc<Wake>) -> Option<Arc<Self>> {
        let config = &context.config;
        let connections = (config.database.max_connections / 2).max(1) as usize;
        config.api.is_on().then(|| {
            Arc::new(Self {
                clients: Clients::new(&config.api.tokens),
                context: Arc::clone(context),
                hints,
                wake,
                connections: Arc::new(Semaphore::new(connections)),
            })
        })
    }

    /// Everything under `/v1`.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let (router, description) = openapi::routes().split_for_parts();
        let require_token = from_fn_with_state(Arc::clone(self), auth::require_token);
        router
            .method_not_allowed_fallback(problem::no_such_method)
            .route_layer(require_token)
            .merge(openapi::route(&description))
            .route("/v1/{*path}", axum::routing::any(problem::no_such_path))
            .layer(DefaultBodyLimit::max(BODY))
            .layer(from_fn(count_answer))
            .with_state(Arc::clone(self))
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

/// Counts the answers.
async fn count_answer(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    metrics::count_api_request(response.status().as_u16());
    response
}

/// Reads a query string.
pub(super) fn read_query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|query| query.0).map_err(|rejection| Problem::request(rejection.status(), rejection.body_text()))
}

/// The longest reason, in characters.
pub(super) const REASON: usize = 1000;
/// The longest name of who asks, in characters.
pub(super) const REQUESTED_BY: usize = 200;

/// Checks a text that will be recorded: at most `most` characters, and no NUL, which PostgreSQL cannot store. A blank text
/// is none.
pub(super) fn check_text(field: &str, text: Option<String>, most: usize) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.contains('\0') => Err(Problem::field(field, "it has a NUL character")),
        Some(text) if text.chars().count() > most => {
            Err(Problem::field(field, format!("it is longer than {most} characters")))
        }
        text => Ok(text.filter(|text| !text.trim().is_empty())),
    }
}
