//! Methods of calls.

use serde::Deserialize;

/// A method's token (RFC 9110 §9.1); `DELETE` unless the configuration says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Method(String);

impl Default for Method {
    fn default() -> Self {
        Self("DELETE".to_owned())
    }
}

impl Method {
    /// The method that reads.
    #[must_use]
    pub fn get() -> Self {
        Self("GET".to_owned())
    }

    /// The method's token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // Methods are case-sensitive, and no registered one is in small letters.
        let is_token = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-' || b == b'_');
        if !is_token {
            return Err("expected a method in capital letters, such as DELETE, POST, PUT, PATCH or GET".to_owned());
        }
        if ["CONNECT", "TRACE"].contains(&text.as_str()) {
            return Err(format!("{text} deletes nothing"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_method_in_capital_letters_is_one() {
        for good in ["DELETE", "POST", "PURGE", "M-SEARCH"] {
            assert_eq!(Method::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "delete", "DELETE ", "DE\nLETE", "CONNECT", "TRACE"] {
            assert!(Method::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
