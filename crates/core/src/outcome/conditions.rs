//! Whether an answer meets the conditions that a target's settings name: `success_when`, `gone`, `verify.when`.

use serde_json::Value;

use super::classify::{SYNC_TOKEN_EXPIRED, reason_in};
use crate::config::{BodyCondition, GoneAnswer, StatusWithReason};

/// Whether the body says what the condition wants. A body that is not JSON never does.
pub(super) fn body_meets(condition: &BodyCondition, body: &[u8]) -> bool {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    document.is_some_and(|document| condition.pointer.find(&document) == Some(&condition.equals))
}

/// Whether an answer is one that means "already deleted".
pub(super) fn is_gone_answer(gone: &GoneAnswer, status: u16, body: &[u8]) -> bool {
    match gone {
        GoneAnswer::Status(gone) => *gone == status && reason_in(body).as_deref() != Some(SYNC_TOKEN_EXPIRED),
        GoneAnswer::WithReason(gone) => gone.status == status && body_gives_reason(gone, body),
    }
}

/// Whether the answer's body is needed to tell.
pub(super) const fn needs_body(gone: &GoneAnswer) -> bool {
    matches!(gone, GoneAnswer::WithReason(_))
}

fn body_gives_reason(gone: &StatusWithReason, body: &[u8]) -> bool {
    let Some(pointer) = &gone.pointer else {
        return reason_in(body).as_deref() == Some(&gone.reason);
    };
    let document: Option<Value> = serde_json::from_slice(body).ok();
    match document.as_ref().and_then(|document| pointer.find(document)) {
        Some(Value::String(found)) => *found == gone.reason,
        Some(Value::Number(found)) => found.to_string() == gone.reason,
        Some(Value::Bool(found)) => found.to_string() == gone.reason,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn body_must_say_exactly_what_is_wanted() {
        let when: BodyCondition = from_value(json!({"pointer": "/deleted", "equals": true})).unwrap();
        assert!(body_meets(&when, br#"{"deleted":true}"#));
        for other in [r#"{"deleted":false}"#, r#"{"deleted":"true"}"#, "{}", "", "true", "<html>"] {
            assert!(!body_meets(&when, other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn gone_is_a_status_or_a_status_with_a_reason() {
        let is = |value, status, body: &[u8]| is_gone_answer(&from_value(value).unwrap(), status, body);
        assert!(is(json!(404), 404, b"") && !is(json!(404), 410, b""));
        let google = br#"{"error":{"errors":[{"reason":"fullSyncRequired"}]}}"#;
        assert!(!is(json!(410), 410, google), "of a sync token");
        let usual = || json!({"status": 400, "reason": "already_deleted"});
        assert!(is(usual(), 400, br#"{"error":{"code":"already_deleted"}}"#));
        assert!(!is(usual(), 400, br#"{"error":{"code":"bad_request"}}"#));
        assert!(!is(usual(), 404, br#"{"code":"already_deleted"}"#));
        let there = || json!({"status": 400, "reason": "2001", "pointer": "/errors/0/id"});
        assert!(is(there(), 400, br#"{"errors":[{"id":2001}]}"#) && is(there(), 400, br#"{"errors":[{"id":"2001"}]}"#));
        assert!(!is(there(), 400, br#"{"code":"2001"}"#));
        let truth = |reason: &str| json!({"status": 200, "reason": reason, "pointer": "/gone"});
        assert!(is(truth("true"), 200, br#"{"gone":true}"#) && !is(truth("true"), 200, br#"{"gone":false}"#));
        assert!(is(truth("false"), 200, br#"{"gone":false}"#) && !is(truth("null"), 200, br#"{"gone":null}"#));
    }
}
