//! The `s3` connector: deletes one object, or all objects under a prefix, in a bucket of Amazon's or a compatible
//! service.
//!
//! - Deleting a key that is not there succeeds. So for a single object "already gone" cannot be told from "wrong key".
//! - A prefix under which nothing was found is "already gone".
//! - After the last page of a prefix it is listed once more, and confirmed only if nothing is left.

mod bucket;
mod codes;
mod credentials;
mod xml;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use sexton_core::{
    config::{Target, target::s3::S3 as Settings},
    outcome::{Answer, Failure, Look, Outcome},
    template::{BadTemplate, NameTemplate, Values},
};

use self::{
    bucket::{Bucket, PAGE},
    credentials::S3Credentials,
};
use super::{
    Call, Connector, SetupError,
    address::AllowedAddresses,
    clients::{HttpClients, Transport},
    exchange::retry,
    headers::bad_template,
};

/// S3's own limit (Developer Guide, "Object key names").
const LONGEST_KEY: usize = 1024;

/// Deletes in one bucket.
pub(super) struct S3Connector {
    bucket: Bucket,
    name: ObjectName,
    timeout: Duration,
    repeatable: bool,
}

/// What a row's objects are named by.
enum ObjectName {
    Key(NameTemplate),
    Prefix(NameTemplate),
}

/// The objects of one row.
enum Objects {
    WithKey(String),
    WithPrefix(String),
}

impl S3Connector {
    /// A connector for `target`, whose own settings are `settings`.
    ///
    /// # Errors
    /// When the client cannot be set up, the endpoint cannot be used, or what the environment says of credentials
    /// contradicts itself.
    pub(super) fn new(clients: &mut HttpClients, target: &Target, settings: &Settings) -> Result<Self, SetupError> {
        let failed = |why: String| SetupError::Target { target: target.name.to_string(), why };
        let region = credentials::region(settings);
        // It becomes a part of headers; `object_store` 0.14.2 panics on text that cannot.
        if region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(failed(format!("the region `{}` is none: set `region`, or AWS_REGION", region.escape_debug())));
        }
        let url = bucket::url(settings, &region).map_err(failed)?;
        let name = match (&settings.key, &settings.prefix) {
            (Some(key), _) => ObjectName::Key(key.clone()),
            (None, Some(prefix)) => ObjectName::Prefix(prefix.clone()),
            (None, None) => return Err(failed("neither key nor prefix is set".to_owned())),
        };
        // The machine's own credentials are at a link-local address, which no row chooses.
        let finder = clients.get(&Transport::new(AllowedAddresses::Any))?;
        let credentials = S3Credentials::new(settings, finder).map_err(|error| failed(error.to_string()))?;
        let exchange = clients.exchange(&Transport::for_target(target))?;
        Ok(Self {
            bucket: Bucket::new(exchange, url, region, credentials),
            name,
            timeout: target.timeout,
            repeatable: target.repeatable,
        })
    }

    async fn delete_object(&self, key: String) -> Result<Outcome, Outcome> {
        let deleted = self.bucket.delete(&[key], Instant::now() + self.timeout).await?;
        Ok(codes::classify_key_errors(&deleted.errors, 0)
            .unwrap_or(Outcome::Confirmed { answer: Answer::Deleted { status: 200 } }))
    }

    /// Looks by a listing, because a URL cannot carry every key. A listing gives an object with exactly the key first:
    /// the keys of the others are longer.
    async fn look_for(&self, objects: &Objects) -> Result<Look, Outcome> {
        let (Objects::WithKey(name) | Objects::WithPrefix(name)) = objects;
        let page = self.bucket.list(name, None, 1, Instant::now() + self.timeout).await?;
        let found = match objects {
            Objects::WithKey(key) => page.keys.first() == Some(key),
            Objects::WithPrefix(_) => !page.keys.is_empty(),
        };
        let failure = Failure { status: Some(200), reason: "objects_there".to_owned() };
        Ok(if found { Look::Differs(failure) } else { Look::Gone })
    }

    fn objects_of(&self, row: &Values) -> Result<Objects, BadTemplate> {
        Ok(match &self.name {
            ObjectName::Key(key) => Objects::WithKey(check_length(key.render(row)?)?),
            ObjectName::Prefix(prefix) => {
                let prefix = check_length(prefix.render(row)?)?;
                // A prefix of slashes only belongs to no row.
                if prefix.bytes().all(|b| b == b'/') {
                    return Err(BadTemplate::OnlySlashes);
                }
                Objects::WithPrefix(prefix)
            }
        })
    }

    /// Deletes all objects under a prefix, page by page.
    async fn delete_prefix(&self, prefix: &str) -> Outcome {
        let mut gone = 0;
        let outcome = self.delete_pages(prefix, &mut gone).await.unwrap_or_else(|outcome| outcome);
        match outcome {
            Outcome::Lost(failure) if !self.repeatable => Outcome::Lost(failure),
            // The timeout of a prefix with many objects is no failure: the next call continues where this one stopped.
            Outcome::Retry(failure) | Outcome::Lost(failure) if failure.reason == "timeout" && gone > 0 => {
                let failure = Failure { status: None, reason: "more_to_delete".to_owned() };
                // The service did not ask for patience: other deletions of the lane are not delayed.
                Outcome::Throttled { retry_after: Some(Duration::ZERO), failure }
            }
            outcome => outcome,
        }
    }

    /// Counts in `gone` what is deleted, also if the timeout ends the work.
    async fn delete_pages(&self, prefix: &str, gone: &mut usize) -> Result<Outcome, Outcome> {
        let deadline = Instant::now() + self.timeout;
        let mut next: Option<String> = None;
        loop {
            let page = self.bucket.list(prefix, next.as_deref(), PAGE, deadline).await?;
            for keys in page.keys.chunks(PAGE) {
                let deleted = self.bucket.delete(keys, deadline).await?;
                *gone += deleted.gone.len();
                if let Some(outcome) = codes::classify_key_errors(&deleted.errors, *gone) {
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
impl Connector for S3Connector {
    async fn delete(&self, call: Call<'_>) -> Outcome {
        match self.objects_of(call.row) {
            Ok(Objects::WithPrefix(prefix)) => self.delete_prefix(&prefix).await,
            Ok(Objects::WithKey(key)) => self.delete_object(key).await.unwrap_or_else(|outcome| outcome),
            Err(why) => bad_template(why),
        }
    }

    async fn look(&self, call: Call<'_>) -> Look {
        match self.objects_of(call.row) {
            Ok(objects) => self.look_for(&objects).await.unwrap_or_else(Look::failed),
            Err(why) => Look::Failed(bad_template(why)),
        }
    }
}

fn check_length(name: String) -> Result<String, BadTemplate> {
    if name.len() > LONGEST_KEY { Err(BadTemplate::LongKey) } else { Ok(name) }
}
