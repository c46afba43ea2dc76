//! `GET /v1/deletions/…`: what became of a deletion.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use sexton_core::{config::Right, ledger::Record};
use utoipa::IntoParams;

use super::{
    auth::Client,
    input::read_query,
    problem::{Problem, Problems},
    shared::ApiState,
};

/// Which row.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RowQuery {
    /// The resource, as in `[resources.NAME]`.
    #[param(example = "block")]
    resource: String,
    /// The row's key: its value, or for a composite key a JSON array with a value for each column.
    #[param(example = "42")]
    key: String,
}

/// Everything about one deletion
///
/// The same as `sexton show ID --json`.
#[utoipa::path(
    get,
    path = "/v1/deletions/{id}",
    operation_id = "showDeletion",
    tag = "deletions",
    params(("id" = uuid::Uuid, Path, description = "The deletion")),
    responses(
        (status = 200, body = Record, description = "The deletion"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is none"),
        Problems,
    ),
    security(("token" = [])),
)]
pub(super) async fn show_deletion(
    State(api): State<Arc<ApiState>>,
    Extension(client): Extension<Client>,
    Path(id): Path<String>,
) -> Result<Json<Record>, Problem> {
    client.ensure_right(Right::Read)?;
    let none = || Problem::not_found(format!("there is no deletion `{id}`"));
    let id = id.parse().map_err(|_| none())?;
    let _permit = api.connection_permit().await?;
    let record = api.context.store.ledger.record(&api.context.store.db.conn, id).await?;
    // A deletion of another resource is none for this client.
    record.filter(|record| client.may_use(&record.resource)).map(Json).ok_or_else(none)
}

/// The newest deletion of a row
///
/// An open or dead one, else the one that finished last; also of a row that is gone.
#[utoipa::path(
    get,
    path = "/v1/deletions",
    operation_id = "findDeletion",
    tag = "deletions",
    params(RowQuery),
    responses(
        (status = 200, body = Record, description = "The deletion"),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "A parameter is missing or unknown"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The row has none"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "No such resource, or not a key of it; `field` names the parameter"),
        Problems,
    ),
    security(("token" = [])),
)]
pub(super) async fn find_deletion(
    State(api): State<Arc<ApiState>>,
    Extension(client): Extension<Client>,
    row: Result<Query<RowQuery>, QueryRejection>,
) -> Result<Json<Record>, Problem> {
    client.ensure_right(Right::Read)?;
    let row = read_query(row)?;
    client.ensure_resource(&row.resource)?;
    let table = api.table(&row.resource)?;
    let key = table.parse_key(&row.key).map_err(|error| Problem::field("key", error.to_string()))?;
    let none = || Problem::not_found(format!("{} has no deletion of the row with the key `{key}`", table.name));
    let _permit = api.connection_permit().await?;
    let (ledger, conn) = (&api.context.store.ledger, &api.context.store.db.conn);
    let id = ledger.find(conn, table.name.as_str(), &key.to_string()).await?.ok_or_else(none)?;
    ledger.record(conn, id).await?.map(Json).ok_or_else(none)
}
