//! What is at a URL, and whether it can be believed that nothing is: the requests that change nothing.

use std::time::{Instant, SystemTime};

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use sexton_core::outcome::{Outcome, Received};
use url::Url;

use super::{
    super::exchange::{NAME_MAY_BE_ENCODED, rejected, retry},
    address::ObjectAddress,
    deletion::{ObjectDeletion, gone},
    etag::{Precondition, condition},
    href,
    multistatus::{self, Properties},
};

const PROPFIND: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>"#;

/// What is at a URL.
pub(super) enum Found {
    Object(Precondition),
    Collection,
    /// 404 or 410.
    Nothing(Received),
}

/// What a `PROPFIND` tells.
enum PropfindAnswer {
    Properties(Properties),
    /// 404 or 410.
    Nothing(Received),
    /// 405 or 501: the server has no such method.
    Unknown,
}

impl ObjectDeletion<'_> {
    /// What is at the URL, with its `ETag`.
    pub(super) async fn look(&self, url: &Url) -> Result<Found, Outcome> {
        let by_name = || url.path().ends_with('/');
        match self.propfind(url).await? {
            PropfindAnswer::Properties(found) if found.is_collection.unwrap_or_else(by_name) => Ok(Found::Collection),
            PropfindAnswer::Properties(found) => Ok(Found::Object(object(found.etag))),
            PropfindAnswer::Nothing(received) => Ok(Found::Nothing(received)),
            // `HEAD` does not tell; by convention a collection's URL ends so (RFC 4918 §5.2).
            PropfindAnswer::Unknown if by_name() => Ok(Found::Collection),
            PropfindAnswer::Unknown => {
                let received = self.read(Method::HEAD, url, HeaderMap::new(), None).await?;
                match received.status {
                    200..=299 => Ok(Found::Object(object(received.etag))),
                    404 | 410 => Ok(Found::Nothing(received)),
                    _ => Err(received.classified(SystemTime::now()).of_harmless_request()),
                }
            }
        }
    }

    /// Judges whether it can be believed that nothing is there.
    pub(super) async fn judge_missing(&self, address: &ObjectAddress, received: Received) -> Result<Outcome, Outcome> {
        let status = received.status;
        if !address.is_certain {
            return Ok(rejected(Some(status), NAME_MAY_BE_ENCODED));
        }
        if self.dav.settings.gone.contains(&status) {
            return Ok(gone(status));
        }
        let Some(collection) = address.collection().filter(|_| status == 404) else {
            return Ok(received.classified(SystemTime::now()));
        };
        // The next answer may have to wait for the memory that this one holds.
        drop(received);
        Ok(match self.propfind(&collection).await? {
            PropfindAnswer::Properties(found) if found.is_collection == Some(true) => gone(status),
            PropfindAnswer::Properties(_) => rejected(Some(207), "collection_not_found"),
            PropfindAnswer::Nothing(collection) => rejected(Some(collection.status), "collection_not_found"),
            // Without PROPFIND nothing is known of the collection.
            PropfindAnswer::Unknown => rejected(Some(status), "http_404"),
        })
    }

    async fn propfind(&self, url: &Url) -> Result<PropfindAnswer, Outcome> {
        let method = Method::from_bytes(b"PROPFIND").map_err(|_| rejected(None, "bad_request"))?;
        let mut headers = HeaderMap::new();
        headers.insert("depth", HeaderValue::from_static("0"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
        let received = self.read(method, url, headers, Some(PROPFIND.into())).await?;
        match received.status {
            207 => read_propfind(received, self.deadline),
            404 | 410 => Ok(PropfindAnswer::Nothing(received)),
            405 | 501 => Ok(PropfindAnswer::Unknown),
            status @ 200..=299 => Err(rejected(Some(status), "no_multistatus")),
            _ => Err(received.classified(SystemTime::now()).of_harmless_request()),
        }
    }

    /// Sends a request that changes nothing.
    async fn read(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<Received, Outcome> {
        let received = self.send(method, url, headers, body).await.map_err(Outcome::of_harmless_request)?;
        match received.broken {
            Some(why) => Err(retry(Some(received.status), why)),
            None => Ok(received),
        }
    }
}

/// Reads a multistatus. Only a response about the resource that was asked for counts, and its own status if it has one:
/// some servers put a 404 there.
fn read_propfind(received: Received, deadline: Instant) -> Result<PropfindAnswer, Outcome> {
    let unreadable = || match Instant::now() < deadline {
        true => rejected(Some(received.status), "unreadable_multistatus"),
        false => retry(Some(received.status), "timeout"),
    };
    let responses = multistatus::responses(&received.body, deadline).ok_or_else(unreadable)?;
    let is_missing = |response: &multistatus::Response| matches!(response.status, Some(404 | 410));
    let is_asked = |response: &multistatus::Response| match is_missing(response) {
        true => response.hrefs.iter().any(|one| href::names_missing(one, &received.url)),
        false => response.hrefs.iter().any(|one| href::names(one, &received.url)),
    };
    let asked = responses.into_iter().find(is_asked);
    let asked = asked.ok_or_else(|| rejected(Some(received.status), "other_object"))?;
    match (asked.status, asked.properties) {
        (None | Some(200..=299), Some(found)) => Ok(PropfindAnswer::Properties(found)),
        (None | Some(200..=299), None) => Err(unreadable()),
        (Some(status @ (404 | 410)), _) => Ok(PropfindAnswer::Nothing(Received { status, ..received })),
        (Some(405 | 501), _) => Ok(PropfindAnswer::Unknown),
        (Some(status), _) => Err(Received { status, ..received }.classified(SystemTime::now()).of_harmless_request()),
    }
}

fn object(etag: Option<String>) -> Precondition {
    etag.as_deref().and_then(condition).unwrap_or(Precondition::None)
}
