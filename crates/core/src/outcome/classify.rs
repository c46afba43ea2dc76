//! Classifies an HTTP answer by its status, its reason and `Retry-After`.

use std::time::SystemTime;

use super::{Answer, Failure, NO_ANSWER_MEMORY, Outcome, patience::UNSAID, retry_after};

/// The parts of an HTTP answer that decide its meaning.
#[derive(Debug, Clone, Copy)]
pub struct HttpAnswer<'a> {
    /// The status code.
    pub status: u16,
    /// How long its headers ask to be spared; see [`super::asked_patience`].
    pub retry_after: Option<&'a str>,
    /// The machine-readable reason in the body, if any; see [`reason_in`].
    pub reason: Option<&'a str>,
}

/// Google's reasons, sent with 403, for "too fast" (Calendar API, "Handle API errors").
const THROTTLING_REASONS: [&str; 2] = ["rateLimitExceeded", "userRateLimitExceeded"];

/// Google's reason for a 410 that speaks of a sync token, not of the event.
pub(super) const SYNC_TOKEN_EXPIRED: &str = "fullSyncRequired";

/// Classifies an answer; `gone` are the statuses that the target's configuration takes for "already deleted".
#[must_use]
pub fn classify(answer: HttpAnswer<'_>, gone: &[u16], now: SystemTime) -> Outcome {
    let status = answer.status;
    let reason = answer.reason.map_or_else(|| format!("http_{status}"), str::to_owned);
    let failure = Failure { status: Some(status), reason };
    let asked = answer.retry_after.and_then(|value| retry_after(value, now));
    let asks_for_patience = asked.is_some() || answer.retry_after == Some(UNSAID);
    // No delay, or one that is over, says nothing of how long to wait.
    let retry_after = asked.filter(|time| !time.is_zero());
    let about_sync = answer.reason == Some(SYNC_TOKEN_EXPIRED);
    match status {
        200..=299 => Outcome::Confirmed { answer: Answer::Deleted { status } },
        _ if gone.contains(&status) && !about_sync => Outcome::Confirmed { answer: Answer::Gone { status } },
        429 => Outcome::Throttled { retry_after, failure },
        403 | 503 if asks_for_patience => Outcome::Throttled { retry_after, failure },
        403 if answer.reason.is_some_and(|r| THROTTLING_REASONS.contains(&r)) => {
            Outcome::Throttled { retry_after, failure }
        }
        401 | 403 => Outcome::Unauthorized(failure),
        408 | 500..=599 => Outcome::Retry(failure),
        _ => Outcome::Rejected(failure),
    }
}

/// The reason code in a JSON error body: Google's `error.errors[0].reason`, or `error.status`, `error.code` or `code`
/// where they are text. Only short codes count, so that no text about a person is ever stored.
#[must_use]
pub fn reason_in(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let places = ["/error/errors/0/reason", "/error/status", "/error/code", "/code"];
    let code = places.iter().find_map(|place| body.pointer(place)?.as_str())?;
    is_code(code).then(|| code.to_owned())
}

/// Whether a text is short and plain enough for a reason code.
#[must_use]
pub fn is_code(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    // By that reason this process knows its own lack: no target may give it.
    let is_ours = text.ends_with(NO_ANSWER_MEMORY);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(plain) && !is_ours
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    fn outcome(status: u16, retry_after: Option<&str>, reason: Option<&str>) -> Outcome {
        classify(HttpAnswer { status, retry_after, reason }, &[410], SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn every_status_has_a_meaning_and_the_unknown_is_rejected() {
        for status in 100..=999 {
            let got = outcome(status, None, None);
            let as_documented = match status {
                200..=299 => matches!(got, Outcome::Confirmed { answer: Answer::Deleted { .. } }),
                410 => matches!(got, Outcome::Confirmed { answer: Answer::Gone { .. } }),
                429 => matches!(got, Outcome::Throttled { .. }),
                401 | 403 => matches!(got, Outcome::Unauthorized(_)),
                408 | 500..=599 => matches!(got, Outcome::Retry(_)),
                _ => matches!(got, Outcome::Rejected(_)),
            };
            assert!(as_documented, "{status}: {got:?}");
        }
    }

    #[test]
    fn reasons_change_the_meaning_of_a_status() {
        for reason in THROTTLING_REASONS {
            assert!(matches!(outcome(403, None, Some(reason)), Outcome::Throttled { .. }));
        }
        assert!(matches!(outcome(403, None, Some("forbidden")), Outcome::Unauthorized(_)));
        assert!(matches!(outcome(410, None, Some("deleted")), Outcome::Confirmed { .. }));
        assert!(matches!(outcome(410, None, Some("fullSyncRequired")), Outcome::Rejected(_)));
        for status in [403, 503] {
            assert!(matches!(outcome(status, Some("3"), None), Outcome::Throttled { retry_after: Some(_), .. }));
        }
        assert!(matches!(outcome(503, Some("soon"), None), Outcome::Retry(_)));
        assert!(matches!(outcome(503, Some("0"), None), Outcome::Throttled { retry_after: None, .. }));
    }

    #[test]
    fn a_status_is_gone_only_when_configured() {
        let answer = HttpAnswer { status: 404, retry_after: None, reason: None };
        assert!(matches!(classify(answer, &[410], SystemTime::now()), Outcome::Rejected(_)));
        assert!(matches!(classify(answer, &[404], SystemTime::now()), Outcome::Confirmed { .. }));
    }

    #[test]
    fn only_short_reason_codes_are_read() {
        let google = br#"{"error":{"code":403,"errors":[{"reason":"rateLimitExceeded","message":"Ann's calendar"}]}}"#;
        assert_eq!(reason_in(google).as_deref(), Some("rateLimitExceeded"));
        assert_eq!(reason_in(br#"{"error":{"status":"NOT_FOUND"}}"#).as_deref(), Some("NOT_FOUND"));
        assert_eq!(reason_in(br#"{"code":"Ann Example <ann@example.org>"}"#), None);
        assert_eq!(reason_in(b"<html>"), None);
    }

    #[test]
    fn cost_of_a_body_grows_with_its_length_alone() {
        for (what, part) in [("nested", "["), ("array", "0,"), ("text", "\\u0041"), ("members", "\"a\":1,")] {
            let body = |n: usize| match what {
                "array" => format!("[{}0]", part.repeat(n / 2)),
                "text" => format!("{{\"code\":\"{}\"}}", part.repeat(n / 6)),
                "members" => format!("{{{}\"code\":1}}", part.repeat(n / 6)),
                _ => part.repeat(n),
            };
            assert_linear(&format!("reason in JSON: {what}"), body, |body| reason_in(body.as_bytes()));
        }
    }
}
