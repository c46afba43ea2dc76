//! The `caldav` connector: deletes an object on a CalDAV, CardDAV or WebDAV server, on the condition that it is the one
//! that was seen.
//!
//! `If-Match` needs an `ETag` (RFC 9110 §13.1.1). Without a remembered one it is read by `PROPFIND`, for which a server
//! must have `getetag` (RFC 4918 §15.6, RFC 4791 §5.3.4), and which also tells an object from a collection: deleting a
//! collection deletes all that is in it (RFC 4918 §9.6.1). Where there is no `PROPFIND`, `HEAD` has to do.
//! A 404 is believed only if the collection that the object would be in answers: a wrong base path gives 404 to everything.

mod etag;
mod multistatus;

use async_trait::async_trait;
use reqwest::{
    Method, Request,
    header::{CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH},
};
use secrecy::ExposeSecret;
use sexton_core::{
    answer::{HttpAnswer, classify},
    config::{CalDav as Settings, Target},
    outcome::{Answer, Failure, Outcome},
    template::Values,
};
use url::Url;

use self::etag::{Condition, condition};
use super::{
    Connector,
    exchange::{Line, Reply, retry, unauthorized},
    http::{Clients, rejected, unanswered},
    secret_file,
};

/// Most of an answer that is read: a multistatus has an entry for each member that was not deleted.
const BODY_LIMIT: usize = 1024 * 1024;

/// How often a call tries again because the object changed between reading its `ETag` and deleting it.
const CHANGES: usize = 3;

const PROPFIND: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>"#;

/// Calls one target over WebDAV.
pub(super) struct CalDav {
    line: Line,
    settings: Settings,
}

/// What is at a URL.
enum Found {
    Object(Condition),
    Collection,
    /// 404 or 410.
    Nothing(Reply),
}

impl CalDav {
    /// A connector for `target`, whose own settings are `settings`.
    pub(super) fn new(clients: &Clients, target: &Target, settings: &Settings) -> Self {
        Self { line: Line::new(clients, target), settings: settings.clone() }
    }

    /// Either way the outcome; an error only ends the work early.
    async fn call(&self, url: Url, remembered: Option<Condition>) -> Result<Outcome, Outcome> {
        let mut condition = match remembered {
            _ if !self.settings.if_match => Condition::None,
            Some(condition) => condition,
            None => match self.look(&url).await? {
                Found::Object(condition) => condition,
                Found::Collection => self.collection()?,
                Found::Nothing(reply) => return self.missing(&url, &reply).await,
            },
        };
        for _ in 0..CHANGES {
            let reply = self.delete(&url, &condition).await?;
            match reply.status {
                207 => return Ok(of_members(&reply)),
                404 | 410 => return self.missing(&url, &reply).await,
                412 if self.settings.if_match => {}
                423 | 424 => return Ok(Outcome::Retry(reply.failure(&format!("http_{}", reply.status)))),
                _ => return Ok(reply.judge(None, &self.settings.gone)),
            }
            // It has another ETag than we thought, or (some servers answer that first) is not there any more.
            let before = condition;
            condition = match self.look(&url).await? {
                Found::Object(condition) => condition,
                Found::Collection => self.collection()?,
                Found::Nothing(reply) => return self.missing(&url, &reply).await,
            };
            if condition == Condition::None && before == Condition::None {
                return Ok(Outcome::Rejected(reply.failure("http_412")));
            }
        }
        Ok(retry(Some(412), "etag_keeps_changing"))
    }

    fn collection(&self) -> Result<Condition, Outcome> {
        if self.settings.collection { Ok(Condition::None) } else { Err(rejected("is_a_collection")) }
    }

    /// What is at the URL, with its `ETag`.
    async fn look(&self, url: &Url) -> Result<Found, Outcome> {
        let reply = self.propfind(url).await?;
        match reply.status {
            207 => match multistatus::properties(&reply.body) {
                Some(found) if found.is_collection => Ok(Found::Collection),
                Some(found) => Ok(Found::Object(found.etag.as_deref().and_then(condition).unwrap_or(Condition::None))),
                None => Err(Outcome::Rejected(reply.failure("unreadable_multistatus"))),
            },
            404 | 410 => Ok(Found::Nothing(reply)),
            405 | 501 => {
                let reply = self.send(Method::HEAD, url, |_| {}).await?;
                match reply.status {
                    200..=299 => Ok(Found::Object(reply.header(ETAG).and_then(condition).unwrap_or(Condition::None))),
                    404 | 410 => Ok(Found::Nothing(reply)),
                    _ => Err(reply.judge(None, &[])),
                }
            }
            200..=299 => Err(Outcome::Rejected(reply.failure("no_multistatus"))),
            _ => Err(reply.judge(None, &[])),
        }
    }

    /// Nothing is there: whether that can be believed.
    async fn missing(&self, url: &Url, reply: &Reply) -> Result<Outcome, Outcome> {
        let status = reply.status;
        if self.settings.gone.contains(&status) {
            return Ok(Outcome::Confirmed { answer: Answer::Gone { status } });
        }
        let Some(parent) = parent(url).filter(|_| status == 404) else { return Ok(reply.judge(None, &[])) };
        let collection = self.propfind(&parent).await?;
        match collection.status {
            207 if multistatus::properties(&collection.body).is_some_and(|found| found.is_collection) => {
                Ok(Outcome::Confirmed { answer: Answer::Gone { status } })
            }
            // There is no PROPFIND, so nothing is known of the collection.
            405 | 501 => Ok(Outcome::Rejected(reply.failure("http_404"))),
            200..=299 | 404 | 410 => Ok(Outcome::Rejected(collection.failure("collection_not_found"))),
            _ => Ok(collection.judge(None, &[])),
        }
    }

    async fn delete(&self, url: &Url, condition: &Condition) -> Result<Reply, Outcome> {
        let Condition::Has(etag) = condition else { return self.send(Method::DELETE, url, |_| {}).await };
        // What cannot be a header value makes the request fail to build, never go out without its condition.
        let value: HeaderValue = etag.parse().map_err(|_| rejected("bad_etag"))?;
        self.send(Method::DELETE, url, |request| {
            request.headers_mut().insert(IF_MATCH, value);
        })
        .await
    }

    async fn propfind(&self, url: &Url) -> Result<Reply, Outcome> {
        let method = Method::from_bytes(b"PROPFIND").map_err(|_| rejected("bad_request"))?;
        self.send(method, url, |request| {
            let headers = request.headers_mut();
            headers.insert("depth", HeaderValue::from_static("0"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
            *request.body_mut() = Some(PROPFIND.into());
        })
        .await
    }

    async fn send(&self, method: Method, url: &Url, more: impl FnOnce(&mut Request)) -> Result<Reply, Outcome> {
        let mut request = self.line.client.request(method, url.clone());
        for (name, value) in &self.settings.headers {
            request = request.header(name, value.expose_secret());
        }
        if let Some(user) = &self.settings.user {
            let password = match (&self.settings.password, &self.settings.password_file) {
                (Some(password), _) => Some(password.clone()),
                (None, Some(file)) => Some(secret_file::read(file).await.map_err(|error| {
                    tracing::warn!(%error, "cannot read password_file {}", file.display());
                    unauthorized(None, "password_file_unreadable")
                })?),
                (None, None) => None,
            };
            request = request.basic_auth(user, password.as_ref().map(|password| password.expose_secret()));
        }
        let mut request = request.build().map_err(|error| unanswered(&error))?;
        more(&mut request);
        self.line.send(request, BODY_LIMIT).await
    }
}

#[async_trait]
impl Connector for CalDav {
    async fn delete(&self, row: &Values) -> Outcome {
        let url = match self.settings.url.render(row) {
            Ok(url) => url,
            Err(why) => return Outcome::BadTemplate(Failure { status: None, reason: why.to_string() }),
        };
        // One that was never remembered, or that is none, is read.
        let remembered = self.settings.etag.as_ref().and_then(|etag| etag.render(row).ok());
        let remembered = remembered.as_deref().and_then(condition);
        self.line.in_time(async { self.call(url, remembered).await.unwrap_or_else(|outcome| outcome) }).await
    }
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

/// `207` to a `DELETE`: the worst of what the members say. It is no success as long as one of them is still there.
fn of_members(reply: &Reply) -> Outcome {
    let Some(statuses) = multistatus::statuses(&reply.body) else {
        return Outcome::Rejected(reply.failure("unreadable_multistatus"));
    };
    let left = |status: &u16| !matches!(status, 200..=299 | 404 | 410);
    let member = |status: u16| Failure { status: Some(207), reason: format!("member_{status}") };
    let temporary = |status: u16| {
        let answer = HttpAnswer { status, retry_after: None, reason: None };
        matches!(status, 423 | 424)
            || matches!(
                classify(answer, &[], std::time::SystemTime::now()),
                Outcome::Retry(_) | Outcome::Throttled { .. }
            )
    };
    let permanent = statuses.iter().copied().filter(left).find(|status| !temporary(*status));
    match (permanent, statuses.iter().copied().find(left)) {
        // One that we may not delete says nothing of our credentials, which the collection accepted.
        (Some(status), _) => Outcome::Rejected(member(status)),
        (None, Some(status)) => Outcome::Retry(member(status)),
        (None, None) => Outcome::Confirmed { answer: Answer::Deleted { status: 207 } },
    }
}
