//! The two requests that delete objects: a page of a listing, and a page of deletions, both signed (Signature Version
//! 4).
//!
//! `object_store` has both, but its paths are not S3's keys: it strips slashes at their ends and refuses `..` and `//`,
//! so that `users/1/` would become `users/1`, which is another object. So it provides credentials and signatures here,
//! and the keys go as they are, in the body of `DeleteObjects`: a URL cannot carry `..` (RFC 3986 §5.2.4).

use std::{
    collections::HashSet,
    time::{Instant, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use md5::{Digest as _, Md5};
use object_store::{aws::AwsAuthorizer, client::HttpRequestBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, header::CONTENT_TYPE};
use sexton_core::{
    config::target::s3::S3 as Settings,
    outcome::{Outcome, Received, retry_after},
};
use url::Url;

use super::{
    super::exchange::{BODY_LIMIT, Exchange, OutgoingRequest, rejected},
    codes::classify,
    credentials::S3Credentials,
    xml,
};

/// Most keys of a `DeleteObjects`, and of a page of a listing.
pub(super) const PAGE: usize = 1000;

/// The most bytes of an answer about one key: 1,024 bytes, each encoded as six, and what is said of it.
const BYTES_A_KEY: usize = 8 * 1024;

/// What a signature's canonical query leaves as it is.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A bucket, and the way to it.
pub(super) struct Bucket {
    exchange: Exchange,
    url: Url,
    region: String,
    credentials: S3Credentials,
}

/// The bucket's own URL, without a query.
///
/// # Errors
/// What is wrong with the endpoint.
pub(super) fn url(settings: &Settings, region: &str) -> Result<Url, String> {
    let amazon = || format!("https://s3.{region}.amazonaws.com");
    let endpoint = settings.endpoint.clone().unwrap_or_else(amazon);
    let mut url = Url::parse(&endpoint).map_err(|error| error.to_string())?;
    if settings.virtual_hosted {
        let host = format!("{}.{}", settings.bucket, url.host_str().unwrap_or_default());
        url.set_host(Some(&host)).map_err(|error| error.to_string())?;
    } else {
        let path = format!("{}/{}", url.path().trim_end_matches('/'), settings.bucket);
        url.set_path(&path);
    }
    Ok(url)
}

impl Bucket {
    pub(super) fn new(exchange: Exchange, url: Url, region: String, credentials: S3Credentials) -> Self {
        Self { exchange, url, region, credentials }
    }

    /// A page of the keys that begin with `prefix`, at most `most`.
    pub(super) async fn list(
        &self,
        prefix: &str,
        next: Option<&str>,
        most: usize,
        deadline: Instant,
    ) -> Result<xml::ListingPage, Outcome> {
        let encode = |text: &str| utf8_percent_encode(text, STRICT).to_string();
        let mut query = String::new();
        if let Some(next) = next {
            query.push_str(&format!("continuation-token={}&", encode(next)));
        }
        query.push_str(&format!("encoding-type=url&list-type=2&max-keys={most}&prefix={}", encode(prefix)));
        let received = self.send(Method::GET, &query, None, most, deadline).await;
        let received = received.map_err(Outcome::of_harmless_request)?;
        let page = xml::page(&received.body, deadline);
        let page = page.ok_or_else(|| misunderstood(&received, deadline).of_harmless_request())?;
        // An empty listing of another prefix says nothing of ours.
        let listed = page.prefix.as_deref().is_none_or(|listed| listed == prefix);
        match listed && page.keys.iter().all(|key| key.starts_with(prefix)) {
            true => Ok(page),
            // A service that ignores the prefix would have us delete everything.
            false => Err(rejected(None, "listing_outside_prefix")),
        }
    }

    /// Deletes at most [`PAGE`] keys and says what became of them. The answer speaks of each of them and of no other: a
    /// service that changes a key deletes another object.
    pub(super) async fn delete(&self, keys: &[String], deadline: Instant) -> Result<xml::DeletedKeys, Outcome> {
        let body = xml::delete(keys).ok_or_else(|| rejected(None, "key_not_in_xml"))?;
        let received = self.send(Method::POST, "delete=", Some(body), keys.len(), deadline).await?;
        let deleted = xml::deleted(&received.body, deadline).ok_or_else(|| misunderstood(&received, deadline))?;
        let told: HashSet<&String> = deleted.gone.iter().chain(deleted.errors.iter().map(|(key, _)| key)).collect();
        let asked: HashSet<&String> = keys.iter().collect();
        match (told.is_subset(&asked), asked.is_subset(&told)) {
            (true, true) => Ok(deleted),
            (false, _) => Err(rejected(None, "other_object")),
            (true, false) => Err(rejected(None, "answer_lacks_keys")),
        }
    }

    /// Sends a request about this many keys. Redirects are not followed: a signature is for one host and path.
    async fn send(
        &self,
        method: Method,
        query: &str,
        body: Option<String>,
        keys: usize,
        deadline: Instant,
    ) -> Result<Received, Outcome> {
        let credential = self.credentials.get(deadline).await?;
        let mut url = self.url.clone();
        url.set_query(Some(query));
        let mut unsigned = http::Request::builder().method(method).uri(url.as_str());
        if let Some(body) = &body {
            // Older compatible services insist on it; newer checksums are optional everywhere.
            let sum = BASE64_STANDARD.encode(Md5::digest(body.as_bytes()));
            unsigned = unsigned.header("content-md5", sum).header(CONTENT_TYPE, "application/xml");
        }
        let content = body.as_deref().map_or_else(HttpRequestBody::empty, |body| body.to_owned().into());
        let mut signed = unsigned.body(content).map_err(|_| rejected(None, "bad_request"))?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut signed, None)
            .map_err(|_| rejected(None, "cannot_sign"))?;
        let (head, _) = signed.into_parts();
        let is_harmless = head.method == Method::GET;
        let body = body.map(String::into_bytes);
        let request = OutgoingRequest { method: head.method, url, headers: head.headers, body, is_harmless };
        let limit = BODY_LIMIT.max(keys * BYTES_A_KEY);
        let received = self.exchange.send_for(&request, limit, deadline).await?;
        if let Some(why) = received.broken {
            // What is missing may be the reason, or the error of a key.
            return Err(Outcome::Lost(received.failure(why)));
        }
        let code = xml::error_code(&received.body, deadline);
        match (received.is_success(), &code) {
            (true, None) => Ok(received),
            _ => {
                let after = received.retry_after.as_deref().and_then(|value| retry_after(value, SystemTime::now()));
                let after = after.filter(|after| !after.is_zero());
                Err(classify(received.status, code.as_deref(), after))
            }
        }
    }
}

fn misunderstood(received: &Received, deadline: Instant) -> Outcome {
    match Instant::now() < deadline {
        true => Outcome::Rejected(received.failure("unreadable_answer")),
        false => Outcome::Lost(received.failure("timeout")),
    }
}
