//! The `http` connector: one request, classified by status, reason and `Retry-After`.

use std::{
    error::Error as _,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use reqwest::{Client, Method, Response, header::RETRY_AFTER, redirect::Policy};
use secrecy::ExposeSecret;
use sexton_core::{
    answer::{HttpAnswer, classify, reason_in},
    config::{Http as Settings, Target},
    outcome::{Failure, Outcome},
    template::Values,
};
use url::{Host, Url};

use super::{
    Connector,
    address::{PublicOnly, REFUSED, is_private},
};

/// Most of an answer that is read: reasons are short, and a body is never kept.
const BODY_LIMIT: usize = 64 * 1024;

/// Connections kept alive and shared by all targets.
pub(super) struct Clients {
    public: Client,
    any: Client,
}

impl Clients {
    /// Connection pools of their own.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let builder = || {
            Client::builder()
                .user_agent(concat!("sexton/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(5))
                .pool_idle_timeout(Duration::from_secs(60))
                .pool_max_idle_per_host(256)
                .tcp_nodelay(true)
                // A redirect would send the call, and its credentials, to a place that the configuration does not name.
                .redirect(Policy::none())
                .no_proxy()
        };
        Ok(Self { public: builder().dns_resolver(Arc::new(PublicOnly)).build()?, any: builder().build()? })
    }

    /// The one for a target that may be at private addresses, or may not.
    pub(super) fn allowing_private(&self, allowed: bool) -> Client {
        if allowed { self.any.clone() } else { self.public.clone() }
    }
}

/// Calls one target over HTTP.
pub(super) struct Http {
    client: Client,
    settings: Settings,
    timeout: Duration,
    allow_private: bool,
}

impl Http {
    /// A connector for `target`, whose own settings are `settings`.
    pub(super) fn new(clients: &Clients, target: &Target, settings: &Settings) -> Self {
        Self {
            client: clients.allowing_private(target.allow_private),
            settings: settings.clone(),
            timeout: target.timeout,
            allow_private: target.allow_private,
        }
    }

    async fn call(&self, url: Url) -> Outcome {
        if !self.allow_private && is_private_host(&url) {
            return rejected("private_address_refused");
        }
        let method = Method::from_bytes(self.settings.method.as_str().as_bytes()).unwrap_or(Method::DELETE);
        let mut request = self.client.request(method, url).timeout(self.timeout);
        for (name, value) in &self.settings.headers {
            request = request.header(name, value.expose_secret());
        }
        match request.send().await {
            Ok(response) => judge(response, &self.settings.gone).await,
            Err(error) => unanswered(&error),
        }
    }
}

#[async_trait]
impl Connector for Http {
    async fn delete(&self, row: &Values) -> Outcome {
        match self.settings.url.render(row) {
            Ok(url) => self.call(url).await,
            Err(why) => Outcome::BadTemplate(Failure { status: None, reason: why.to_string() }),
        }
    }
}

async fn judge(mut response: Response, gone: &[u16]) -> Outcome {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // Read to its end where that is cheap, also after success: only then is the connection used again.
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) if response.status().is_success() => break,
            // What is missing may be the reason, and a 410 or 403 means one thing or its opposite by its reason.
            Err(error) => return Outcome::Retry(Failure { status: Some(status), reason: lost(&error).to_owned() }),
        }
        if body.len() > BODY_LIMIT {
            break;
        }
    }
    let reason = if response.status().is_success() { None } else { reason_in(&body) };
    let answer = HttpAnswer { status, retry_after: retry_after.as_deref(), reason: reason.as_deref() };
    classify(answer, gone, SystemTime::now())
}

/// No answer: whether the call arrived is unknown, so it is made again.
pub(super) fn unanswered(error: &reqwest::Error) -> Outcome {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.to_string() == REFUSED {
            return rejected("private_address_refused");
        }
        source = cause.source();
    }
    if error.is_builder() {
        return rejected("bad_request");
    }
    Outcome::Retry(Failure { status: None, reason: lost(error).to_owned() })
}

pub(super) fn lost(error: &reqwest::Error) -> &'static str {
    match error {
        e if e.is_timeout() => "timeout",
        e if e.is_connect() => "no_connection",
        _ => "connection_lost",
    }
}

pub(super) fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected(Failure { status: None, reason: reason.to_owned() })
}

/// A literal address is never resolved, so the resolver does not see it.
pub(super) fn is_private_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_private(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_private(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => false,
    }
}
