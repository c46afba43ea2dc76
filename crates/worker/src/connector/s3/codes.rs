//! What S3's error codes mean ("Error responses" in the API reference). The code decides, not the status: a timeout is
//! answered with 400, and a wrong signature with 403.

use std::time::Duration;

use sexton_core::outcome::{Failure, Outcome};

/// Classifies an answer that is no success, or the error of one key.
pub(super) fn classify(status: u16, code: Option<&str>, retry_after: Option<Duration>) -> Outcome {
    let failure =
        Failure { status: Some(status), reason: code.map_or_else(|| format!("http_{status}"), str::to_owned) };
    match (code, status) {
        (
            Some(
                "SlowDown"
                | "ServiceUnavailable"
                | "Throttling"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TooManyRequests"
                | "BandwidthLimitExceeded",
            ),
            _,
        )
        | (None, 429 | 503) => Outcome::Throttled { retry_after, failure },
        (
            Some(
                "InternalError"
                | "RequestTimeout"
                | "OperationAborted"
                | "IncompleteBody"
                | "BadDigest"
                | "ConditionalRequestConflict",
            ),
            _,
        ) => Outcome::Retry(failure),
        // It is about the object or the bucket, not about the credentials.
        (Some("InvalidObjectState" | "ObjectLocked" | "MethodNotAllowed" | "NotImplemented"), _) => {
            Outcome::Rejected(failure)
        }
        (
            Some(
                "AccessDenied"
                | "AllAccessDisabled"
                | "AccountProblem"
                | "ExpiredToken"
                | "InvalidAccessKeyId"
                | "InvalidSecurity"
                | "InvalidToken"
                | "NotSignedUp"
                | "RequestTimeTooSkewed"
                | "SignatureDoesNotMatch"
                | "TokenRefreshRequired"
                | "UnauthorizedAccess",
            ),
            _,
        ) => Outcome::Unauthorized(failure),
        // A gateway says that it has no answer of the service, which may have acted.
        (None, 502 | 504) => Outcome::Lost(failure),
        (_, 401 | 403) => Outcome::Unauthorized(failure),
        (_, 429) => Outcome::Throttled { retry_after, failure },
        // The service has no such request, and will have none.
        (_, 501) => Outcome::Rejected(failure),
        (_, 408 | 500..=599) => Outcome::Retry(failure),
        _ => Outcome::Rejected(failure),
    }
}

/// Classifies the errors of single keys; the same request deleted `gone` others. None if there is no error.
pub(super) fn classify_key_errors(errors: &[(String, String)], gone: usize) -> Option<Outcome> {
    let outcomes = errors.iter().map(|(_, code)| match classify(200, Some(code), None) {
        // Others of the same request were deleted, so the credentials are accepted: the refusal is about this object.
        Outcome::Unauthorized(failure) if gone > 0 => Outcome::Rejected(failure),
        outcome => outcome,
    });
    outcomes.max_by_key(|outcome| match outcome {
        Outcome::Confirmed { .. } => 0,
        Outcome::Throttled { .. } | Outcome::Starved(_) => 1,
        Outcome::Unauthorized(_) => 2,
        Outcome::Retry(_) | Outcome::Lost(_) => 3,
        Outcome::Rejected(_) | Outcome::NotVerified(_) | Outcome::BadTemplate(_) => 4,
    })
}
