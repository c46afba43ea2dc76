//! `POST /v1/deletions`: phase 1.

use std::{collections::HashSet, sync::Arc};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use sexton_core::{
    catalog::Table,
    key::Key,
    soft_remove::{DeletionRequest, Requested},
};
use utoipa::ToSchema;

use super::{
    auth::MayRequest,
    input::{REASON, REQUESTED_BY, check_text},
    problem::{Problem, Problems},
    row_key::{RowKey, read_key},
    shared::ApiState,
    strict_json::StrictJson,
    trace_context::traceparent,
};
use crate::requests;

/// Most keys in one request: their rows are locked until it commits.
const KEYS: usize = 1000;

/// What is to be deleted. One of `key` and `keys` is needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDeletions {
    /// The resource, as in `[resources.NAME]`.
    #[schema(example = "block")]
    resource: String,
    /// The row's key.
    #[serde(default)]
    #[schema(nullable = false)]
    key: Option<RowKey>,
    /// Several rows' keys: all of them are removed, or none.
    #[serde(default)]
    #[schema(nullable = false, min_items = 1, max_items = 1000)]
    keys: Option<Vec<RowKey>>,
    /// Why. It is kept with the proof of the deletion, so it should not hold personal data.
    #[serde(default)]
    #[schema(example = "ticket 4711", max_length = 1000)]
    reason: Option<String>,
    /// For whom the client asks; recorded as `WHO via CLIENT`.
    #[serde(default)]
    #[schema(max_length = 200)]
    requested_by: Option<String>,
    /// Keep the deletions restorable for at least this long.
    #[serde(default)]
    #[schema(example = "1h")]
    after: Option<String>,
}

/// The deletions of a request, in the order of its keys.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deletions {
    deletions: Vec<Deletion>,
}

/// A deletion that was requested, now or before.
#[derive(Debug, Serialize, ToSchema)]
struct Deletion {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    id: String,
    /// Its resource.
    resource: String,
    /// The row's key as the database prints it; a composite key is a JSON array in a string.
    key: String,
    /// False if the row had an open deletion already: this is that one.
    created: bool,
    /// `pending`, `waiting`, `running`, or `completed` for a row that nothing had to be waited for.
    state: String,
}

/// Soft-remove rows and record their deletions
///
/// In one transaction: all rows, or none. A row with an open deletion gets no second one, so the same request may be
/// sent again whenever its answer was lost. A row that is gone already is not found; `GET
/// /v1/deletions?resource=…&key=…` tells whether it was deleted here.
#[utoipa::path(
    post,
    path = "/v1/deletions",
    operation_id = "requestDeletions",
    tag = "deletions",
    params((
        "traceparent" = Option<String>, Header, nullable = false,
        description = "The caller's trace (W3C Trace Context); recorded"
    )),
    request_body = NewDeletions,
    responses(
        (status = 201, body = Deletions, description = "Recorded; at least one deletion is new",
            headers(("Location" = String, description = "The deletion, if there is one only"))),
        (status = 200, body = Deletions, description = "Each row had an open deletion already"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The body is not JSON"),
        (status = 404, body = Problem, content_type = "application/problem+json",
            description = "A row does not exist; nothing was changed"),
        (status = 408, body = Problem, content_type = "application/problem+json",
            description = "The body did not arrive in time; nothing was changed"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "A constraint or a trigger of the application forbids it; nothing was changed"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "Larger than 1 MiB"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "Not application/json"),
        (status = 422, body = Problem, content_type = "application/problem+json",
            description = "A field is missing, unknown or wrong; `field` names it"),
        Problems,
    ),
    security(("token" = [])),
)]
pub(super) async fn request_deletions(
    State(api): State<Arc<ApiState>>,
    MayRequest(client): MayRequest,
    headers: HeaderMap,
    body: Result<Json<StrictJson>, JsonRejection>,
) -> Result<Response, Problem> {
    let new = read_body(body)?;
    client.ensure_resource(&new.resource)?;
    let table = api.table(&new.resource)?;
    let keys = read_keys(table, &new)?;
    let by = check_text("requested_by", new.requested_by, REQUESTED_BY)?;
    let mut request = DeletionRequest::by(client.asking_for(by.as_deref()));
    request.reason = check_text("reason", new.reason, REASON)?;
    if let Some(after) = new.after {
        let wrong = |why| Problem::field("after", format!("`{after}` is not a duration such as \"1h\": {why}"));
        request.after = humantime::parse_duration(&after).map_err(wrong)?;
    }
    request.trace_context = traceparent(&headers);
    request.notify = api.hints.are_off();
    let permit = api.connection_permit().await?;
    let requested = requests::request_deletions(&api.context.store, table, &keys, &request).await;
    let requested = requested.map_err(|error| Problem::of_request(error, table))?;
    drop(permit);
    api.push_hints(&requested).await;
    Ok(answer(table.name.as_str(), requested))
}

fn read_body(body: Result<Json<StrictJson>, JsonRejection>) -> Result<NewDeletions, Problem> {
    let Json(StrictJson(body)) = body.map_err(|rejection| Problem::body(&rejection))?;
    if !body.is_object() {
        // serde would take an array for a struct whose fields have no names.
        return Err(Problem::field("body", "expected an object"));
    }
    serde_path_to_error::deserialize(body).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." || path == "?" { "body".to_owned() } else { path };
        let why = error.into_inner().to_string();
        // What serde says of an untagged enum does not help.
        let is_key = field.starts_with("key") && why.contains("untagged");
        Problem::field(field, if is_key { "expected a string, a whole number or an array of them" } else { &why })
    })
}

fn read_keys(table: &Table, new: &NewDeletions) -> Result<Vec<Key>, Problem> {
    let given: Vec<(String, &RowKey)> = match (&new.key, &new.keys) {
        (Some(key), None) => vec![("key".to_owned(), key)],
        (None, Some(keys)) => keys.iter().enumerate().map(|(n, key)| (format!("keys[{n}]"), key)).collect(),
        (None, None) => return Err(Problem::field("key", "expected either key or keys")),
        (Some(_), Some(_)) => return Err(Problem::field("keys", "expected either key or keys, not both")),
    };
    if given.is_empty() || given.len() > KEYS {
        return Err(Problem::field("keys", format!("{} keys; expected 1 to {KEYS}", given.len())));
    }
    let mut seen = HashSet::new();
    let mut keys = Vec::new();
    for (field, key) in given {
        let key = read_key(table, &field, key)?;
        if seen.insert(key.clone()) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn answer(resource: &str, requested: Vec<Requested>) -> Response {
    let created = requested.iter().any(|one| one.created);
    let deletions: Vec<_> = requested.into_iter().map(|one| deletion(resource, one)).collect();
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = match &deletions[..] {
        [one] if created => Some([(header::LOCATION, format!("/v1/deletions/{}", one.id))]),
        _ => None,
    };
    (status, location, Json(Deletions { deletions })).into_response()
}

fn deletion(resource: &str, requested: Requested) -> Deletion {
    let Requested { id, key, created, state, .. } = requested;
    Deletion { id: id.to_string(), resource: resource.to_owned(), key, created, state: state.to_string() }
}
