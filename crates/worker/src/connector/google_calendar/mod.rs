//! The `google_calendar` connector: deletes an event through Google's Calendar API, version 3.
//!
//! No `If-Match` is sent: the row is to be deleted whatever the event says by now, so there is no 412. 404 means "no such
//! event" as well as "a calendar that you cannot see", so it counts only if the calendar itself answers; that is asked
//! by `events.list`, for which the scope that deletes events is enough (`calendars.get` needs a wider one).

mod assertion;
mod credentials;
mod token;

use async_trait::async_trait;
use reqwest::Method;
use secrecy::ExposeSecret;
use sexton_core::{
    answer::reason_in,
    config::{GoogleCalendar as Settings, Target},
    outcome::{Answer, Failure, Outcome},
    template::{BadTemplate, UrlTemplate, Values},
};
use url::Url;

use self::{credentials::File, token::Tokens};
use super::{
    Connector, SetupError,
    exchange::{Line, Reply},
    http::{Clients, rejected},
};

const BODY_LIMIT: usize = 64 * 1024;

/// Deletes events with one set of credentials.
pub(super) struct GoogleCalendar {
    line: Line,
    settings: Settings,
    event: UrlTemplate,
    events: UrlTemplate,
    tokens: Tokens,
}

impl GoogleCalendar {
    /// A connector for `target`, whose own settings are `settings`.
    ///
    /// # Errors
    /// When the endpoint is not a URL.
    pub(super) fn new(clients: &Clients, target: &Target, settings: &Settings) -> Result<Self, SetupError> {
        let failed = |why: sexton_core::template::InvalidTemplate| SetupError::Target {
            target: target.name.to_string(),
            why: why.to_string(),
        };
        Ok(Self {
            line: Line::new(clients, target),
            event: settings.event_url().map_err(failed)?,
            events: settings.events_url().map_err(failed)?,
            tokens: Tokens::new(
                File::new(settings.credentials_file.clone()),
                settings.subject.clone(),
                settings.scope.clone(),
            ),
            settings: settings.clone(),
        })
    }

    /// The event's URL, and that by which its calendar is asked after.
    fn urls(&self, row: &Values) -> Result<(Url, Url), BadTemplate> {
        let text = |name: &str, text| (name.to_owned(), Some(text));
        let ids = Values::from([
            text("calendar", self.settings.calendar.render(row)?),
            text("event", self.settings.event.render(row)?),
        ]);
        let mut calendar = self.events.render(&ids)?;
        // Nothing of the events is to be seen, only whether there is an answer.
        calendar.set_query(Some("maxResults=1&fields=kind"));
        Ok((self.event.render(&ids)?, calendar))
    }

    async fn call(&self, event: Url, calendar: Url) -> Result<Outcome, Outcome> {
        let reply = self.send(Method::DELETE, &event).await?;
        let reason = reason_in(&reply.body);
        Ok(match (reply.status, reason.as_deref()) {
            (404, _) => self.missing(&reply, calendar).await?,
            (status @ 410, Some("deleted")) => Outcome::Confirmed { answer: Answer::Gone { status } },
            (_, reason) => meaning(&reply, reason),
        })
    }

    async fn missing(&self, reply: &Reply, calendar: Url) -> Result<Outcome, Outcome> {
        let seen = self.send(Method::GET, &calendar).await?;
        let reason = reason_in(&seen.body);
        Ok(match (seen.status, meaning(&seen, reason.as_deref())) {
            (200, _) => Outcome::Confirmed { answer: Answer::Gone { status: reply.status } },
            (404, _) => Outcome::Rejected(reply.failure("calendar_not_visible")),
            (403, Outcome::Unauthorized(_)) => Outcome::Unauthorized(seen.failure("calendar_not_visible")),
            (_, Outcome::Confirmed { .. }) => Outcome::Rejected(seen.failure("calendar_not_visible")),
            (_, outcome) => outcome,
        })
    }

    /// Sends a request; a token that is refused is tried once more as a fresh one, for it may have been revoked.
    async fn send(&self, method: Method, url: &Url) -> Result<Reply, Outcome> {
        let mut fresh = false;
        loop {
            let token = self.tokens.get(&self.line).await?;
            let request = self.line.client.request(method.clone(), url.clone()).bearer_auth(token.expose_secret());
            let reply = self.line.send(request.build().map_err(|_| rejected("bad_request"))?, BODY_LIMIT).await?;
            if reply.status != 401 {
                return Ok(reply);
            }
            self.tokens.refused(&token).await;
            if std::mem::replace(&mut fresh, true) {
                return Ok(reply);
            }
        }
    }
}

/// What an answer means by its reason ("Handle API errors" in the Calendar API's guide).
fn meaning(reply: &Reply, reason: Option<&str>) -> Outcome {
    match (reply.status, reason) {
        // Limits of the project's day and of the calendar's use: "wait until the limit replenishes".
        (403, Some("quotaExceeded" | "dailyLimitExceeded" | "calendarLimitExceeded")) => {
            let failure = reply.failure(reason.unwrap_or_default());
            match reply.judge(Some("rateLimitExceeded"), &[]) {
                Outcome::Throttled { retry_after, .. } => Outcome::Throttled { retry_after, failure },
                _ => Outcome::Throttled { retry_after: None, failure },
            }
        }
        // It speaks of this event: other deletions with the same credentials go on.
        (403, Some("forbiddenForNonOrganizer")) => Outcome::Rejected(reply.failure("forbiddenForNonOrganizer")),
        _ => reply.judge(reason, &[]),
    }
}

#[async_trait]
impl Connector for GoogleCalendar {
    async fn delete(&self, row: &Values) -> Outcome {
        let (event, calendar) = match self.urls(row) {
            Ok(urls) => urls,
            Err(why) => return Outcome::BadTemplate(Failure { status: None, reason: why.to_string() }),
        };
        self.line.in_time(async { self.call(event, calendar).await.unwrap_or_else(|outcome| outcome) }).await
    }
}
