//! The operators' HTTP address: `/healthz`, `/readyz`, `/metrics`.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{engine::Engine, transport::Activity};

#[derive(Clone)]
struct ConsoleState {
    engine: Arc<Engine>,
    activity: Option<Arc<Activity>>,
    metrics: Option<PrometheusHandle>,
}

/// The console's routes.
pub(crate) fn router(
    engine: Arc<Engine>,
    activity: Option<Arc<Activity>>,
    metrics: Option<PrometheusHandle>,
) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(ConsoleState { engine, activity, metrics })
}

/// Serves `router` on `listener` until `stop`.
///
/// # Errors
/// [`std::io::Error`] when the system accepts no more connections.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
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

async fn render(State(console): State<ConsoleState>) -> impl IntoResponse {
    match &console.metrics {
        Some(metrics) => {
            metrics.run_upkeep();
            (StatusCode::OK, metrics.render())
        }
        None => (StatusCode::NOT_FOUND, "metrics are collected by the application around this daemon\n".to_owned()),
    }
}
