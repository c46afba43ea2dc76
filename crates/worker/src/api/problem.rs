//! What goes wrong, as `application/problem+json` (RFC 9457).

use std::error::Error;

use axum::{
    Json,
    extract::rejection::JsonRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sexton_core::{
    catalog::Table,
    db::{self, Refusal},
    restore,
};
use utoipa::{IntoResponses, ToSchema};

use crate::{requests::RequestError, server::BodyTooSlow};

/// Why nothing was done (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    title: &'static str,
    /// The status of the answer.
    #[schema(example = 422, minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, and what is accepted.
    detail: String,
    /// The field of the body, or the parameter, that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    #[serde(skip)]
    header: Option<Header>,
}

/// A header that some problems have.
#[derive(Debug, Clone, Copy)]
enum Header {
    Challenge(&'static str),
    RetryAfter(&'static str),
}

/// The problems that every operation may answer with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes responses; `Problem` is what makes them")]
pub(super) enum Problems {
    /// No token, or one that is not known; `WWW-Authenticate: Bearer` (RFC 6750).
    #[response(status = 401, content_type = "application/problem+json", headers(("WWW-Authenticate" = String)))]
    Unauthorized(Problem),
    /// The token has no right to do this, or is for other resources.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// A fault of the service or its configuration; its log says more.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(Problem),
    /// The database is away or busy: the same again after `Retry-After` seconds.
    #[response(status = 503, content_type = "application/problem+json", headers(("Retry-After" = u32)))]
    Unavailable(Problem),
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status: status.as_u16(), detail: detail.into(), field: None, header: None }
    }

    /// A field, or parameter, with a value that is not accepted.
    pub(super) fn field(field: impl Into<String>, why: impl AsRef<str>) -> Self {
        let field = field.into();
        let detail = format!("{field}: {}", why.as_ref());
        Self { field: Some(field), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }

    /// A request that cannot be read.
    pub(super) fn request(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(status, detail)
    }

    /// A body that is not JSON, too large or of another type.
    pub(super) fn body(rejection: &JsonRejection) -> Self {
        let mut cause = rejection.source();
        while let Some(error) = cause {
            if error.is::<BodyTooSlow>() {
                return Self::new(StatusCode::REQUEST_TIMEOUT, error.to_string());
            }
            cause = error.source();
        }
        Self::new(rejection.status(), rejection.body_text())
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// A request without a token (RFC 6750 §3).
    pub(super) fn no_token() -> Self {
        Self::unauthorized("send a token: `Authorization: Bearer …`", "Bearer realm=\"sexton\"")
    }

    /// A token that is not configured (RFC 6750 §3.1).
    pub(super) fn unknown_token() -> Self {
        let challenge = "Bearer realm=\"sexton\", error=\"invalid_token\"";
        Self::unauthorized("the token is not known here; it is one of api.tokens", challenge)
    }

    /// A token that does not go so far.
    pub(super) fn forbidden(detail: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    fn unauthorized(detail: &str, challenge: &'static str) -> Self {
        Self { header: Some(Header::Challenge(challenge)), ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// Not now, but soon.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self { header: Some(Header::RetryAfter("1")), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    fn database_away(error: &str) -> Self {
        tracing::warn!(error, "the database is away; a request of the API was turned away");
        let header = Some(Header::RetryAfter("5"));
        Self { header, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer") }
    }

    fn database_refused(error: &str) -> Self {
        tracing::error!(error, "a request of the API failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the database refused; the service's log says why")
    }

    /// The refusal of a restore, without naming the row that stands in the way.
    pub(super) fn of_restore_unnamed(error: restore::Error) -> Self {
        match error {
            restore::Error::TooLate { .. }
            | restore::Error::StillMarked { .. }
            | restore::Error::UnknownResource { .. } => Self::conflict(
                "it is too late, or the row, or one that is restored with it, would stay marked; nothing was restored",
            ),
            restore::Error::Database(_) | restore::Error::NotFound(_) | restore::Error::NothingInBatch(_) => {
                error.into()
            }
        }
    }

    fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }
}

/// A constraint or a trigger of the application (SQLSTATE classes 23 and P0, SQLite's SQLITE_CONSTRAINT and its kin).
fn is_of_the_application(refusal: &Refusal) -> bool {
    let sqlite = refusal.code.parse::<u32>().is_ok_and(|code| refusal.code.len() < 5 && code & 0xff == 19);
    refusal.code.starts_with("23") && refusal.code.len() == 5 || refusal.code.starts_with("P0") || sqlite
}

impl Problem {
    /// What the database said of a request about rows of `table`.
    pub(super) fn of_request(error: RequestError, table: &Table) -> Self {
        match error {
            RequestError::Database(error) => Self::of_database(&error, &table.loggable_error(&error)),
            missing @ RequestError::Missing { .. } => Self::not_found(missing.to_string()),
        }
    }

    /// The problem that an error is; `said` is what the log may say of it.
    fn of_database(error: &db::Error, said: &str) -> Self {
        match error.refusal() {
            Some(refusal) if refusal.is_contention() => Self::busy("the rows are locked by another transaction"),
            Some(refusal) if is_of_the_application(&refusal) => {
                let by = match (&refusal.constraint, &refusal.table) {
                    (Some(constraint), Some(table)) => format!("constraint `{constraint}` of table `{table}`"),
                    _ => format!("a constraint or a trigger ({})", refusal.code),
                };
                Self::conflict(format!("the database refuses it because of {by}; nothing was changed"))
            }
            None if error.is_unavailable() => Self::database_away(said),
            Some(_) | None => Self::database_refused(said),
        }
    }
}

impl From<db::Error> for Problem {
    fn from(error: db::Error) -> Self {
        Self::of_database(&error, &error.to_string())
    }
}

impl From<restore::Error> for Problem {
    fn from(error: restore::Error) -> Self {
        match error {
            // A batch may be of several tables, so no message of the database is logged that may repeat a value.
            restore::Error::Database(error) => Self::of_database(&error, &error.without_row_content()),
            restore::Error::NotFound(_) => Self::not_found(error.to_string()),
            restore::Error::NothingInBatch(_)
            | restore::Error::TooLate { .. }
            | restore::Error::StillMarked { .. }
            | restore::Error::UnknownResource { .. } => Self::conflict(format!("{error}; nothing was restored")),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let header = self.header.map(|header| match header {
            Header::Challenge(value) => (header::WWW_AUTHENTICATE, value),
            Header::RetryAfter(value) => (header::RETRY_AFTER, value),
        });
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Answers a path that is not there.
pub(super) async fn no_such_path() -> Problem {
    Problem::not_found("there is nothing here; /v1/openapi.json says what there is")
}

/// Answers a method that the path does not have.
pub(super) async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method; /v1/openapi.json says what there is")
}
