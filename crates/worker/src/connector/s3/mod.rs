//! The `s3` connector: deletes one object, or all objects under a prefix, in a bucket of Amazon's or a compatible service.
//!
//! Deleting a key that is not there succeeds, so "already gone" cannot be told from "wrong key" for a single object; a
//! prefix under which nothing was found is "already gone". After the last page of a prefix it is listed once more: it is
//! confirmed only if nothing is left.

mod bucket;
mod codes;
mod credentials;
mod xml;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sexton_core::{
    config::{S3 as Settings, Target},
    outcome::{Answer, Failure, Outcome},
    template::{BadTemplate, Values},
    text_template::TextTemplate,
};

use self::{
    bucket::{Bucket, PAGE},
    credentials::Credentials,
};
use super::{
    Connector, SetupError,
    exchange::{Line, retry},
    http::Clients,
};

/// S3's own limit (Developer Guide, "Object key names").
const LONGEST_KEY: usize = 1024;

/// Deletes in one bucket.
pub(super) struct S3 {
    bucket: Bucket,
    what: What,
}

enum What {
    Key(TextTemplate),
    Prefix(TextTemplate),
}

impl S3 {
    /// A connector for `target`, whose own settings are `settings`.
    ///
    /// # Errors
    /// When the endpoint cannot be used, or what the environment says of credentials contradicts itself.
    pub(super) fn new(clients: &Clients, target: &Target, settings: &Settings) -> Result<Self, SetupError> {
        let failed = |why: String| SetupError::Target { target: target.name.to_string(), why };
        let region = credentials::region(settings);
        let url = bucket::url(settings, &region).map_err(failed)?;
        let what = match (&settings.key, &settings.prefix) {
            (Some(key), _) => What::Key(key.clone()),
            (None, Some(prefix)) => What::Prefix(prefix.clone()),
            (None, None) => return Err(failed("neither key nor prefix is set".to_owned())),
        };
        // Where the machine's own credentials are is link-local, and no row has a say in it.
        let credentials =
            Credentials::new(settings, clients.allowing_private(true)).map_err(|e| failed(e.to_string()))?;
        Ok(Self { bucket: Bucket::new(Line::new(clients, target), url, region, credentials), what })
    }

    async fn object(&self, key: String) -> Result<Outcome, Outcome> {
        let deleted = self.bucket.delete(&[key]).await?;
        Ok(codes::of_keys(&deleted.errors, 0).unwrap_or(Outcome::Confirmed { answer: Answer::Deleted { status: 200 } }))
    }

    /// Page by page; `gone` counts as it goes, for whoever looks when the time is over.
    async fn all_under(&self, prefix: &str, gone: &AtomicUsize) -> Result<Outcome, Outcome> {
        let mut next: Option<String> = None;
        loop {
            let page = self.bucket.list(prefix, next.as_deref(), PAGE).await?;
            for keys in page.keys.chunks(PAGE) {
                let deleted = self.bucket.delete(keys).await?;
                let before = gone.fetch_add(deleted.gone, Ordering::Relaxed);
                if let Some(outcome) = codes::of_keys(&deleted.errors, before + deleted.gone) {
                    return Ok(outcome);
                }
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        if gone.load(Ordering::Relaxed) == 0 {
            return Ok(Outcome::Confirmed { answer: Answer::Gone { status: 200 } });
        }
        match self.bucket.list(prefix, None, 1).await?.keys.is_empty() {
            true => Ok(Outcome::Confirmed { answer: Answer::Deleted { status: 200 } }),
            false => Ok(retry(Some(200), "objects_left")),
        }
    }
}

#[async_trait]
impl Connector for S3 {
    async fn delete(&self, row: &Values) -> Outcome {
        let (template, is_prefix) = match &self.what {
            What::Key(key) => (key, false),
            What::Prefix(prefix) => (prefix, true),
        };
        let text = match template.render(row).and_then(|text| checked(text, is_prefix)) {
            Ok(text) => text,
            Err(why) => return Outcome::BadTemplate(Failure { status: None, reason: why.to_string() }),
        };
        let gone = AtomicUsize::new(0);
        let work = async {
            let done = if is_prefix { self.all_under(&text, &gone).await } else { self.object(text).await };
            done.unwrap_or_else(|outcome| outcome)
        };
        let outcome = self.bucket.line.in_time(work).await;
        match outcome {
            // A long way in steps is no failure: the next call goes on where this one stopped.
            Outcome::Retry(failure) if failure.reason == "timeout" && gone.load(Ordering::Relaxed) > 0 => {
                Outcome::Throttled {
                    retry_after: None,
                    failure: Failure { status: None, reason: "more_to_delete".into() },
                }
            }
            outcome => outcome,
        }
    }
}

/// A prefix of slashes only would be that of what belongs to nobody; a key that is too long is none.
fn checked(text: String, is_prefix: bool) -> Result<String, BadTemplate> {
    let empty = is_prefix && text.bytes().all(|b| b == b'/');
    if empty || text.len() > LONGEST_KEY { Err(BadTemplate::Shape) } else { Ok(text) }
}
