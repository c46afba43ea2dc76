//! Access tokens. One call at a time fetches one; it is cached until shortly before it expires, the credentials change
//! or the API refuses it.

use std::time::{Duration, Instant, SystemTime};

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sexton_core::outcome::{Outcome, Received};
use tokio::sync::Mutex;
use url::{Url, form_urlencoded::Serializer};

use super::{
    super::{
        auth::normalised,
        exchange::{Exchange, OutgoingRequest, retry, unauthorized},
        starved::Lack,
    },
    assertion::{AssertionClaims, sign},
    credentials::{File, GoogleCredentials, Version},
};

/// How long before its end a token is no longer used: a call may take a while to arrive.
const EARLY: Duration = Duration::from_secs(60);
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The tokens of one target.
pub(super) struct ServiceAccountTokens {
    file: File,
    subject: Option<String>,
    scope: String,
    cache: Mutex<Option<CachedToken>>,
}

struct CachedToken {
    token: SecretString,
    until: Instant,
    version: Version,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    #[serde(default = "an_hour")]
    expires_in: u64,
}

const fn an_hour() -> u64 {
    3600
}

impl ServiceAccountTokens {
    pub(super) const fn new(file: File, subject: Option<String>, scope: String) -> Self {
        Self { file, subject, scope, cache: Mutex::const_new(None) }
    }

    /// A token that is valid for a while.
    ///
    /// # Errors
    /// Why there is none; nothing was sent to the API.
    pub(super) async fn get(&self, exchange: &Exchange, deadline: Instant) -> Result<SecretString, Outcome> {
        // Locked while a token is fetched: other calls wait for it instead of fetching one each.
        let wait = tokio::time::timeout_at(deadline.into(), self.cache.lock());
        let Ok(mut cache) = wait.await else { return Err(retry(None, "token_timeout")) };
        let unreadable = |error: &(dyn std::error::Error + 'static)| {
            if let Some(lack) = Lack::of_causes(error) {
                return lack.outcome();
            }
            tracing::warn!(%error, "cannot use credentials_file {}", self.file.path().display());
            unauthorized(None, "credentials_file_unusable")
        };
        let version = self.file.version().map_err(|error| unreadable(&error))?;
        if let Some(cached) = cache.as_ref().filter(|cached| cached.version == version && Instant::now() < cached.until)
        {
            return Ok(cached.token.clone());
        }
        *cache = None;
        let credentials = self.file.read().map_err(|error| unreadable(&error))?;
        let asked = Instant::now();
        let granted = self.fetch(exchange, deadline, &credentials).await?;
        let valid = Duration::from_secs(granted.expires_in.min(24 * 3600));
        // A token that lives shorter is used for half its life.
        let until = asked + valid.saturating_sub(EARLY).max(valid / 2);
        *cache = Some(CachedToken { token: granted.access_token.clone(), until, version });
        Ok(granted.access_token)
    }

    /// Forgets a token that was refused, unless another has taken its place already.
    pub(super) async fn forget_refused(&self, token: &SecretString, deadline: Instant) {
        let wait = tokio::time::timeout_at(deadline.into(), self.cache.lock());
        let Ok(mut cache) = wait.await else { return };
        if cache.as_ref().is_some_and(|cached| cached.token.expose_secret() == token.expose_secret()) {
            *cache = None;
        }
    }

    async fn fetch(
        &self,
        exchange: &Exchange,
        deadline: Instant,
        credentials: &GoogleCredentials,
    ) -> Result<Granted, Outcome> {
        let url = Url::parse(credentials.token_uri()).map_err(|_| unauthorized(None, "bad_token_uri"))?;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, form)]);
        let body = Some(self.form(credentials)?.into_bytes());
        // Whether the endpoint acted does not matter: another token does no harm.
        let request = OutgoingRequest { method: Method::POST, url, headers, body, is_harmless: true };
        let received = exchange.send(&request, deadline).await.map_err(Outcome::of_harmless_request)?;
        if let Some(why) = received.broken {
            return Err(retry(Some(received.status), why));
        }
        if !received.is_success() {
            return Err(refusal(&received));
        }
        let refused = || unauthorized(Some(received.status), "token_not_granted");
        serde_json::from_slice(&normalised(received.body)).map_err(|_| refused())
    }

    /// What proves who we are.
    fn form(&self, credentials: &GoogleCredentials) -> Result<String, Outcome> {
        let mut form = Serializer::new(String::new());
        match credentials {
            GoogleCredentials::ServiceAccount { client_email, private_key, private_key_id, token_uri } => {
                let subject = self.subject.as_deref();
                let claims = AssertionClaims { issuer: client_email, subject, scope: &self.scope, audience: token_uri };
                let key = private_key.expose_secret();
                let assertion = sign(&claims, private_key_id.as_deref(), key, SystemTime::now()).map_err(|error| {
                    tracing::warn!(%error, "cannot use credentials_file {}", self.file.path().display());
                    unauthorized(None, "bad_private_key")
                })?;
                form.append_pair("grant_type", BEARER).append_pair("assertion", &assertion);
            }
            // It would act as itself, and what is not in its calendar would be taken for gone.
            GoogleCredentials::AuthorizedUser { .. } if self.subject.is_some() => {
                return Err(unauthorized(None, "subject_needs_service_account"));
            }
            GoogleCredentials::AuthorizedUser { client_id, client_secret, refresh_token, .. } => {
                form.append_pair("grant_type", "refresh_token")
                    .append_pair("client_id", client_id)
                    .append_pair("client_secret", client_secret.expose_secret())
                    .append_pair("refresh_token", refresh_token.expose_secret());
            }
        }
        Ok(form.finish())
    }
}

/// What a token endpoint's refusal means (RFC 6749 §5.2): nothing can be deleted until an operator repairs the
/// credentials, unless it is only busy.
fn refusal(received: &Received) -> Outcome {
    #[derive(Deserialize)]
    struct Error {
        error: String,
    }
    let code = serde_json::from_slice::<Error>(&received.body).map(|body| body.error).unwrap_or_default();
    let known = [
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    ];
    match received.classified(SystemTime::now()).of_harmless_request() {
        outcome @ (Outcome::Retry(_) | Outcome::Throttled { .. }) => outcome,
        _ => {
            let reason = known.into_iter().find(|known| *known == code).unwrap_or("token_refused");
            Outcome::Unauthorized(received.failure(reason))
        }
    }
}
