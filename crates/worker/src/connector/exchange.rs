//! One request over the network and its answer, within a deadline, and never to an address that may not be called.

use std::{
    error::Error as _,
    net::IpAddr,
    time::{Duration, Instant},
};

use reqwest::{
    Client, Method, Response, StatusCode,
    header::{HeaderMap, LOCATION},
};
use sexton_core::outcome::{Failure, Outcome, Received};
use url::{Host, Url};

use super::{
    address::{AllowedAddresses, REFUSED},
    answer,
    memory::AnswerMemory,
    special_purpose::is_special_purpose,
    starved::Lack,
};

/// The most bytes of an answer that are read by default: reasons are short, and a body is never stored.
pub(super) const BODY_LIMIT: usize = 1024 * 1024;
/// Why an answer "gone" is not believed: the row's value has something like `%40` in it. If it was encoded already, it
/// was encoded twice, and the object under that name is gone because it never was.
pub(super) const NAME_MAY_BE_ENCODED: &str = "name_may_be_encoded";

const CONNECTION_LOST: &str = "connection_lost";

/// What the HTTP client says of a proxy that answers `CONNECT` with 407, and with another status than 200 (hyper-util
/// 0.1.21).
const PROXY_UNAUTHORIZED: &str = "tunnel error: proxy authorization required";
const PROXY_REFUSED: &str = "tunnel error: unsuccessful";

/// The most redirects that are followed.
const MOST_REDIRECTS: usize = 5;

/// A request as it is sent.
#[derive(Clone)]
pub(super) struct OutgoingRequest {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
    /// Whether it changes nothing, so that it may be sent again.
    pub(super) is_harmless: bool,
}

/// Sends requests.
#[derive(Clone)]
pub(super) struct Exchange {
    client: Client,
    addresses: AllowedAddresses,
    memory: AnswerMemory,
}

impl Exchange {
    pub(super) const fn new(client: Client, addresses: AllowedAddresses, memory: AnswerMemory) -> Self {
        Self { client, addresses, memory }
    }

    /// Sends a request and follows redirects that keep the method, to the same scheme, host and port. A `DELETE` must
    /// not become a `GET` (RFC 9110 §15.4), and no credential goes to a host that the configuration does not name.
    ///
    /// # Errors
    /// The outcome if there is no answer to judge: [`Outcome::Retry`] if certainly nothing was sent, [`Outcome::Lost`]
    /// if it may have been, [`Outcome::Rejected`] for an address that may not be called.
    pub(super) async fn follow(&self, mut request: OutgoingRequest, deadline: Instant) -> Result<Received, Outcome> {
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send_once(&request, deadline).await?;
            match redirect_target(&request.url, &response) {
                Ok(None) => return Ok(answer::read(response, BODY_LIMIT, &self.memory, deadline).await),
                Ok(Some(url)) => request.url = url,
                Err(reason) => return Err(rejected(Some(response.status().as_u16()), reason)),
            }
        }
        Err(rejected(None, "too_many_redirects"))
    }

    /// Sends a request, without following redirects.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub(super) async fn send(&self, request: &OutgoingRequest, deadline: Instant) -> Result<Received, Outcome> {
        self.send_for(request, BODY_LIMIT, deadline).await
    }

    /// The same for an answer of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub(super) async fn send_for(
        &self,
        request: &OutgoingRequest,
        limit: usize,
        deadline: Instant,
    ) -> Result<Received, Outcome> {
        Ok(answer::read(self.send_once(request, deadline).await?, limit, &self.memory, deadline).await)
    }

    /// Sends a request; once more if it changes nothing and the connection was lost. Servers close connections that
    /// were open for a while, some of them in the moment of the next request.
    async fn send_once(&self, request: &OutgoingRequest, deadline: Instant) -> Result<Response, Outcome> {
        match self.try_once(request, deadline).await {
            Err(Outcome::Lost(failure)) if request.is_harmless && failure.reason == CONNECTION_LOST => {
                self.try_once(request, deadline).await
            }
            result => result,
        }
    }

    async fn try_once(&self, request: &OutgoingRequest, deadline: Instant) -> Result<Response, Outcome> {
        if self.addresses == AllowedAddresses::Public && is_private_host(&request.url) {
            return Err(rejected(None, "private_address_refused"));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Err(retry(None, "timeout"));
        }
        let mut builder = self.client.request(request.method.clone(), request.url.clone());
        builder = builder.headers(request.headers.clone()).timeout(left);
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        builder.send().await.map_err(|error| classify_error(&error))
    }
}

/// Where a redirect leads, if the answer is one; or why it may not be followed.
fn redirect_target(from: &Url, response: &Response) -> Result<Option<Url>, &'static str> {
    match response.status() {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {}
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
            return Err("redirect_changes_method");
        }
        _ => return Ok(None),
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok()).ok_or("redirect_without_location")?;
    let origin = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    let same_user = (to.username(), to.password()) == (from.username(), from.password())
        || (to.username().is_empty() && to.password().is_none());
    if origin(&to) == origin(from) && same_user { Ok(Some(to)) } else { Err("redirect_elsewhere") }
}

/// The outcome without an answer: only if there was no connection is it certain that the call did not arrive.
fn classify_error(error: &reqwest::Error) -> Outcome {
    let mut source = error.source();
    while let Some(cause) = source {
        match cause.to_string().as_str() {
            REFUSED => return rejected(None, "private_address_refused"),
            PROXY_UNAUTHORIZED => return unauthorized(None, "proxy_unauthorized"),
            PROXY_REFUSED => return unauthorized(None, "proxy_refused"),
            _ => {}
        }
        source = cause.source();
    }
    if error.is_builder() {
        return rejected(None, "bad_request");
    }
    // Without a connection nothing was sent, whatever the reason.
    let lack = error.is_connect().then(|| Lack::of_causes(error).or_else(Lack::now)).flatten();
    if let Some(lack) = lack {
        return lack.outcome();
    }
    let failure = Failure { status: None, reason: reason_of(error).to_owned() };
    if error.is_connect() { Outcome::Retry(failure) } else { Outcome::Lost(failure) }
}

pub(super) fn reason_of(error: &reqwest::Error) -> &'static str {
    match error {
        e if e.is_timeout() => "timeout",
        e if e.is_connect() => "no_connection",
        _ => CONNECTION_LOST,
    }
}

pub(super) fn rejected(status: Option<u16>, reason: &str) -> Outcome {
    Outcome::Rejected(Failure { status, reason: reason.to_owned() })
}

pub(super) fn retry(status: Option<u16>, reason: &str) -> Outcome {
    Outcome::Retry(Failure { status, reason: reason.to_owned() })
}

pub(super) fn unauthorized(status: Option<u16>, reason: &str) -> Outcome {
    Outcome::Unauthorized(Failure { status, reason: reason.to_owned() })
}

/// A literal address is never resolved, so the resolver does not see it.
fn is_private_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_special_purpose(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_special_purpose(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => false,
    }
}
