//! `DELETE /v1/deletions/{id}`: restoring.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};
use sexton_core::{
    config::Right,
    restore::{self, MarkedRows},
};
use utoipa::{IntoParams, ToSchema};

use super::{
    auth::Client,
    input::{REASON, REQUESTED_BY, check_text, read_query},
    problem::{Problem, Problems},
    shared::ApiState,
};
use crate::requests::{Restore, restore_deletions};

/// How to restore.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RestoreQuery {
    /// Restore all deletions of the same request: all of them, or none.
    #[serde(default)]
    #[param(required = false)]
    batch: bool,
    /// Why.
    #[param(nullable = false, max_length = 1000)]
    reason: Option<String>,
    /// For whom the client asks; recorded as `WHO via CLIENT`.
    #[param(nullable = false, max_length = 200)]
    requested_by: Option<String>,
}

/// What was taken back, in the order of the ids.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RestoredDeletions {
    restored: Vec<RestoredDeletion>,
}

/// A deletion that was taken back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Restored)]
struct RestoredDeletion {
    /// The deletion, now cancelled.
    #[schema(value_type = uuid::Uuid)]
    id: String,
    /// Its resource.
    resource: String,
    /// The row's key.
    key: String,
    /// Whether the row is live again; false if it is gone, or was changed so that it was not ours to bring back.
    row_restored: bool,
}

/// Take a request back
///
/// Until the first external call was made. The row gets back what its marker column held before.
#[utoipa::path(
    delete,
    path = "/v1/deletions/{id}",
    operation_id = "restoreDeletion",
    tag = "deletions",
    params(("id" = uuid::Uuid, Path, description = "The deletion"), RestoreQuery),
    responses(
        (status = 200, body = RestoredDeletions, description = "Restored"),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "A parameter is unknown or cannot be read"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is none"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "It is too late, it was restored already, or the row would stay marked; `detail` says which. \
                Nothing was changed"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "A parameter is too long; `field` names it"),
        Problems,
    ),
    security(("token" = [])),
)]
pub(super) async fn restore_deletion(
    State(api): State<Arc<ApiState>>,
    Extension(client): Extension<Client>,
    Path(id): Path<String>,
    query: Result<Query<RestoreQuery>, QueryRejection>,
) -> Result<Json<RestoredDeletions>, Problem> {
    client.ensure_right(Right::Restore)?;
    let query = read_query(query)?;
    let none = || Problem::not_found(format!("there is no deletion `{id}`"));
    let id = id.parse().map_err(|_| none())?;
    let by = check_text("requested_by", query.requested_by, REQUESTED_BY)?;
    let reason = check_text("reason", query.reason, REASON)?;
    let who = client.asking_for(by.as_deref());
    let marked = MarkedRows::Refuse;
    let what = Restore { id, batch: query.batch, marked, who: &who, reason: reason.as_deref() };
    if query.batch {
        client.ensure_all_resources()?;
    }
    let _permit = api.connection_permit().await?;
    if client.is_restricted() {
        let record = api.context.store.ledger.record(&api.context.store.db.conn, id).await?;
        if !record.is_some_and(|record| client.may_use(&record.resource)) {
            return Err(none());
        }
    }
    let restored = restore_deletions(&api.context.store, &what).await;
    // What stands in the way may be a row of another resource.
    let restored = restored
        .map_err(|error| if client.is_restricted() { Problem::of_restore_unnamed(error) } else { error.into() })?;
    // Children of other resources are restored with it; a client that is not for these does not hear of them.
    let told = restored.into_iter().filter(|one| client.may_use(&one.resource));
    Ok(Json(RestoredDeletions { restored: told.map(RestoredDeletion::from).collect() }))
}

impl From<restore::Restored> for RestoredDeletion {
    fn from(restored: restore::Restored) -> Self {
        let restore::Restored { id, resource, key, row_restored, .. } = restored;
        Self { id: id.to_string(), resource, key, row_restored }
    }
}
