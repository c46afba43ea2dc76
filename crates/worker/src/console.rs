//! The operators' HTTP address: `/healthz`, `/readyz`, `/metrics`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::{
    api::{ApiClients, Problem},
    engine::Engine,
    transport::Activity,
};

#[derive(Clone)]
struct ConsoleState {
    engine: Arc<Engine>,
    activity: Option<Arc<Activity>>,
    metrics: Option<PrometheusHandle>,
    /// Whose tokens are asked for; none where no token is needed.
    clients: Option<Arc<ApiClients>>,
}

/// The console's routes.
pub(crate) fn router(
    engine: Arc<Engine>,
    activity: Option<Arc<Activity>>,
    metrics: Option<PrometheusHandle>,
) -> Router {
    let config = &engine.context.config;
    let clients = config.console.needs_token().then(|| Arc::new(ApiClients::new(&config.api.tokens)));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(ConsoleState { engine, activity, metrics, clients })
}

/// Ready means that the ledger answers. Redis may be away: the process takes from the ledger meanwhile.
async fn ready(State(console): State<ConsoleState>) -> impl IntoResponse {
    let context = &console.engine.context;
    let answer = tokio::time::timeout(Duration::from_secs(2), context.store.ledger.ping(&context.store.db)).await;
    let database = match answer {
        Ok(Ok(())) => "ok",
        Ok(Err(_)) => "failing",
        Err(_) => "not answering",
    };
    let redis = match &console.activity {
        None => "not configured",
        Some(activity) if activity.is_healthy() => "ok",
        Some(_) => "failing",
    };
    let status = if database == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "database": database, "redis": redis, "in_flight": console.engine.in_flight() });
    (status, Json(body))
}

/// The metrics name resources and targets and say how much is deleted: beyond this machine they need a token.
async fn render(State(console): State<ConsoleState>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(clients) = &console.clients {
        clients.ensure_operator(&headers)?;
    }
    Ok(match &console.metrics {
        Some(metrics) => {
            metrics.run_upkeep();
            metrics.render().into_response()
        }
        None => {
            let why = "metrics are collected by the application around this daemon\n";
            (StatusCode::NOT_FOUND, why).into_response()
        }
    })
}
