//! `[api]`: the clients of the HTTP API, and where it listens.

use std::{collections::BTreeMap, net::SocketAddr};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::{Resource, check::InvalidSetting};
use crate::ids::ResourceName;

/// The least length of a token, in characters: 16 random ones cannot be guessed over a network.
pub const LEAST_TOKEN: usize = 16;

const EXPECTED: &str = "expected [{ name = \"billing\", token = \"${BILLING_TOKEN}\" }], where a client may also have \
    rights = [\"read\", \"request\", \"restore\", \"operate\"] and resources = [\"NAME\"]";

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

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Ask what became of a deletion.
    Read,
    /// Request deletions.
    Request,
    /// Take deletions back.
    Restore,
    /// See the console's metrics where they need a token.
    Operate,
}

impl Right {
    /// As it stands in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Request => "request",
            Self::Restore => "restore",
            Self::Operate => "operate",
        }
    }
}

/// A client of the API.
#[derive(Debug, Clone)]
pub struct ApiToken {
    /// Recorded as the requester. Two tokens may have the same name, so that one can be replaced without a gap.
    pub name: String,
    /// What the client sends as `Authorization: Bearer …`.
    pub token: SecretString,
    /// What it may do: `read`, `request` and `restore` when left out.
    pub rights: Vec<Right>,
    /// The resources whose deletions it may do that with; all when left out.
    pub resources: Option<Vec<ResourceName>>,
}

fn application() -> Vec<Right> {
    vec![Right::Read, Right::Request, Right::Restore]
}

/// Messages repeat no value: a token in the wrong place is still a token.
fn tokens<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ApiToken>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        name: String,
        token: SecretString,
        #[serde(default = "application")]
        rights: Vec<Right>,
        resources: Option<Vec<ResourceName>>,
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
    let wrong = || serde::de::Error::custom(EXPECTED);
    let List::Clients(clients) = List::deserialize(deserializer)? else { return Err(wrong()) };
    let token = |form| match form {
        TokenForm::Client(Fields { name, token, rights, resources }) => Ok(ApiToken { name, token, rights, resources }),
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

    /// Whether a client may see the console where it needs a token.
    #[must_use]
    pub fn has_operator(&self) -> bool {
        self.tokens.iter().any(|client| client.rights.contains(&Right::Operate))
    }

    pub(super) fn validate(
        &self,
        console: SocketAddr,
        known: &BTreeMap<ResourceName, Resource>,
    ) -> Result<(), InvalidSetting> {
        let refuse = |path: String, why: &str| Err(InvalidSetting::new(path, why));
        for (index, ApiToken { name, token, rights, resources }) in self.tokens.iter().enumerate() {
            let at = |key: &str| format!("api.tokens[{index}].{key}");
            let safe = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
            if name.is_empty() || name.len() > 63 || !name.bytes().all(safe) {
                return refuse(at("name"), "expected 1 to 63 letters, digits, `_`, `.` or `-`");
            }
            if resources.is_some() && rights.contains(&Right::Operate) {
                return refuse(at("resources"), "`operate` shows the metrics of all resources; leave `resources` out");
            }
            if resources.as_ref().is_some_and(Vec::is_empty) {
                return refuse(at("resources"), "expected at least one; leave `resources` out for all");
            }
            if rights.is_empty() {
                return refuse(at("rights"), "expected at least one of `read`, `request`, `restore` and `operate`");
            }
            if let Some(unknown) = resources.iter().flatten().find(|name| !known.contains_key(*name)) {
                return refuse(at("resources"), &format!("there is no resource `{unknown}`"));
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
