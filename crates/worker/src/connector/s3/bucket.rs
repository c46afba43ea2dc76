//! The two requests that delete objects: a page of a listing, and a page of deletions, both signed (Signature Version 4).
//!
//! `object_store` has both, but its paths are not S3's keys: it strips slashes at their ends and refuses `..` and `//`, so
//! that `users/1/` would become `users/1`, which is another object. So it provides credentials and signatures here, and
//! the keys go as they are, in the body of `DeleteObjects`: a URL cannot carry `..` (RFC 3986 §5.2.4).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use md5::{Digest as _, Md5};
use object_store::{aws::AwsAuthorizer, client::HttpRequestBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use sexton_core::{answer::retry_after, config::S3 as Settings, outcome::Outcome};
use url::Url;

use super::{
    super::{
        exchange::{Line, Reply},
        http::rejected,
    },
    codes::classify,
    credentials::Credentials,
    xml,
};

/// Most keys of a `DeleteObjects`, and of a page of a listing.
pub(super) const PAGE: usize = 1000;

/// Enough for a page of the longest keys (1,024 bytes), encoded.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// What a signature's canonical query leaves as it is.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A bucket, and the way to it.
pub(super) struct Bucket {
    pub(super) line: Line,
    url: Url,
    region: String,
    credentials: Credentials,
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
    pub(super) const fn new(line: Line, url: Url, region: String, credentials: Credentials) -> Self {
        Self { line, url, region, credentials }
    }

    /// A page of the keys that begin with `prefix`, at most `most`.
    pub(super) async fn list(&self, prefix: &str, next: Option<&str>, most: usize) -> Result<xml::Page, Outcome> {
        let encode = |text: &str| utf8_percent_encode(text, STRICT).to_string();
        let mut query = String::new();
        if let Some(next) = next {
            query.push_str(&format!("continuation-token={}&", encode(next)));
        }
        query.push_str(&format!("encoding-type=url&list-type=2&max-keys={most}&prefix={}", encode(prefix)));
        let reply = self.send(Method::GET, &query, None).await?;
        let page = xml::page(&reply.body).ok_or_else(|| misunderstood(&reply))?;
        match page.keys.iter().all(|key| key.starts_with(prefix)) {
            true => Ok(page),
            // A service that ignores the prefix would have us delete everything.
            false => Err(rejected("listing_outside_prefix")),
        }
    }

    /// Deletes at most [`PAGE`] keys and says what became of them. That each of them is spoken of is checked.
    pub(super) async fn delete(&self, keys: &[String]) -> Result<xml::Deleted, Outcome> {
        let body = xml::delete(keys).ok_or_else(|| rejected("key_not_in_xml"))?;
        let reply = self.send(Method::POST, "delete=", Some(body)).await?;
        let deleted = xml::deleted(&reply.body).ok_or_else(|| misunderstood(&reply))?;
        match deleted.gone + deleted.errors.len() == keys.len() {
            true => Ok(deleted),
            false => Err(rejected("answer_lacks_keys")),
        }
    }

    async fn send(&self, method: Method, query: &str, body: Option<String>) -> Result<Reply, Outcome> {
        let credential = self.credentials.get().await?;
        let mut url = self.url.clone();
        url.set_query(Some(query));
        let mut unsigned = http::Request::builder().method(method).uri(url.as_str());
        if let Some(body) = &body {
            // Older compatible services insist on it; newer checksums are optional everywhere.
            let sum = BASE64_STANDARD.encode(Md5::digest(body.as_bytes()));
            unsigned = unsigned.header("content-md5", sum).header(CONTENT_TYPE, "application/xml");
        }
        let content = body.as_deref().map_or_else(HttpRequestBody::empty, |body| body.to_owned().into());
        let mut signed = unsigned.body(content).map_err(|_| rejected("bad_request"))?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut signed, None)
            .map_err(|_| rejected("cannot_sign"))?;
        let (head, _) = signed.into_parts();
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = body.map(Into::into);
        let reply = self.line.send(request, BODY_LIMIT).await?;
        let code = xml::error_code(&reply.body);
        match (reply.is_success(), &code) {
            (true, None) => Ok(reply),
            _ => {
                let after = reply.header(RETRY_AFTER).and_then(|v| retry_after(v, std::time::SystemTime::now()));
                Err(classify(reply.status, code.as_deref(), after))
            }
        }
    }
}

fn misunderstood(reply: &Reply) -> Outcome {
    Outcome::Rejected(reply.failure("unreadable_answer"))
}
