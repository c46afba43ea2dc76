//! `[api]`: the clients of the HTTP API, and where it listens.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::check::InvalidSetting;

/// The least length of a token, in characters: 16 random ones cannot be guessed over a network.
pub const LEAST_TOKEN: usize = 16;

/// `[api]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Where it listens; the console's address when left out. Port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// Its clients. Without any, the API is off.
    #[serde(deserialize_with = "tokens")]
    pub tokens: Vec<ApiToken>,
}

/// A client of the API.
#[derive(Debug, Clone)]
pub struct ApiToken {
    /// Recorded as the requester. Two tokens may have the same name, so that one can be replaced without a gap.
    pub name: String,
    /// What the client sends as `Authorization: Bearer …`.
    pub token: SecretString,
}

/// Messages repeat no value: a token in the wrong place is still a token.
fn tokens<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ApiToken>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        name: String,
        token: SecretString,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum TokenForm {
        Client(Fields),
        Other(IgnoredAny),
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Clients(Vec<TokenForm>),
        Other(IgnoredAny),
    }
    let wrong = || serde::de::Error::custom("expected [{ name = \"billing\", token = \"${BILLING_TOKEN}\" }]");
    let List::Clients(clients) = List::deserialize(deserializer)? else { return Err(wrong()) };
    let token = |form| match form {
        TokenForm::Client(Fields { name, token }) => Ok(ApiToken { name, token }),
        TokenForm::Other(_) => Err(wrong()),
    };
    clients.into_iter().map(token).collect()
}

impl Api {
    /// Whether the API is on: it has clients.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.tokens.is_empty()
    }

    pub(super) fn validate(&self, console: SocketAddr) -> Result<(), InvalidSetting> {
        let refuse = |path: String, why: &str| Err(InvalidSetting::new(path, why));
        for (index, ApiToken { name, token }) in self.tokens.iter().enumerate() {
            let at = |key: &str| format!("api.tokens[{index}].{key}");
            let safe = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
            if name.is_empty() || name.len() > 63 || !name.bytes().all(safe) {
                return refuse(at("name"), "expected 1 to 63 letters, digits, `_`, `.` or `-`");
            }
            let token = token.expose_secret();
            if token.len() < LEAST_TOKEN {
                let why = format!("it is shorter than {LEAST_TOKEN} characters; make one with `openssl rand -hex 32`");
                return refuse(at("token"), &why);
            }
            // RFC 6750 §2.1: b64token. Anything else could not be sent.
            let body = token.trim_end_matches('=');
            if body.is_empty() || !body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b)) {
                return refuse(
                    at("token"),
                    "it cannot be sent as a bearer token: use letters, digits and `-._~+/`, and `=` only at its end",
                );
            }
            if self.tokens[..index].iter().any(|other| other.token.expose_secret() == token) {
                return refuse(at("token"), "another client has the same token: requests could not be told apart");
            }
        }
        match self.listen {
            Some(_) if !self.is_on() => refuse("api.listen".to_owned(), "the API has no clients: add api.tokens"),
            Some(listen) if listen == console && listen.port() != 0 => refuse(
                "api.listen".to_owned(),
                "the console listens there: leave api.listen out to have both at one address",
            ),
            _ => Ok(()),
        }
    }
}
