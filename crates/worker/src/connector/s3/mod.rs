//! The `s3` connector: deletes one object, or all objects under a prefix, in a bucket of Amazon's or a compatible service.
//!
//! Deleting a key that is not there succeeds, so "already gone" cannot be told from "wrong key" for a single object; a
//! prefix under which nothing was found is "already gone". After the last page of a prefix it is listed once more: it is
//! confirmed only if nothing is left.

mod bucket;
mod codes;
mod credentials;
mod xml;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use sexton_core::{
    config::{S3 as Settings, Target},
    outcome::{Answer, Failure, Look, Outcome},
    template::{BadTemplate, NameTemplate, Values},
};

use self::{
    bucket::{Bucket, PAGE},
    credentials::Credentials,
};
use super::{
    Call, Connector, SetupError,
    clients::{Clients, Transport},
    exchange::{Exchange, retry},
    headers::bad,
};

/// S3's own limit (Developer Guide, "Object key names").
const LONGEST_KEY: usize = 1024;

/// Deletes in one bucket.
pub(super) struct S3 {
    bucket: Bucket,
    what: What,
    timeout: Duration,
    repeatable: bool,
}

enum What {
    Key(NameTemplate),
    Prefix(NameTemplate),
}

impl S3 {
    /// A connector for `target`, whose own settings are `settings`.
    ///
    /// # Errors
    /// When the client cannot be set up, the endpoint cannot be used, or what the environment says of credentials contradicts itself.
    pub(super) fn new(clients: &mut Clients, target: &Target, settings: &Settings) -> Result<Self, SetupError> {
        let failed = |why: String| SetupError::Target { target: target.name.to_string(), why };
        let region = credentials::region(settings);
        // It becomes a part of headers; `object_store` 0.14.2 panics on what cannot.
        if region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(failed(format!("the region `{}` is none: set `region`, or AWS_REGION", region.escape_debug())));
        }
        let url = bucket::url(settings, &region).map_err(failed)?;
        let what = match (&settings.key, &settings.prefix) {
            (Some(key), _) => What::Key(key.clone()),
            (None, Some(prefix)) => What::Prefix(prefix.clone()),
            (None, None) => return Err(failed("neither key nor prefix is set".to_owned())),
        };
        // Where the machine's own credentials are is link-local, and no row has a say in it.
        let finder = clients.get(&Transport::new(true))?;
        let credentials = Credentials::new(settings, finder).map_err(|error| failed(error.to_string()))?;
        let exchange = Exchange::new(clients.get(&Transport::of(target))?, target.allow_private);
        Ok(Self {
            bucket: Bucket::new(exchange, url, region, credentials),
            what,
            timeout: target.timeout,
            repeatable: target.repeatable,
        })
    }

    async fn object(&self, key: String) -> Result<Outcome, Outcome> {
        let deleted = self.bucket.delete(&[key], Instant::now() + self.timeout).await?;
        Ok(codes::of_keys(&deleted.errors, 0).unwrap_or(Outcome::Confirmed { answer: Answer::Deleted { status: 200 } }))
    }

    /// Whether nothing is there. What a listing of a key gives first is that key, if there is such an object: those that only
    /// begin with it are longer. A URL could not carry every key.
    async fn is_there(&self, name: &str, is_prefix: bool) -> Result<Look, Outcome> {
        let page = self.bucket.list(name, None, 1, Instant::now() + self.timeout).await?;
        let found = page.keys.first().is_some_and(|found| is_prefix || found == name);
        let failure = Failure { status: Some(200), reason: "objects_there".to_owned() };
        Ok(if found { Look::Differs(failure) } else { Look::Gone })
    }

    fn name(&self, row: &Values) -> Result<(String, bool), BadTemplate> {
        let (template, is_prefix) = match &self.what {
            What::Key(key) => (key, false),
            What::Prefix(prefix) => (prefix, true),
        };
        Ok((checked(template.render(row)?, is_prefix)?, is_prefix))
    }

    /// Page by page.
    async fn all_under(&self, prefix: &str) -> Outcome {
        let mut gone = 0;
        let outcome = self.pages(prefix, &mut gone).await.unwrap_or_else(|outcome| outcome);
        match outcome {
            Outcome::Lost(failure) if !self.repeatable => Outcome::Lost(failure),
            // A long way in steps is no failure: the next call goes on where this one stopped.
            Outcome::Retry(failure) | Outcome::Lost(failure) if failure.reason == "timeout" && gone > 0 => {
                let failure = Failure { status: None, reason: "more_to_delete".to_owned() };
                // Nobody has asked for patience: other deletions of the lane go on.
                Outcome::Throttled { retry_after: Some(Duration::ZERO), failure }
            }
            outcome => outcome,
        }
    }

    /// `gone` counts as it goes, for whoever looks when the time is over.
    async fn pages(&self, prefix: &str, gone: &mut usize) -> Result<Outcome, Outcome> {
        let deadline = Instant::now() + self.timeout;
        let mut next: Option<String> = None;
        loop {
            let page = self.bucket.list(prefix, next.as_deref(), PAGE, deadline).await?;
            for keys in page.keys.chunks(PAGE) {
                let deleted = self.bucket.delete(keys, deadline).await?;
                *gone += deleted.gone;
                if let Some(outcome) = codes::of_keys(&deleted.errors, *gone) {
                    return Ok(outcome);
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        if *gone == 0 {
            return Ok(Outcome::Confirmed { answer: Answer::Gone { status: 200 } });
        }
        match self.bucket.list(prefix, None, 1, deadline).await?.keys.is_empty() {
            true => Ok(Outcome::Confirmed { answer: Answer::Deleted { status: 200 } }),
            false => Ok(retry(Some(200), "objects_left")),
        }
    }
}

#[async_trait]
impl Connector for S3 {
    async fn delete(&self, call: Call<'_>) -> Outcome {
        match self.name(call.row) {
            Ok((prefix, true)) => self.all_under(&prefix).await,
            Ok((key, false)) => self.object(key).await.unwrap_or_else(|outcome| outcome),
            Err(why) => bad(why),
        }
    }

    async fn look(&self, call: Call<'_>) -> Look {
        match self.name(call.row) {
            Ok((name, is_prefix)) => self.is_there(&name, is_prefix).await.unwrap_or_else(Look::failed),
            Err(why) => Look::Failed(bad(why)),
        }
    }
}

/// A prefix of slashes only would be that of what belongs to nobody; a key that is too long is none.
fn checked(text: String, is_prefix: bool) -> Result<String, BadTemplate> {
    let empty = is_prefix && text.bytes().all(|b| b == b'/');
    if empty || text.len() > LONGEST_KEY { Err(BadTemplate::Shape) } else { Ok(text) }
}
