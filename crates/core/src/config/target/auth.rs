//! `auth = { … }`: how calls to a target are authenticated.
//!
//! Any value in this table may be a credential in the wrong place. So it is read by hand: messages name keys and repeat
//! no value.

use std::path::PathBuf;

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

/// How calls are authenticated.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub enum Auth {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer(Secret),
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token that is fetched from a token endpoint (RFC 6749).
    OAuth2(Box<OAuth2>),
    /// A signature over the body (Standard Webhooks).
    Webhook(Secret),
}

/// A credential, or the file that has it. The file is read anew when it changes.
#[derive(Debug, Clone)]
pub enum Secret {
    /// In the configuration.
    Value(SecretString),
    /// In a file; a line feed at its end does not count.
    File(PathBuf),
}

/// Where tokens come from.
#[derive(Debug, Clone)]
pub struct OAuth2 {
    /// The token endpoint.
    pub token_url: Url,
    /// The client's id there.
    pub client_id: String,
    /// The client's secret. A client without one needs a refresh token.
    pub client_secret: Option<Secret>,
    /// Whether the secret is sent in the request's body instead of its `Authorization` header.
    pub secret_in_body: bool,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// The audience (Auth0 and others; not in RFC 6749).
    pub audience: Option<String>,
    /// With one, tokens are refreshed (RFC 6749 §6); without, they are granted to the client itself (§4.4).
    pub refresh_token: Option<Secret>,
}

const KINDS: &str = "bearer, basic, oauth2 or webhook";

impl TryFrom<Value> for Auth {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let Value::Object(kinds) = value else { return Err(format!("expected a table with one of {KINDS}")) };
        let mut kinds = kinds.into_iter();
        let (Some((kind, settings)), None) = (kinds.next(), kinds.next()) else {
            return Err(format!("expected exactly one of {KINDS}"));
        };
        let Value::Object(settings) = settings else {
            return Err(format!(".{kind}: expected a table, such as {{ token = \"${{TOKEN}}\" }}"));
        };
        let mut keys = UnreadKeys { kind: kind.clone(), settings, known: Vec::new() };
        let auth = match kind.as_str() {
            "bearer" => Self::Bearer(keys.secret("token")?),
            "basic" => Self::Basic { user: keys.user()?, password: keys.secret("password")? },
            "oauth2" => Self::OAuth2(Box::new(keys.oauth2()?)),
            "webhook" => Self::Webhook(keys.signing_secret()?),
            _ => return Err(format!("`{kind}` is not a kind of authentication: expected {KINDS}")),
        };
        keys.ensure_all_read()?;
        Ok(auth)
    }
}

/// The keys of one kind that are still to be read.
struct UnreadKeys {
    kind: String,
    settings: Map<String, Value>,
    known: Vec<String>,
}

impl UnreadKeys {
    fn refuse<T>(&self, key: &str, why: &str) -> Result<T, String> {
        Err(format!(".{}.{key}: {why}", self.kind))
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        self.known.push(key.to_owned());
        match self.settings.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => self.refuse(key, "expected a text that is not empty"),
        }
    }

    fn required(&mut self, key: &str) -> Result<String, String> {
        match self.text(key)? {
            Some(text) => Ok(text),
            None => self.refuse(key, "it is missing"),
        }
    }

    /// `key`, or the file that `key_file` names.
    fn optional_secret(&mut self, key: &str) -> Result<Option<Secret>, String> {
        let file = format!("{key}_file");
        match (self.text(key)?, self.text(&file)?) {
            (Some(_), Some(_)) => self.refuse(key, &format!("give either it or {file}")),
            (Some(text), None) if text.contains(['\r', '\n', '\0']) => self.refuse(key, "it has a line break or NUL"),
            (Some(text), None) => Ok(Some(Secret::Value(text.into()))),
            (None, Some(path)) => Ok(Some(Secret::File(path.into()))),
            (None, None) => Ok(None),
        }
    }

    fn secret(&mut self, key: &str) -> Result<Secret, String> {
        match self.optional_secret(key)? {
            Some(secret) => Ok(secret),
            None => self.refuse(key, &format!("it is missing; give it or {key}_file")),
        }
    }

    fn user(&mut self) -> Result<String, String> {
        let user = self.required("user")?;
        // RFC 7617 §2: everything after the first colon would be taken for the password.
        if user.contains([':', '\r', '\n', '\0']) {
            return self.refuse("user", "it has a colon, a line break or NUL");
        }
        Ok(user)
    }

    fn signing_secret(&mut self) -> Result<Secret, String> {
        let secret = self.secret("secret")?;
        match &secret {
            Secret::Value(text) if signing_key(text).is_none() => {
                self.refuse("secret", "expected `whsec_` and then 24 to 64 bytes in base64")
            }
            _ => Ok(secret),
        }
    }

    fn oauth2(&mut self) -> Result<OAuth2, String> {
        let Some(token_url) = Url::parse(&self.required("token_url")?).ok().filter(is_endpoint) else {
            return self.refuse("token_url", "expected an absolute http(s) URL without user, password and fragment");
        };
        let oauth2 = OAuth2 {
            token_url,
            client_id: self.required("client_id")?,
            client_secret: self.optional_secret("client_secret")?,
            secret_in_body: match self.text("send_secret")?.as_deref() {
                None | Some("header") => false,
                Some("body") => true,
                Some(_) => return self.refuse("send_secret", "expected \"header\" or \"body\""),
            },
            scopes: self.scopes()?,
            audience: self.text("audience")?,
            refresh_token: self.optional_secret("refresh_token")?,
        };
        if oauth2.client_secret.is_none() && oauth2.refresh_token.is_none() {
            return self.refuse("client_secret", "it is missing; give it, client_secret_file or a refresh_token");
        }
        Ok(oauth2)
    }

    fn scopes(&mut self) -> Result<Vec<String>, String> {
        self.known.push("scopes".to_owned());
        let texts = match self.settings.remove("scopes") {
            None => Some(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        texts.map_or_else(|| self.refuse("scopes", "expected an array of texts"), Ok)
    }

    fn ensure_all_read(self) -> Result<(), String> {
        match self.settings.keys().next() {
            None => Ok(()),
            Some(key) => self.refuse(key, &format!("unknown key; expected one of {}", self.known.join(", "))),
        }
    }
}

fn is_endpoint(url: &Url) -> bool {
    ["http", "https"].contains(&url.scheme())
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}

/// The key in a signing secret of Standard Webhooks: base64 of 24 to 64 bytes, with `whsec_` before it.
#[must_use]
pub fn signing_key(secret: &SecretString) -> Option<Vec<u8>> {
    let key = BASE64_STANDARD.decode(secret.expose_secret().strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Auth, String> {
        Auth::try_from(value)
    }

    #[test]
    fn each_kind_is_read_and_never_printed() {
        let good = [
            json!({"bearer": {"token": "s3cret"}}),
            json!({"bearer": {"token_file": "/run/token"}}),
            json!({"basic": {"user": "ann", "password": "s3cret"}}),
            json!({"oauth2": {"token_url": "https://i.example/t", "client_id": "c", "client_secret": "s3cret",
                "scopes": ["a", "b"], "audience": "x", "send_secret": "body"}}),
            json!({"oauth2": {"token_url": "https://i.example/t", "client_id": "c", "refresh_token": "s3cret"}}),
            json!({"webhook": {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}),
        ];
        for value in good {
            let shown = format!("{:?}", read(value.clone()).unwrap());
            assert!(!shown.contains("s3cret") && !shown.contains("MfKQ"), "{shown}");
        }
    }

    #[test]
    fn mistakes_are_named_by_their_key_and_never_by_their_value() {
        let oauth2 = |key: &str, value: Value| {
            let mut all = json!({"token_url": "https://i.example/t", "client_id": "c", "client_secret": "s3cret"});
            all[key] = value;
            json!({ "oauth2": all })
        };
        let bad = [
            (json!("Bearer s3cret"), "expected a table"),
            (json!({}), "exactly one"),
            (json!({"bearer": {"token": "s3cret"}, "basic": {}}), "exactly one"),
            (json!({"token": "s3cret"}), ".token: expected a table"),
            (json!({"digest": {}}), "`digest`"),
            (json!({"bearer": {}}), ".bearer.token: it is missing"),
            (json!({"bearer": {"token": "s3cret", "tokn": "s3cret"}}), ".bearer.tokn: unknown key"),
            (json!({"bearer": {"token": "s3cret", "token_file": "s3cret"}}), ".bearer.token: give either"),
            (json!({"bearer": {"token": "s3cret\nX: y"}}), ".bearer.token: it has a line break"),
            (json!({"bearer": {"token": ["s3cret"]}}), ".bearer.token: expected a text"),
            (json!({"basic": {"user": "s3cret:x", "password": "x"}}), ".basic.user"),
            (json!({"basic": {"user": "x"}}), ".basic.password"),
            (json!({"webhook": {"secret": "s3cret"}}), ".webhook.secret: expected `whsec_`"),
            (oauth2("token_url", json!("s3cret")), ".oauth2.token_url"),
            (oauth2("token_url", json!("https://a:s3cret@h.example")), ".oauth2.token_url"),
            (oauth2("scopes", json!("s3cret")), ".oauth2.scopes"),
            (oauth2("send_secret", json!("s3cret")), ".oauth2.send_secret"),
            (oauth2("scope", json!([])), ".oauth2.scope: unknown key"),
            (json!({"oauth2": {"token_url": "https://i.example/t", "client_id": "c"}}), ".oauth2.client_secret"),
        ];
        for (value, part) in bad {
            let why = read(value.clone()).unwrap_err();
            assert!(why.contains(part) && !why.contains("s3cret"), "{value}: {why}");
        }
    }
}
