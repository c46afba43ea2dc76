//! What the API says of itself: `GET /v1/openapi.json`, OpenAPI 3.1, generated from the handlers and their types.

use std::sync::Arc;

use axum::{Router, http::header, routing::get};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{request_deletions, restore_deletion, shared::ApiState, show_deletion};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sexton",
        description = "Durable two-phase deletion for rows whose data also lives in other people's systems.",
        version = env!("CARGO_PKG_VERSION"),
    ),
    tags((name = "deletions", description = "Requesting and restoring deletions, and what became of them")),
    modifiers(&TokenScheme),
)]
struct ApiDescription;

/// The security scheme that the handlers name.
struct TokenScheme;

impl Modify for TokenScheme {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("One of `api.tokens`"));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// The handlers, with what they say of themselves.
pub(super) fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::with_openapi(ApiDescription::openapi())
        .routes(routes!(request_deletions::request_deletions, show_deletion::find_deletion))
        .routes(routes!(show_deletion::show_deletion, restore_deletion::restore_deletion))
}

/// The description itself. It needs no token: it says nothing of what is configured here.
pub(super) fn route(description: &utoipa::openapi::OpenApi) -> Router<Arc<ApiState>> {
    // Serializing what the macros made does not fail; if it did, an empty description would be no harm.
    let text: Arc<str> = description.to_json().unwrap_or_default().into();
    let serve = move || async move { ([(header::CONTENT_TYPE, "application/json")], text.to_string()) };
    Router::new().route("/v1/openapi.json", get(serve))
}
