//! The `caldav` connector: deletes an object on a CalDAV, CardDAV or WebDAV server, if it is still the one that was
//! seen.
//!
//! - `If-Match` needs an `ETag` (RFC 9110 §13.1.1). It is read by `PROPFIND`, for which a server must have `getetag`
//!   (RFC 4918 §15.6, RFC 4791 §5.3.4).
//! - `PROPFIND` also tells an object from a collection: deleting a collection deletes all that is in it (RFC 4918
//!   §9.6.1). So it is sent before each `DELETE`.
//! - Where a server has no `PROPFIND`, `HEAD` is sent instead.
//! - A 404 is believed only if the object's collection answers: under a wrong base path everything is 404. It is not
//!   believed where the name may have been encoded twice.

mod address;
mod deletion;
mod etag;
mod href;
mod members;
mod multistatus;
mod reading;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use sexton_core::{
    config::{Target, target::caldav::CalDav as Settings},
    outcome::{Failure, Look, Outcome},
};

use self::{address::ObjectAddress, deletion::ObjectDeletion, etag::condition, reading::Found};
use super::{
    Call, Connector, SetupError,
    auth::Authentication,
    clients::{HttpClients, Transport},
    exchange::Exchange,
    headers::{bad_template, render_headers},
};

/// Calls one target over WebDAV.
pub(super) struct CalDavConnector {
    target: String,
    settings: Settings,
    exchange: Exchange,
    auth: Authentication,
    timeout: Duration,
}

impl CalDavConnector {
    /// A connector for `target`, whose own settings are `settings`.
    ///
    /// # Errors
    /// [`SetupError`]: the client cannot be set up.
    pub(super) fn new(clients: &mut HttpClients, target: &Target, settings: &Settings) -> Result<Self, SetupError> {
        let exchange = clients.exchange(&Transport::for_target(target))?;
        let mut settings = settings.clone();
        settings.url = settings.url.with_longest(target.max_path_value);
        settings.href = settings.href.map(|href| href.with_longest(target.max_path_value));
        Ok(Self {
            target: target.name.to_string(),
            auth: Authentication::new(settings.auth.as_ref(), &exchange),
            settings,
            exchange,
            timeout: target.timeout,
        })
    }

    async fn delete_object(&self, call: Call<'_>) -> Result<Outcome, Outcome> {
        let address = ObjectAddress::of(&self.settings, call.row).map_err(bad_template)?;
        let headers = render_headers(&self.settings.headers, call.row)?;
        // One that is missing or malformed is no condition.
        let remembered = self.settings.etag.as_ref().and_then(|etag| etag.render(call.row).ok());
        let remembered = remembered.as_deref().and_then(condition);
        let deletion = ObjectDeletion { dav: self, call, headers, deadline: Instant::now() + self.timeout };
        deletion.run(&address, remembered).await
    }

    async fn look_at_object(&self, call: Call<'_>) -> Result<Look, Outcome> {
        let address = ObjectAddress::of(&self.settings, call.row).map_err(bad_template)?;
        let headers = render_headers(&self.settings.headers, call.row)?;
        let deletion = ObjectDeletion { dav: self, call, headers, deadline: Instant::now() + self.timeout };
        Ok(match deletion.look(&address.url).await? {
            Found::Object(_) | Found::Collection => {
                Look::Differs(Failure { status: Some(200), reason: "object_there".to_owned() })
            }
            Found::Nothing(received) => match deletion.judge_missing(&address, received).await? {
                Outcome::Confirmed { .. } => Look::Gone,
                outcome => Look::failed(outcome),
            },
        })
    }
}

#[async_trait]
impl Connector for CalDavConnector {
    async fn delete(&self, call: Call<'_>) -> Outcome {
        self.delete_object(call).await.unwrap_or_else(|outcome| outcome)
    }

    async fn look(&self, call: Call<'_>) -> Look {
        self.look_at_object(call).await.unwrap_or_else(Look::failed)
    }
}
