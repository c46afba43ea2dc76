//! Bearer tokens from a token endpoint (RFC 6749): fetched when first needed, cached until shortly before they expire.
//!
//! The `oauth2` crate makes the requests and reads the answers; they go over the target's own transport, under the same
//! rules for addresses and within the time of the call that needs the token.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RefreshToken, RequestTokenError,
    Scope, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicTokenResponse, BasicTokenType},
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sexton_core::{
    config::OAuth2,
    outcome::{HttpAnswer, Outcome, classify, is_code},
};
use tokio::sync::Mutex;

use super::{file::SecretSource, grant::normalised};
use crate::connector::exchange::{Exchange, OutgoingRequest, retry, unauthorized};

/// How long before its end a token is no longer used, if it lives long enough.
const MARGIN: Duration = Duration::from_secs(30);

/// The longest time for which a token is used. To say "for ever", endpoints answer with any large number.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The tokens of one target.
pub(in crate::connector) struct OAuth2Tokens {
    settings: OAuth2,
    client_secret: Option<SecretSource>,
    refresh_token: Option<SecretSource>,
    exchange: Exchange,
    /// Locked while a token is fetched: other calls wait for it instead of fetching one each.
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    token: Option<Token>,
    newer: Option<Newer>,
}

/// The refresh token that came with the last answer: the one before may be void (RFC 6749 §6).
struct Newer {
    token: RefreshToken,
    /// The configured one from which it came: when that changes, it has been renewed by hand.
    first: SecretString,
}

struct Token {
    text: SecretString,
    until: Option<Instant>,
}

impl OAuth2Tokens {
    pub(super) fn new(settings: &OAuth2, exchange: Exchange) -> Self {
        Self {
            settings: settings.clone(),
            client_secret: settings.client_secret.as_ref().map(SecretSource::new),
            refresh_token: settings.refresh_token.as_ref().map(SecretSource::new),
            exchange,
            cache: Mutex::default(),
        }
    }

    /// A token that is good for now.
    ///
    /// # Errors
    /// Why there is none: the endpoint is away or slow ([`Outcome::Retry`]), asks for patience, or refuses us
    /// ([`Outcome::Unauthorized`]). Nothing was sent to the target.
    pub(super) async fn get(&self, deadline: Instant) -> Result<SecretString, Outcome> {
        let wait = tokio::time::timeout_at(deadline.into(), self.cache.lock());
        let Ok(mut cache) = wait.await else { return Err(retry(None, "token_timeout")) };
        if let Some(token) = cache.token.as_ref().filter(|token| token.until.is_none_or(|until| Instant::now() < until))
        {
            return Ok(token.text.clone());
        }
        let asked = Instant::now();
        let first = self.refresh_token.as_ref().map(super::read).transpose()?;
        let same =
            |newer: &Newer| first.as_ref().is_some_and(|first| first.expose_secret() == newer.first.expose_secret());
        cache.newer = cache.newer.take().filter(same);
        let current = cache.newer.as_ref().map(|newer| newer.token.clone());
        let given = || first.as_ref().map(|first| RefreshToken::new(first.expose_secret().to_owned()));
        let answer = self.fetch(current.or_else(given), deadline).await?;
        let text = SecretString::from(answer.access_token().secret().as_str());
        let lives = answer.expires_in().map(|lives| lives.min(LONGEST));
        let until = lives.map(|lives| asked + (lives - MARGIN.min(lives / 2)));
        if let Some((token, first)) = answer.refresh_token().cloned().zip(first) {
            cache.newer = Some(Newer { token, first });
        }
        cache.token = Some(Token { text: text.clone(), until });
        Ok(text)
    }

    /// Forgets a token that the target refused, unless there is a newer one already.
    pub(super) async fn forget_refused(&self, refused: &SecretString, deadline: Instant) {
        let wait = tokio::time::timeout_at(deadline.into(), self.cache.lock());
        let Ok(mut cache) = wait.await else { return };
        if cache.token.as_ref().is_some_and(|token| token.text.expose_secret() == refused.expose_secret()) {
            cache.token = None;
        }
    }

    async fn fetch(
        &self,
        refresh_token: Option<RefreshToken>,
        deadline: Instant,
    ) -> Result<BasicTokenResponse, Outcome> {
        let OAuth2 { token_url, client_id, secret_in_body, scopes, audience, .. } = &self.settings;
        let auth_type = if *secret_in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        let mut client = BasicClient::new(ClientId::new(client_id.clone()))
            .set_token_uri(TokenUrl::from_url(token_url.clone()))
            .set_auth_type(auth_type);
        if let Some(secret) = &self.client_secret {
            client = client.set_client_secret(ClientSecret::new(super::read(secret)?.expose_secret().to_owned()));
        }
        let endpoint = Endpoint { exchange: &self.exchange, deadline };
        let scopes = scopes.iter().cloned().map(Scope::new);
        let answer = if let Some(refresh_token) = &refresh_token {
            let mut request = client.exchange_refresh_token(refresh_token).add_scopes(scopes);
            if let Some(audience) = audience {
                request = request.add_extra_param("audience", audience);
            }
            request.request_async(&endpoint).await
        } else {
            let mut request = client.exchange_client_credentials().add_scopes(scopes);
            if let Some(audience) = audience {
                request = request.add_extra_param("audience", audience);
            }
            request.request_async(&endpoint).await
        };
        match answer {
            Ok(answer) if *answer.token_type() == BasicTokenType::Bearer => Ok(answer),
            Ok(_) => Err(unauthorized(Some(200), "token_not_bearer")),
            Err(RequestTokenError::Request(NoAnswer(outcome))) => Err(*outcome),
            Err(RequestTokenError::ServerResponse(error)) => {
                let code = error.error().to_string();
                Err(unauthorized(None, if is_code(&code) { &code } else { "token_refused" }))
            }
            // Neither a token nor an error of RFC 6749 §5.2: this is no token endpoint.
            Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
                Err(unauthorized(None, "token_not_understood"))
            }
        }
    }
}

/// The token endpoint, over the target's transport.
struct Endpoint<'e> {
    exchange: &'e Exchange,
    deadline: Instant,
}

/// Spells blanks in the client's id and secret as `%20`. RFC 6749 §2.3.1 has them encoded as in forms, as `+`, but many
/// endpoints only know percents; those that read forms know both.
fn spell_blanks(headers: &mut HeaderMap) {
    let basic = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let basic = basic.and_then(|basic| String::from_utf8(BASE64_STANDARD.decode(basic).ok()?).ok());
    let Some(basic) = basic.filter(|basic| basic.contains('+')) else { return };
    // A `+` that is meant is encoded itself.
    let spelled = format!("Basic {}", BASE64_STANDARD.encode(basic.replace('+', "%20")));
    if let Ok(value) = HeaderValue::try_from(spelled) {
        headers.insert(AUTHORIZATION, value);
    }
}

/// There is no answer in which a token or an error could be looked for.
#[derive(Debug)]
struct NoAnswer(Box<Outcome>);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token endpoint did not answer")
    }
}

impl std::error::Error for NoAnswer {}

impl<'c> AsyncHttpClient<'c> for Endpoint<'_> {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move { self.send(request).await.map_err(|outcome| NoAnswer(Box::new(outcome))) })
    }
}

impl Endpoint<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Outcome> {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string().parse().map_err(|_| unauthorized(None, "token_bad_url"))?;
        let mut headers = head.headers;
        spell_blanks(&mut headers);
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        let request = OutgoingRequest { method: head.method, url, headers, body: Some(body), is_harmless: true };
        // Whether the endpoint acted does not matter: another token does no harm.
        let received = self.exchange.send(&request, self.deadline).await.map_err(|outcome| match outcome {
            Outcome::Lost(failure) | Outcome::Retry(failure) => retry(None, &format!("token_{}", failure.reason)),
            other => other,
        })?;
        if let Some(why) = received.broken {
            return Err(retry(None, &format!("token_{why}")));
        }
        let status = received.status;
        let reason = format!("token_http_{status}");
        let answer = HttpAnswer { status, retry_after: received.retry_after.as_deref(), reason: Some(&reason) };
        match classify(answer, &[], SystemTime::now()) {
            away @ (Outcome::Retry(_) | Outcome::Throttled { .. }) => Err(away),
            _ => {
                let body = if received.is_success() { normalised(received.body) } else { received.body };
                let mut response = HttpResponse::new(body);
                // An endpoint that answers 201 has granted all the same.
                *response.status_mut() = match status {
                    200..=299 => http::StatusCode::OK,
                    _ => http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_REQUEST),
                };
                Ok(response)
            }
        }
    }
}
