//! One request and its answer, for connectors whose deletion takes several.

use std::{
    future::Future,
    time::{Duration, SystemTime},
};

use reqwest::{
    Client, Request,
    header::{HeaderMap, RETRY_AFTER},
};
use sexton_core::{
    answer::{HttpAnswer, classify},
    config::Target,
    outcome::{Failure, Outcome},
};

use super::http::{Clients, is_private_host, lost, rejected, unanswered};

/// The way to a target.
pub(super) struct Line {
    pub(super) client: Client,
    allow_private: bool,
    /// How long all requests of a deletion may take together.
    pub(super) timeout: Duration,
}

/// An answer. Its body is never kept beyond what it is judged by.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// As much of the body as was asked for.
    pub(super) body: Vec<u8>,
}

impl Line {
    pub(super) fn new(clients: &Clients, target: &Target) -> Self {
        Self {
            client: clients.allowing_private(target.allow_private),
            allow_private: target.allow_private,
            timeout: target.timeout,
        }
    }

    /// Sends a request and reads at most `most` bytes of the answer's body.
    ///
    /// # Errors
    /// What it means that there was no answer, or that it broke off.
    pub(super) async fn send(&self, request: Request, most: usize) -> Result<Reply, Outcome> {
        if !self.allow_private && is_private_host(request.url()) {
            return Err(rejected("private_address_refused"));
        }
        let mut response = self.client.execute(request).await.map_err(|error| unanswered(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                // What is missing may be the reason, or a failure within a success.
                Err(error) => {
                    return Err(Outcome::Retry(Failure { status: Some(status), reason: lost(&error).to_owned() }));
                }
            }
            if body.len() > most {
                body.truncate(most);
                break;
            }
        }
        Ok(Reply { status, headers, body })
    }

    /// Gives a deletion its time; what takes longer may work next time.
    pub(super) async fn in_time(&self, deletion: impl Future<Output = Outcome> + Send) -> Outcome {
        tokio::time::timeout(self.timeout, deletion).await.unwrap_or_else(|_| retry(None, "timeout"))
    }
}

impl Reply {
    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    pub(super) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What the answer means by its status, a reason and `Retry-After`.
    pub(super) fn judge(&self, reason: Option<&str>, gone: &[u16]) -> Outcome {
        let answer = HttpAnswer { status: self.status, retry_after: self.header(RETRY_AFTER), reason };
        classify(answer, gone, SystemTime::now())
    }

    /// The failure that this answer is, with a reason of our own.
    pub(super) fn failure(&self, reason: &str) -> Failure {
        Failure { status: Some(self.status), reason: reason.to_owned() }
    }
}

/// A failure that may pass.
pub(super) fn retry(status: Option<u16>, reason: &str) -> Outcome {
    Outcome::Retry(Failure { status, reason: reason.to_owned() })
}

/// Our credentials are missing or refused.
pub(super) fn unauthorized(status: Option<u16>, reason: &str) -> Outcome {
    Outcome::Unauthorized(Failure { status, reason: reason.to_owned() })
}
