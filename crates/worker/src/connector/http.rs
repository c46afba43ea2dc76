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
    config::Target,
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

/// Calls targets over HTTP, with connections kept alive and shared by all of them.
pub(crate) struct Http {
    public: Client,
    any: Client,
}

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client: {0}")]
pub struct SetupError(#[from] reqwest::Error);

impl Http {
    /// A connector with connection pools of its own.
    ///
    /// # Errors
    /// [`SetupError`] when the system's certificates cannot be read.
    pub(crate) fn new() -> Result<Self, SetupError> {
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

    async fn call(&self, target: &Target, url: Url) -> Outcome {
        if !target.allow_private && is_private_host(&url) {
            return rejected("private_address_refused");
        }
        let client = if target.allow_private { &self.any } else { &self.public };
        let method = Method::from_bytes(target.method.as_str().as_bytes()).unwrap_or(Method::DELETE);
        let mut request = client.request(method, url).timeout(target.timeout);
        for (name, value) in &target.headers {
            request = request.header(name, value.expose_secret());
        }
        match request.send().await {
            Ok(response) => judge(response, &target.gone).await,
            Err(error) => unanswered(&error),
        }
    }
}

#[async_trait]
impl Connector for Http {
    async fn delete(&self, target: &Target, row: &Values) -> Outcome {
        match target.url.render(row) {
            Ok(url) => self.call(target, url).await,
            Err(why) => Outcome::BadTemplate(Failure { status: None, reason: why.to_string() }),
        }
    }
}

async fn judge(mut response: Response, gone: &[u16]) -> Outcome {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    // Read to its end where that is cheap, also after success: only then is the connection used again.
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_LIMIT {
            break;
        }
    }
    let reason = if response.status().is_success() { None } else { reason_in(&body) };
    let answer = HttpAnswer { status, retry_after: retry_after.as_deref(), reason: reason.as_deref() };
    classify(answer, gone, SystemTime::now())
}

/// No answer: whether the call arrived is unknown, so it is made again.
fn unanswered(error: &reqwest::Error) -> Outcome {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.to_string() == REFUSED {
            return rejected("private_address_refused");
        }
        source = cause.source();
    }
    let reason = match error {
        e if e.is_timeout() => "timeout",
        e if e.is_builder() => return rejected("bad_request"),
        e if e.is_connect() => "no_connection",
        _ => "connection_lost",
    };
    Outcome::Retry(Failure { status: None, reason: reason.to_owned() })
}

fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected(Failure { status: None, reason: reason.to_owned() })
}

/// A literal address is never resolved, so the resolver does not see it.
fn is_private_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_private(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_private(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => false,
    }
}
