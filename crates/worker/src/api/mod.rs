//! The HTTP API: requesting and restoring deletions from any language, and asking what became of them.
//!
//! A thin layer: what it records, it records exactly as `sexton request` and `sexton restore` do ([`crate::removal`]), in
//! one transaction; what it tells is what `sexton show --json` prints. Clients are known by their tokens. Faults are
//! `application/problem+json` (RFC 9457). Its description (OpenAPI) is generated from the types and handlers here.
//!
//! It shares the worker's pool, so at most half of the connections are used by requests at once; whoever does not get
//! one in time is told to come back. A worker that is shutting down goes on answering: what it records, others work on.

mod auth;
mod description;
mod keys;
mod problem;
mod reading;
mod requesting;
mod restoring;
mod trace_context;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, rejection::QueryRejection},
    middleware::{from_fn, from_fn_with_state},
};
use sexton_core::{catalog::Table, soft_remove::Requested};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::{auth::Clients, problem::Problem};
use crate::{engine::Context, feed::Wake, requests::Hints};

/// The largest body of a request, in bytes: a thousand keys of a kilobyte.
const BODY: usize = 1024 * 1024;
/// How long a request waits for others to be done with the database.
const QUEUED: Duration = Duration::from_secs(3);
/// How long an answer waits for hints to be pushed; the deletions are committed by then.
const HINTED: Duration = Duration::from_millis(500);

/// What the handlers share.
pub(crate) struct Api {
    context: Arc<Context>,
    clients: Clients,
    hints: Hints,
    wake: Arc<Wake>,
    /// For requests that use the database.
    places: Arc<Semaphore>,
}

impl Api {
    /// The API of this process; none if nobody may use it.
    pub(crate) fn new(context: &Arc<Context>, hints: Hints, wake: Arc<Wake>) -> Option<Arc<Self>> {
        let config = &context.config;
        let places = (config.database.max_connections / 2).max(1) as usize;
        config.api.is_on().then(|| {
            Arc::new(Self {
                clients: Clients::new(&config.api.tokens),
                context: Arc::clone(context),
                hints,
                wake,
                places: Arc::new(Semaphore::new(places)),
            })
        })
    }

    /// Everything under `/v1`.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let (router, description) = description::routes().split_for_parts();
        let known = from_fn_with_state(Arc::clone(self), auth::known);
        router
            .method_not_allowed_fallback(problem::no_such_method)
            .route_layer(known)
            .merge(description::route(&description))
            .route("/v1/{*path}", axum::routing::any(problem::no_such_path))
            .layer(DefaultBodyLimit::max(BODY))
            .layer(from_fn(problem::counted))
            .with_state(Arc::clone(self))
    }

    /// The right to use the database.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        match tokio::time::timeout(QUEUED, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Problem::busy("too many requests at once")),
        }
    }

    fn table(&self, resource: &str) -> Result<&Arc<Table>, Problem> {
        let catalog = &self.context.store.catalog;
        catalog.by_name(resource).ok_or_else(|| {
            let known: Vec<_> = catalog.tables().map(|table| table.name.to_string()).collect();
            let why = format!("there is no resource `{resource}`; configured are {}", known.join(", "));
            Problem::field("resource", why)
        })
    }

    /// Sees to it that what was just committed is worked on soon.
    async fn hint(&self, requested: &[Requested]) {
        let hinted = tokio::time::timeout(HINTED, self.hints.push(requested)).await.unwrap_or(false);
        if !hinted {
            self.wake.now();
        }
    }
}

/// A query string that was read, or what is wrong with it.
fn query<T>(query: Result<axum::extract::Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|query| query.0).map_err(|rejection| Problem::request(rejection.status(), rejection.body_text()))
}

/// A text that is recorded: not longer than `most` characters, and without the one that PostgreSQL cannot keep.
fn recorded(field: &str, text: Option<String>, most: usize) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.contains('\0') => Err(Problem::field(field, "it has a NUL character")),
        Some(text) if text.chars().count() > most => {
            Err(Problem::field(field, format!("it is longer than {most} characters")))
        }
        text => Ok(text.filter(|text| !text.trim().is_empty())),
    }
}

/// The longest reason, in characters.
const REASON: usize = 1000;
/// The longest name of who asks, in characters.
const REQUESTED_BY: usize = 200;
