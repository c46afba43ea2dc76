//! Which client asks: bearer tokens (RFC 6750).

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use secrecy::ExposeSecret;
use sexton_core::config::{ApiToken, Right};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::problem::Problem;
use crate::metrics;

/// The configured clients.
pub(crate) struct ApiClients(Vec<Client>);

/// A client that showed its token.
#[derive(Debug, Clone)]
pub(crate) struct Client(Arc<ApiToken>);

impl Client {
    fn name(&self) -> &str {
        &self.0.name
    }

    /// Refuses a client without this right.
    pub(super) fn ensure_right(&self, right: Right) -> Result<(), Problem> {
        if self.0.rights.contains(&right) {
            return Ok(());
        }
        metrics::count_failed_login("no_right");
        Err(Problem::forbidden(format!("this token has no right to `{}`", right.as_str())))
    }

    /// Whether it is for some resources only.
    pub(super) fn is_restricted(&self) -> bool {
        self.0.resources.is_some()
    }

    /// Whether it may deal with deletions of this resource.
    pub(super) fn may_use(&self, resource: &str) -> bool {
        self.0.resources.as_ref().is_none_or(|names| names.iter().any(|name| name.as_str() == resource))
    }

    /// Refuses a client that is not for this resource.
    pub(super) fn ensure_resource(&self, resource: &str) -> Result<(), Problem> {
        if self.may_use(resource) {
            return Ok(());
        }
        metrics::count_failed_login("no_right");
        Err(Problem::forbidden("this token is for other resources".to_owned()))
    }

    /// Refuses a client that is not for all resources: a batch may have deletions of any.
    pub(super) fn ensure_all_resources(&self) -> Result<(), Problem> {
        if !self.is_restricted() {
            return Ok(());
        }
        metrics::count_failed_login("no_right");
        Err(Problem::forbidden("this token is for some resources only: restore the deletions one by one".to_owned()))
    }

    /// Who is recorded: the client, and for whom it says that it asks.
    pub(super) fn asking_for(&self, requested_by: Option<&str>) -> String {
        requested_by
            .map_or_else(|| self.name().to_owned(), |requested_by| format!("{requested_by} via {}", self.name()))
    }
}

/// A client that may request deletions. It is known before the body of its request is read.
pub(super) struct MayRequest(pub(super) Client);

impl<S: Send + Sync> FromRequestParts<S> for MayRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Client>().cloned().ok_or_else(Problem::no_token)?;
        client.ensure_right(Right::Request)?;
        Ok(Self(client))
    }
}

impl ApiClients {
    pub(crate) fn new(tokens: &[ApiToken]) -> Self {
        Self(tokens.iter().map(|one| Client(Arc::new(one.clone()))).collect())
    }

    /// The client with this token. Every token is compared as a whole, so that the time tells only their lengths.
    fn find(&self, token: &[u8]) -> Option<&Client> {
        let mut found = u64::MAX;
        for (index, known) in (0_u64..).zip(&self.0) {
            let same: Choice = known.0.token.expose_secret().as_bytes().ct_eq(token);
            found = u64::conditional_select(&found, &index, same);
        }
        self.0.get(usize::try_from(found).ok()?)
    }

    /// The client whose token the headers have.
    pub(super) fn of_request(&self, headers: &HeaderMap) -> Result<Client, Problem> {
        let Some(token) = bearer_token(headers) else {
            metrics::count_failed_login("no_token");
            return Err(Problem::no_token());
        };
        self.find(token).cloned().ok_or_else(|| {
            metrics::count_failed_login("unknown_token");
            Problem::unknown_token()
        })
    }

    /// Refuses a request that has no operator's token.
    pub(crate) fn ensure_operator(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.of_request(headers)?.ensure_right(Right::Operate)
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
    use crate::growth::assert_linear;

    #[test]
    fn a_token_belongs_to_the_client_that_has_exactly_this_one() {
        let token = |name: &str, token: &str| ApiToken {
            name: name.to_owned(),
            token: token.into(),
            rights: vec![Right::Read],
            resources: None,
        };
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

    #[test]
    fn cost_of_a_header_grows_with_its_length_alone() {
        let headers = |n: usize| {
            let value = HeaderValue::from_str(&format!("Bearer {}", " ".repeat(n) + "x")).unwrap();
            [(header::AUTHORIZATION, value)].into_iter().collect::<HeaderMap>()
        };
        assert_linear("bearer token", headers, |headers| bearer_token(headers).is_some());
    }
}
