//! Which answers of a target mean what: `success_when`, `gone`, `verify`.

use serde::Deserialize;
use serde_json::Value;

use super::Method;
use crate::{outcome::reason_in, template::UrlTemplate};

/// A place in a JSON document (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        match (text.is_empty() || text.starts_with('/')) && escapes {
            true => Ok(Self(text)),
            false => Err(format!("`{text}` is not a JSON pointer (RFC 6901): expected one such as \"/error/code\"")),
        }
    }
}

impl Pointer {
    /// What the document says there.
    #[must_use]
    pub fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        document.pointer(&self.0)
    }
}

/// Something that an answer's JSON body must say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Where.
    pub pointer: Pointer,
    /// What must be there.
    pub equals: Value,
}

impl When {
    /// Whether the body says so. One that is not JSON says nothing.
    #[must_use]
    pub fn holds(&self, body: &[u8]) -> bool {
        let document: Option<Value> = serde_json::from_slice(body).ok();
        document.is_some_and(|document| self.pointer.find(&document) == Some(&self.equals))
    }
}

/// An answer that means "already deleted".
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum Gone {
    /// Any answer with this status.
    Status(u16),
    /// An answer with this status, if its body gives this reason.
    Reason(GoneReason),
}

/// A status together with a reason.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoneReason {
    /// The status.
    pub status: u16,
    /// The reason code.
    pub reason: String,
    /// Where the body has it; without it, where reasons are usually looked for ([`reason_in`]).
    pub pointer: Option<Pointer>,
}

impl TryFrom<Value> for Gone {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Number(number) => match number.as_u64().and_then(|number| u16::try_from(number).ok()) {
                Some(status) => Ok(Self::Status(status)),
                None => Err(format!("{number} is not a status")),
            },
            Value::Object(_) => serde_json::from_value(value).map(Self::Reason).map_err(|why| why.to_string()),
            _ => Err("expected a status, or { status = 400, reason = \"already_deleted\" }".to_owned()),
        }
    }
}

impl Gone {
    /// Whether an answer is this one.
    #[must_use]
    pub fn is(&self, status: u16, body: &[u8]) -> bool {
        match self {
            // 410 `fullSyncRequired` (Google Calendar) speaks of a sync token, not of the event.
            Self::Status(gone) => *gone == status && reason_in(body).as_deref() != Some("fullSyncRequired"),
            Self::Reason(gone) => gone.status == status && gone.says(body),
        }
    }

    /// Whether only the body tells.
    #[must_use]
    pub const fn needs_body(&self) -> bool {
        matches!(self, Self::Reason(_))
    }
}

impl GoneReason {
    fn says(&self, body: &[u8]) -> bool {
        let Some(pointer) = &self.pointer else {
            return reason_in(body).as_deref() == Some(&self.reason);
        };
        let document: Option<Value> = serde_json::from_slice(body).ok();
        match document.as_ref().and_then(|document| pointer.find(document)) {
            Some(Value::String(found)) => *found == self.reason,
            Some(Value::Number(found)) => found.to_string() == self.reason,
            _ => false,
        }
    }
}

/// How to look whether the twin is gone, after the target said so.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The method of the look.
    #[serde(default = "Method::get")]
    pub method: Method,
    /// Where the twin would be.
    pub url: UrlTemplate,
    /// Statuses that say that it is gone.
    #[serde(default)]
    pub status: Vec<u16>,
    /// What a 2xx answer says if it is gone.
    pub when: Option<When>,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn pointers_are_those_of_rfc_6901() {
        let document = json!({"a/b": {"m~n": [true]}, "": 1});
        let found = |text: &str| Pointer::try_from(text.to_owned()).unwrap().find(&document).cloned();
        assert_eq!(found("/a~1b/m~0n/0"), Some(json!(true)));
        assert_eq!((found("/"), found("/none"), found("")), (Some(json!(1)), None, Some(document.clone())));
        for bad in ["a", "a/b", "/a~", "/a~2"] {
            assert!(Pointer::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn body_must_say_exactly_what_is_wanted() {
        let when: When = from_value(json!({"pointer": "/deleted", "equals": true})).unwrap();
        assert!(when.holds(br#"{"deleted":true}"#));
        for other in [r#"{"deleted":false}"#, r#"{"deleted":"true"}"#, "{}", "", "true", "<html>"] {
            assert!(!when.holds(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn gone_is_a_status_or_a_status_with_a_reason() {
        let gone = |value| from_value::<Gone>(value).unwrap();
        assert!(gone(json!(404)).is(404, b"") && !gone(json!(404)).is(410, b""));
        let google = br#"{"error":{"errors":[{"reason":"fullSyncRequired"}]}}"#;
        assert!(!gone(json!(410)).is(410, google), "of a sync token");
        let usual = gone(json!({"status": 400, "reason": "already_deleted"}));
        assert!(usual.is(400, br#"{"error":{"code":"already_deleted"}}"#));
        assert!(
            !usual.is(400, br#"{"error":{"code":"bad_request"}}"#) && !usual.is(404, br#"{"code":"already_deleted"}"#)
        );
        let there = gone(json!({"status": 400, "reason": "2001", "pointer": "/errors/0/id"}));
        assert!(there.is(400, br#"{"errors":[{"id":2001}]}"#) && there.is(400, br#"{"errors":[{"id":"2001"}]}"#));
        assert!(!there.is(400, br#"{"code":"2001"}"#));
        let unknown = from_value::<Gone>(json!({"status": 400, "reason": "x", "at": "/y"})).unwrap_err().to_string();
        assert!(unknown.contains("`at`"), "{unknown}");
    }
}
