//! The routes of the API.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};

use super::{
    openapi,
    problem::{self, Problem},
    shared::ApiState,
};
use crate::metrics;

/// The largest body of a request, in bytes: a thousand keys of a kilobyte.
const BODY: usize = 1024 * 1024;

/// Everything under `/v1`.
pub(crate) fn router(api: &Arc<ApiState>) -> Router {
    let (router, description) = openapi::routes().split_for_parts();
    router
        .method_not_allowed_fallback(problem::no_such_method)
        .route_layer(from_fn_with_state(Arc::clone(api), require_token))
        .merge(openapi::route(&description))
        .route("/v1/{*path}", axum::routing::any(problem::no_such_path))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(count_answer))
        .with_state(Arc::clone(api))
}

/// Lets requests with a known token pass, and adds their client.
async fn require_token(
    State(api): State<Arc<ApiState>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let client = api.clients.of_request(request.headers())?;
    request.extensions_mut().insert(client);
    Ok(next.run(request).await)
}

/// Counts the answers.
async fn count_answer(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    metrics::count_api_request(response.status().as_u16());
    response
}
