//! The requests of one deletion: read the `ETag`, delete on its condition, and judge a 404.

use std::time::{Instant, SystemTime};

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH},
};
use sexton_core::outcome::{Answer, Failure, HttpAnswer, Outcome, Received, classify};
use url::Url;

use super::{
    super::{
        Call,
        exchange::{Request, rejected, retry},
    },
    CalDav,
    etag::{Condition, condition},
    multistatus,
};

/// How often a call starts over because the object changed between reading its `ETag` and deleting it.
const CHANGES: usize = 3;

const PROPFIND: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>"#;

/// What is at a URL.
pub(super) enum Found {
    Object(Condition),
    Collection,
    /// 404 or 410.
    Nothing(Received),
}

/// One deletion: what all its requests have in common.
pub(super) struct Deletion<'d> {
    pub(super) dav: &'d CalDav,
    pub(super) call: Call<'d>,
    pub(super) headers: HeaderMap,
    pub(super) deadline: Instant,
}

impl Deletion<'_> {
    /// Deletes the object at the URL. An error is an outcome as well; it only ends the work early.
    pub(super) async fn run(&self, url: &Url, remembered: Option<Condition>) -> Result<Outcome, Outcome> {
        let mut condition = match remembered {
            _ if !self.dav.settings.if_match => Condition::None,
            Some(condition) => condition,
            None => match self.look(url).await? {
                Found::Object(condition) => condition,
                Found::Collection => self.allow_collection()?,
                Found::Nothing(received) => return self.judge_missing(url, &received).await,
            },
        };
        for _ in 0..CHANGES {
            let received = self.delete(url, &condition).await?;
            match received.status {
                207 => return Ok(classify_members(&received)),
                404 | 410 => return self.judge_missing(url, &received).await,
                412 if self.dav.settings.if_match => {}
                423 | 424 => return Ok(retry(Some(received.status), &format!("http_{}", received.status))),
                status if self.dav.settings.gone.contains(&status) => return Ok(gone(status)),
                _ => return Ok(received.classified(SystemTime::now())),
            }
            // It has another ETag by now, or it is gone: some servers check the condition first.
            let before = condition;
            condition = match self.look(url).await? {
                Found::Object(condition) => condition,
                Found::Collection => self.allow_collection()?,
                Found::Nothing(received) => return self.judge_missing(url, &received).await,
            };
            if condition == Condition::None && before == Condition::None {
                return Ok(rejected(Some(received.status), "http_412"));
            }
        }
        Ok(retry(Some(412), "etag_keeps_changing"))
    }

    fn allow_collection(&self) -> Result<Condition, Outcome> {
        if self.dav.settings.collection { Ok(Condition::None) } else { Err(rejected(None, "is_a_collection")) }
    }

    /// What is at the URL, with its `ETag`.
    pub(super) async fn look(&self, url: &Url) -> Result<Found, Outcome> {
        let received = self.propfind(url).await?;
        match received.status {
            207 => match multistatus::properties(&received.body) {
                Some(found) if found.is_collection => Ok(Found::Collection),
                Some(found) => Ok(Found::Object(found.etag.as_deref().and_then(condition).unwrap_or(Condition::None))),
                None => Err(rejected(Some(207), "unreadable_multistatus")),
            },
            404 | 410 => Ok(Found::Nothing(received)),
            // `HEAD` does not tell; by convention a collection's URL ends so (RFC 4918 §5.2).
            405 | 501 if url.path().ends_with('/') => Ok(Found::Collection),
            405 | 501 => {
                let received = self.read(Method::HEAD, url, HeaderMap::new(), None).await?;
                match received.status {
                    200..=299 => {
                        Ok(Found::Object(received.etag.as_deref().and_then(condition).unwrap_or(Condition::None)))
                    }
                    404 | 410 => Ok(Found::Nothing(received)),
                    _ => Err(received.classified(SystemTime::now()).of_harmless_request()),
                }
            }
            status @ 200..=299 => Err(rejected(Some(status), "no_multistatus")),
            _ => Err(received.classified(SystemTime::now()).of_harmless_request()),
        }
    }

    /// Judges whether it can be believed that nothing is there.
    pub(super) async fn judge_missing(&self, url: &Url, received: &Received) -> Result<Outcome, Outcome> {
        let status = received.status;
        if self.dav.settings.gone.contains(&status) {
            return Ok(gone(status));
        }
        let Some(parent) = parent(url).filter(|_| status == 404) else {
            return Ok(received.classified(SystemTime::now()));
        };
        let collection = self.propfind(&parent).await?;
        match collection.status {
            207 if multistatus::properties(&collection.body).is_some_and(|found| found.is_collection) => {
                Ok(gone(status))
            }
            // Without PROPFIND nothing is known of the collection.
            405 | 501 => Ok(rejected(Some(status), "http_404")),
            status @ (200..=299 | 404 | 410) => Ok(rejected(Some(status), "collection_not_found")),
            _ => Ok(collection.classified(SystemTime::now()).of_harmless_request()),
        }
    }

    async fn delete(&self, url: &Url, condition: &Condition) -> Result<Received, Outcome> {
        let mut headers = HeaderMap::new();
        if let Condition::Has(etag) = condition {
            // An ETag that is no header value is an error: without it the request would have no condition.
            headers.insert(IF_MATCH, etag.parse().map_err(|_| rejected(None, "bad_etag"))?);
        }
        let received = self.send(Method::DELETE, url, headers, None).await?;
        match received.broken {
            // What is missing may be the reason, or a member that is still there.
            Some(why) if received.status == 207 || !received.is_success() => Err(Outcome::Lost(received.failure(why))),
            _ => Ok(received),
        }
    }

    async fn propfind(&self, url: &Url) -> Result<Received, Outcome> {
        let method = Method::from_bytes(b"PROPFIND").map_err(|_| rejected(None, "bad_request"))?;
        let mut headers = HeaderMap::new();
        headers.insert("depth", HeaderValue::from_static("0"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
        self.read(method, url, headers, Some(PROPFIND.into())).await
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

    /// Sends a request with the headers of the settings; those of the request itself replace them.
    async fn send(
        &self,
        method: Method,
        url: &Url,
        own: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<Received, Outcome> {
        let mut headers = self.headers.clone();
        headers.extend(own);
        let request = Request { method, url: url.clone(), headers, body };
        self.dav.auth.follow(&self.dav.exchange, &request, self.call.id, &self.dav.target, self.deadline).await
    }
}

const fn gone(status: u16) -> Outcome {
    Outcome::Confirmed { answer: Answer::Gone { status } }
}

/// The collection that has the resource: the URL up to its last `/`.
fn parent(url: &Url) -> Option<Url> {
    let path = url.path().strip_suffix('/').unwrap_or(url.path());
    let (parent, _) = path.rsplit_once('/')?;
    let mut url = url.clone();
    url.set_path(&format!("{parent}/"));
    url.set_query(None);
    Some(url)
}

/// Classifies a `207` to a `DELETE` by its worst member. It is no success as long as one member is still there.
fn classify_members(received: &Received) -> Outcome {
    let Some(statuses) = multistatus::statuses(&received.body) else {
        return Outcome::Rejected(received.failure("unreadable_multistatus"));
    };
    let left = |status: &u16| !matches!(status, 200..=299 | 404 | 410);
    let member = |status: u16| Failure { status: Some(207), reason: format!("member_{status}") };
    let temporary = |status: u16| {
        let answer = HttpAnswer { status, retry_after: None, reason: None };
        matches!(status, 423 | 424)
            || matches!(classify(answer, &[], SystemTime::now()), Outcome::Retry(_) | Outcome::Throttled { .. })
    };
    let permanent = statuses.iter().copied().filter(left).find(|status| !temporary(*status));
    match (permanent, statuses.iter().copied().find(left)) {
        // The collection accepted our credentials: a member that we may not delete says nothing of them.
        (Some(status), _) => Outcome::Rejected(member(status)),
        (None, Some(status)) => Outcome::Retry(member(status)),
        (None, None) => Outcome::Confirmed { answer: Answer::Deleted { status: 207 } },
    }
}
