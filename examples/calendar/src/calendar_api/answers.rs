//! The answers, as the Calendar API words them.

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::faults::Fault;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 204: deleted.
    NoContent,
    /// 400 `invalid`.
    Invalid,
    /// 401 `authError`.
    Unauthorized,
    /// 403 `rateLimitExceeded`.
    RateLimit,
    /// 403 `userRateLimitExceeded`.
    UserRateLimit,
    /// 404 `notFound`.
    NotFound,
    /// 410 `deleted`.
    Gone,
    /// 429 with `Retry-After`.
    TooManyRequests,
    /// 500 `backendError`.
    BackendError,
    /// 500 `backendError`, although the event was deleted.
    DeletedButFailed,
    /// 503.
    Unavailable,
    /// 503 with `Retry-After`.
    UnavailableFor,
}

impl Answer {
    pub(super) const fn of_fault(fault: Fault) -> Self {
        match fault {
            Fault::RateLimit => Self::RateLimit,
            Fault::UserRateLimit => Self::UserRateLimit,
            Fault::TooManyRequests => Self::TooManyRequests,
            Fault::BackendError => Self::BackendError,
            Fault::Unavailable => Self::Unavailable,
            Fault::UnavailableFor => Self::UnavailableFor,
            Fault::TooLate => Self::NoContent,
            Fault::LostAnswer => Self::DeletedButFailed,
        }
    }

    /// Whether it says that the event is gone.
    pub(super) const fn confirms(self) -> bool {
        matches!(self, Self::NoContent | Self::NotFound | Self::Gone)
    }

    /// Status, reason and message.
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoContent => (StatusCode::NO_CONTENT, "", ""),
            Self::Invalid => (StatusCode::BAD_REQUEST, "invalid", "Invalid value"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "authError", "Invalid Credentials"),
            Self::RateLimit => (StatusCode::FORBIDDEN, "rateLimitExceeded", "Rate Limit Exceeded"),
            Self::UserRateLimit => (StatusCode::FORBIDDEN, "userRateLimitExceeded", "User Rate Limit Exceeded"),
            Self::NotFound => (StatusCode::NOT_FOUND, "notFound", "Not Found"),
            Self::Gone => (StatusCode::GONE, "deleted", "Resource has been deleted"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "rateLimitExceeded", "Rate Limit Exceeded"),
            Self::BackendError | Self::DeletedButFailed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "backendError", "Backend Error")
            }
            Self::Unavailable | Self::UnavailableFor => {
                (StatusCode::SERVICE_UNAVAILABLE, "backendError", "Service unavailable. Please try again")
            }
        }
    }

    /// The status, for the journal.
    pub(super) fn status(self) -> u16 {
        self.parts().0.as_u16()
    }

    pub(super) fn into_response(self) -> Response {
        let (status, reason, message) = self.parts();
        if status == StatusCode::NO_CONTENT {
            return status.into_response();
        }
        let body = json!({ "error": {
            "errors": [{ "domain": "calendar", "reason": reason, "message": message }],
            "code": status.as_u16(),
            "message": message,
        }});
        match self {
            Self::TooManyRequests | Self::UnavailableFor => (status, [(RETRY_AFTER, "1")], Json(body)).into_response(),
            _ => (status, Json(body)).into_response(),
        }
    }
}
