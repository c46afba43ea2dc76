//! Which client asks: bearer tokens (RFC 6750).

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use sexton_core::config::ApiToken;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::problem::Problem;

/// The configured clients.
pub(super) struct ApiClients(Vec<(Client, SecretString)>);

/// A client that showed its token.
#[derive(Debug, Clone)]
pub(super) struct Client(Arc<str>);

impl Client {
    /// Who is recorded: the client, and for whom it says that it asks.
    pub(super) fn asking_for(&self, requested_by: Option<&str>) -> String {
        requested_by.map_or_else(|| self.0.to_string(), |requested_by| format!("{requested_by} via {}", self.0))
    }
}

impl ApiClients {
    pub(super) fn new(tokens: &[ApiToken]) -> Self {
        Self(tokens.iter().map(|one| (Client(one.name.as_str().into()), one.token.clone())).collect())
    }

    /// The client with this token. Every token is compared as a whole, so that the time tells only their lengths.
    fn find(&self, token: &[u8]) -> Option<&Client> {
        let mut found = u64::MAX;
        for (index, (_, known)) in (0_u64..).zip(&self.0) {
            let same: Choice = known.expose_secret().as_bytes().ct_eq(token);
            found = u64::conditional_select(&found, &index, same);
        }
        self.0.get(usize::try_from(found).ok()?).map(|(client, _)| client)
    }

    /// The client whose token the headers have.
    pub(super) fn of_request(&self, headers: &HeaderMap) -> Result<Client, Problem> {
        let token = bearer_token(headers).ok_or_else(Problem::no_token)?;
        self.find(token).cloned().ok_or_else(Problem::unknown_token)
    }
}

/// The token of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked("Bearer".len())?;
    let token = rest.trim_ascii();
    let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer") && rest.starts_with(b" ") && !token.is_empty();
    is_bearer.then_some(token)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_token_belongs_to_the_client_that_has_exactly_this_one() {
        let token = |name: &str, token: &str| ApiToken { name: name.to_owned(), token: token.into() };
        let clients = ApiClients::new(&[token("billing", "0123456789abcdef"), token("shop", "fedcba9876543210")]);
        let name = |token: &str| clients.find(token.as_bytes()).map(|client| client.asking_for(None));
        assert_eq!(name("0123456789abcdef").as_deref(), Some("billing"));
        assert_eq!(name("fedcba9876543210").as_deref(), Some("shop"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_the_bearer_scheme_is_read() {
        let token = |value: &'static str| {
            let headers = [(header::AUTHORIZATION, HeaderValue::from_static(value))];
            bearer_token(&headers.into_iter().collect()).map(<[u8]>::to_vec)
        };
        for good in ["Bearer abc", "bearer abc", "BEARER   abc "] {
            assert_eq!(token(good).as_deref(), Some(&b"abc"[..]), "{good}");
        }
        for bad in ["", "Bearer", "Bearer ", "Bearerabc", "Basic abc", "abc"] {
            assert_eq!(token(bad), None, "{bad}");
        }
    }
}
