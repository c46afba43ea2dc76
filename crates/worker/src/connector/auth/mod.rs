//! Authentication: what is added to a request. A kind that needs more than a line has a file of its own.

mod file;
mod grant;
mod tokens;
mod webhook;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sexton_core::{
    config::{Auth as Settings, signing_key},
    ids::DeletionId,
    outcome::{Outcome, Received},
};

use self::tokens::OAuth2Tokens;
pub(super) use self::{file::SecretSource, grant::normalised};
use super::{
    exchange::{Exchange, OutgoingRequest, rejected, unauthorized},
    starved::Lack,
};

/// The authentication of one target.
pub(super) enum Authentication {
    None,
    Bearer(SecretSource),
    Basic { user: String, password: SecretSource },
    OAuth2(Box<OAuth2Tokens>),
    Webhook(SecretSource),
}

/// The call that a request is part of.
#[derive(Clone, Copy)]
pub(super) struct AuthenticatedCall<'a> {
    pub(super) id: DeletionId,
    pub(super) target: &'a str,
    pub(super) deadline: Instant,
}

/// The token that a request was sent with, if another could replace it.
struct Used(SecretString);

impl Authentication {
    /// As configured; token endpoints are asked over `exchange`.
    pub(super) fn new(settings: Option<&Settings>, exchange: &Exchange) -> Self {
        match settings {
            None => Self::None,
            Some(Settings::Bearer(token)) => Self::Bearer(SecretSource::new(token)),
            Some(Settings::Basic { user, password }) => {
                Self::Basic { user: user.clone(), password: SecretSource::new(password) }
            }
            Some(Settings::OAuth2(settings)) => Self::OAuth2(Box::new(OAuth2Tokens::new(settings, exchange.clone()))),
            Some(Settings::Webhook(secret)) => Self::Webhook(SecretSource::new(secret)),
        }
    }

    /// Sends an authenticated request, as [`Exchange::follow`] does. It is sent once more
    /// if a new token may help: a target that answers 401 did not act.
    ///
    /// # Errors
    /// The outcome if there is no credential; and as [`Exchange::follow`].
    pub(super) async fn follow(
        &self,
        exchange: &Exchange,
        request: &OutgoingRequest,
        call: AuthenticatedCall<'_>,
    ) -> Result<Received, Outcome> {
        let mut tries = 0;
        loop {
            let mut signed = request.clone();
            let used = self.sign(&mut signed, call).await?;
            let received = exchange.follow(signed, call.deadline).await?;
            tries += 1;
            let (Self::OAuth2(tokens), Some(Used(token))) = (self, used) else { return Ok(received) };
            if received.status != 401 || tries > 1 {
                return Ok(received);
            }
            // What is waited for may need the memory that this answer holds.
            drop(received);
            tokens.forget_refused(&token, call.deadline).await;
        }
    }

    /// Adds credentials or a signature to a request.
    ///
    /// # Errors
    /// The outcome if there is no credential; nothing was sent to the target.
    async fn sign(&self, request: &mut OutgoingRequest, call: AuthenticatedCall<'_>) -> Result<Option<Used>, Outcome> {
        match self {
            Self::None => {}
            Self::Bearer(token) => authorize(request, &format!("Bearer {}", read(token)?.expose_secret()))?,
            Self::Basic { user, password } => {
                let both = format!("{user}:{}", read(password)?.expose_secret());
                authorize(request, &format!("Basic {}", BASE64_STANDARD.encode(both)))?;
            }
            Self::OAuth2(tokens) => {
                let token = tokens.get(call.deadline).await?;
                authorize(request, &format!("Bearer {}", token.expose_secret()))?;
                return Ok(Some(Used(token)));
            }
            Self::Webhook(secret) => {
                let key = signing_key(&read(secret)?).ok_or_else(unreadable)?;
                let body = request.body.as_deref().unwrap_or_default();
                let message_id = webhook::message_id(call.id, call.target, &request.url, body);
                let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let signature = webhook::signature(&key, &message_id, timestamp, body).ok_or_else(unreadable)?;
                set(request, HeaderName::from_static("webhook-id"), &message_id)?;
                set(request, HeaderName::from_static("webhook-timestamp"), &timestamp.to_string())?;
                set(request, HeaderName::from_static("webhook-signature"), &signature)?;
            }
        }
        Ok(None)
    }
}

fn authorize(request: &mut OutgoingRequest, value: &str) -> Result<(), Outcome> {
    set(request, AUTHORIZATION, value)
}

fn set(request: &mut OutgoingRequest, name: HeaderName, value: &str) -> Result<(), Outcome> {
    let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| rejected(None, "bad_request"))?;
    value.set_sensitive(true);
    request.headers.insert(name, value);
    Ok(())
}

/// Reads a credential. Without it every other deletion would fail too, so a missing one counts as a refused one.
pub(super) fn read(source: &SecretSource) -> Result<SecretString, Outcome> {
    source.read().map_err(|error| {
        if let Some(lack) = Lack::of(&error) {
            return lack.outcome();
        }
        tracing::warn!(%error, "cannot read a credential from its file: {error}");
        unreadable()
    })
}

fn unreadable() -> Outcome {
    unauthorized(None, "credential_unreadable")
}
