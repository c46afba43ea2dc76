//! The requests of one deletion: read what is there, delete it on the condition that it is still that, judge a 404.

use std::time::{Instant, SystemTime};

use reqwest::{
    Method,
    header::{HeaderMap, IF_MATCH},
};
use sexton_core::outcome::{Answer, Outcome, Received};
use url::Url;

use super::{
    super::auth::AuthenticatedCall,
    super::{
        Call,
        exchange::{OutgoingRequest, rejected, retry},
    },
    CalDavConnector,
    address::ObjectAddress,
    etag::Precondition,
    members::{Members, members_of},
    reading::Found,
};

/// How often a call starts over because the object changed between reading its `ETag` and deleting it.
const CHANGES: usize = 3;

/// One deletion: what all its requests have in common.
pub(super) struct ObjectDeletion<'d> {
    pub(super) dav: &'d CalDavConnector,
    pub(super) call: Call<'d>,
    pub(super) headers: HeaderMap,
    pub(super) deadline: Instant,
}

impl ObjectDeletion<'_> {
    /// Deletes the object at the URL. An error is an outcome as well; it only ends the work early.
    ///
    /// What is there is read before each `DELETE`: many servers ignore `If-Match` on it, and to delete a collection
    /// deletes all that is in it (RFC 4918 §9.6.1). `remembered` is the condition if the server tells none.
    pub(super) async fn run(
        &self,
        address: &ObjectAddress,
        mut remembered: Option<Precondition>,
    ) -> Result<Outcome, Outcome> {
        let (settings, url) = (&self.dav.settings, &address.url);
        for _ in 0..CHANGES {
            let condition = match self.look(url).await? {
                Found::Object(_) if !settings.if_match => Precondition::None,
                Found::Object(Precondition::None) => remembered.take().unwrap_or(Precondition::None),
                Found::Object(condition) => condition,
                Found::Collection if settings.collection => Precondition::None,
                Found::Collection => return Ok(rejected(None, "is_a_collection")),
                Found::Nothing(received) => return self.judge_missing(address, received).await,
            };
            let received = self.delete(url, &condition).await?;
            match received.status {
                207 => {
                    return match members_of(&received, self.deadline) {
                        Members::Outcome(outcome) => Ok(outcome),
                        Members::Missing(status) => self.judge_missing(address, Received { status, ..received }).await,
                    };
                }
                404 | 410 => return self.judge_missing(address, received).await,
                // It has another ETag by now, or it is gone: some servers check the condition first.
                412 if condition != Precondition::None => {}
                423 | 424 => return Ok(retry(Some(received.status), &format!("http_{}", received.status))),
                status if settings.gone.contains(&status) => return Ok(gone(status)),
                _ => return Ok(received.classified(SystemTime::now())),
            }
        }
        Ok(retry(Some(412), "etag_keeps_changing"))
    }

    async fn delete(&self, url: &Url, condition: &Precondition) -> Result<Received, Outcome> {
        let mut headers = HeaderMap::new();
        if let Precondition::Has(etag) = condition {
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

    /// Sends a request with the headers of the settings; those of the request itself replace them.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        own: HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<Received, Outcome> {
        let mut headers = self.headers.clone();
        headers.extend(own);
        let is_harmless = method != Method::DELETE;
        let request = OutgoingRequest { method, url: url.clone(), headers, body, is_harmless };
        let call = AuthenticatedCall { id: self.call.id, target: &self.dav.target, deadline: self.deadline };
        self.dav.auth.follow(&self.dav.exchange, &request, call).await
    }
}

pub(super) const fn gone(status: u16) -> Outcome {
    Outcome::Confirmed { answer: Answer::Gone { status } }
}
