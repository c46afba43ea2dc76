//! Conditions on a target's answers: `success_when`, `gone`, `verify`. Whether an answer meets them is judged in
//! [`crate::outcome`].

use serde::Deserialize;
use serde_json::Value;

use super::Method;
use crate::template::UrlTemplate;

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
    /// The pointer itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value that the document has there.
    #[must_use]
    pub fn find<'v>(&self, document: &'v Value) -> Option<&'v Value> {
        document.pointer(&self.0)
    }
}

/// What an answer's JSON body must say.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyCondition {
    /// Where.
    pub pointer: Pointer,
    /// What must be there.
    pub equals: Value,
}

/// An answer that means "already deleted".
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum GoneAnswer {
    /// Any answer with this status.
    Status(u16),
    /// An answer with this status, if its body gives this reason.
    WithReason(StatusWithReason),
}

impl GoneAnswer {
    /// The status that it has.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Status(status) | Self::WithReason(StatusWithReason { status, .. }) => *status,
        }
    }
}

/// A status together with a reason.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusWithReason {
    /// The status.
    pub status: u16,
    /// The reason code.
    pub reason: String,
    /// Where the body has it; without it, where reasons usually are ([`reason_in`](crate::outcome::reason_in)).
    pub pointer: Option<Pointer>,
}

impl TryFrom<Value> for GoneAnswer {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::Number(number) => match number.as_u64().and_then(|number| u16::try_from(number).ok()) {
                Some(status) => Ok(Self::Status(status)),
                None => Err(format!("{number} is not a status")),
            },
            Value::Object(_) => serde_json::from_value(value).map(Self::WithReason).map_err(|why| why.to_string()),
            _ => Err("expected a status, or { status = 400, reason = \"already_deleted\" }".to_owned()),
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
    pub when: Option<BodyCondition>,
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
    fn unknown_key_beside_a_reason_is_refused() {
        let gone = json!({"status": 400, "reason": "x", "at": "/y"});
        let unknown = from_value::<GoneAnswer>(gone).unwrap_err().to_string();
        assert!(unknown.contains("`at`"), "{unknown}");
    }
}
