//! The `google_calendar` connector: deletes an event through Google's Calendar API, version 3.
//!
//! - No `If-Match` is sent: the event is deleted whatever it says by now.
//! - 404 means "no such event" or "a calendar that you cannot see". It counts only if the calendar itself answers.
//! - The calendar is read by `events.list`, for which the scope that deletes events is enough (`calendars.get` needs
//!   more).

mod assertion;
mod credentials;
mod token;

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use secrecy::ExposeSecret;
use sexton_core::{
    config::{Target, target::google_calendar::GoogleCalendar as Settings},
    outcome::{Answer, Look, Outcome, Received, reason_in, retry_after},
    template::{BadTemplate, InvalidTemplate, UrlTemplate, Values},
};
use url::Url;

use self::{credentials::File, token::ServiceAccountTokens};
use super::{
    Call, Connector, SetupError,
    clients::{HttpClients, Transport},
    exchange::{Exchange, NAME_MAY_BE_ENCODED, OutgoingRequest, rejected, unauthorized},
    headers::bad_template,
};

/// How long a quota is spared that does not say when it is renewed: those of a day or of a calendar take hours.
const QUOTA_PERIOD: Duration = Duration::from_secs(3600);

/// Deletes events with one set of credentials.
pub(super) struct GoogleCalendarConnector {
    exchange: Exchange,
    timeout: Duration,
    settings: Settings,
    event: UrlTemplate,
    events: UrlTemplate,
    tokens: ServiceAccountTokens,
}

/// Where a row's event is.
struct EventAddress {
    event: Url,
    /// What shows whether the calendar is visible.
    calendar: Url,
    /// Whether the URL means what the row says.
    is_certain: bool,
}

impl GoogleCalendarConnector {
    /// A connector for `target`, whose own settings are `settings`.
    ///
    /// # Errors
    /// When the client cannot be set up, or the endpoint is not a URL.
    pub(super) fn new(clients: &mut HttpClients, target: &Target, settings: &Settings) -> Result<Self, SetupError> {
        let failed =
            |why: InvalidTemplate| SetupError::Target { target: target.name.to_string(), why: why.to_string() };
        Ok(Self {
            exchange: clients.exchange(&Transport::for_target(target))?,
            timeout: target.timeout,
            event: settings.event_url().map_err(failed)?.with_longest(target.max_path_value),
            events: settings.events_url().map_err(failed)?.with_longest(target.max_path_value),
            tokens: ServiceAccountTokens::new(
                File::new(settings.credentials_file.clone()),
                settings.subject.clone(),
                settings.scope.clone(),
            ),
            settings: settings.clone(),
        })
    }

    /// Where the event is, and what shows whether its calendar is visible.
    fn event_address(&self, row: &Values) -> Result<EventAddress, BadTemplate> {
        let text = |name: &str, text| (name.to_owned(), Some(text));
        let ids = Values::from([
            text("calendar", self.settings.calendar.render(row)?),
            text("event", self.settings.event.render(row)?),
        ]);
        let mut calendar = self.events.render(&ids)?;
        // The answer need not say anything of the events.
        calendar.set_query(Some("maxResults=1&fields=kind"));
        // No id has these; such a value may be encoded already.
        let is_certain = !self.event.may_be_encoded(&ids) && !self.event.has_slash(&ids);
        Ok(EventAddress { event: self.event.render(&ids)?, calendar, is_certain })
    }

    async fn delete_event(&self, row: &Values) -> Result<Outcome, Outcome> {
        let address = self.event_address(row).map_err(bad_template)?;
        let deadline = Instant::now() + self.timeout;
        let received = self.send(Method::DELETE, &address.event, deadline).await?;
        match received.broken {
            // A 410 is about the event, or about something else.
            Some(why) if received.lacks_a_reason(|status| status == 410) => {
                return Err(Outcome::Lost(received.failure(why)));
            }
            _ => {}
        }
        Ok(match (received.status, reason_in(&received.body).as_deref()) {
            (404, _) => self.judge_missing(received, &address, deadline).await?,
            (status @ 410, Some("deleted")) => Outcome::Confirmed { answer: Answer::Gone { status } },
            _ => classify_answer(&received),
        })
    }

    /// Looks at the event: a deleted one is still there, as `cancelled`.
    async fn look_at_event(&self, row: &Values) -> Result<Look, Outcome> {
        let address = self.event_address(row).map_err(bad_template)?;
        let mut event = address.event.clone();
        event.set_query(Some("fields=id,status"));
        let deadline = Instant::now() + self.timeout;
        let received = self.send(Method::GET, &event, deadline).await?;
        if let Some(why) = received.broken {
            return Err(Outcome::Retry(received.failure(why)));
        }
        let unreadable = received.failure("unreadable_answer");
        let seen = match (received.status, reason_in(&received.body).as_deref()) {
            (200, _) => return look_from_status(&received, &self.settings.event.render(row).map_err(bad_template)?),
            (404, _) => self.judge_missing(received, &address, deadline).await?,
            (status @ 410, Some("deleted")) => Outcome::Confirmed { answer: Answer::Gone { status } },
            _ => classify_answer(&received),
        };
        Ok(match seen {
            Outcome::Confirmed { answer: Answer::Gone { .. } } => Look::Gone,
            Outcome::Confirmed { .. } => Look::Failed(Outcome::Rejected(unreadable)),
            outcome => Look::failed(outcome),
        })
    }

    /// Judges whether a 404 can be believed.
    async fn judge_missing(
        &self,
        received: Received,
        address: &EventAddress,
        deadline: Instant,
    ) -> Result<Outcome, Outcome> {
        if !address.is_certain {
            return Ok(rejected(Some(received.status), NAME_MAY_BE_ENCODED));
        }
        let (status, invisible) = (received.status, received.failure("calendar_not_visible"));
        // The next answer may have to wait for the memory that this one holds.
        drop(received);
        let seen = self.send(Method::GET, &address.calendar, deadline).await.map_err(Outcome::of_harmless_request)?;
        Ok(match (seen.status, classify_answer(&seen).of_harmless_request()) {
            (200, _) if is_listing(&seen.body) => Outcome::Confirmed { answer: Answer::Gone { status } },
            (404, _) => Outcome::Rejected(invisible),
            (403, Outcome::Unauthorized(_)) => Outcome::Unauthorized(seen.failure("calendar_not_visible")),
            (_, Outcome::Confirmed { .. }) => Outcome::Rejected(seen.failure("calendar_not_visible")),
            (_, outcome) => outcome,
        })
    }

    /// Sends a request; with a fresh token once more if the token is refused, because it may have been revoked.
    async fn send(&self, method: Method, url: &Url, deadline: Instant) -> Result<Received, Outcome> {
        let mut is_second = false;
        loop {
            let token = self.tokens.get(&self.exchange, deadline).await?;
            let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
            let mut bearer = bearer.map_err(|_| unauthorized(None, "token_not_granted"))?;
            bearer.set_sensitive(true);
            let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
            let request = OutgoingRequest {
                method: method.clone(),
                url: url.clone(),
                headers,
                body: None,
                is_harmless: method == Method::GET,
            };
            let received = self.exchange.follow(request, deadline).await?;
            if received.status != 401 {
                return Ok(received);
            }
            if std::mem::replace(&mut is_second, true) {
                return Ok(received);
            }
            // What is waited for may need the memory that this answer holds.
            drop(received);
            self.tokens.forget_refused(&token, deadline).await;
        }
    }
}

/// Whether an answer is a page of a calendar's events, and not one of a proxy.
fn is_listing(body: &[u8]) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    body.is_some_and(|body| body.get("kind").and_then(serde_json::Value::as_str) == Some("calendar#events"))
}

/// What an event says of itself (Calendar API, `Events`, `id` and `status`).
fn look_from_status(received: &Received, asked: &str) -> Result<Look, Outcome> {
    let event: Option<serde_json::Value> = serde_json::from_slice(&received.body).ok();
    let text = |name: &str| event.as_ref()?.get(name)?.as_str();
    match (text("id"), text("status")) {
        (Some(id), _) if id != asked => Err(Outcome::Rejected(received.failure("other_object"))),
        (Some(_), Some("cancelled")) => Ok(Look::Gone),
        (Some(_), Some("confirmed" | "tentative")) => Ok(Look::Differs(received.failure("event_there"))),
        _ => Err(Outcome::Rejected(received.failure("unreadable_answer"))),
    }
}

/// Classifies an answer by its reason ("Handle API errors" in the Calendar API's guide).
fn classify_answer(received: &Received) -> Outcome {
    let now = SystemTime::now();
    let reason = reason_in(&received.body);
    match (received.status, reason.as_deref()) {
        // Limits of the project's day and of the calendar's use: "wait until the limit replenishes".
        (403, Some(reason @ ("quotaExceeded" | "dailyLimitExceeded" | "calendarLimitExceeded"))) => {
            let retry_after = received.retry_after.as_deref().and_then(|value| retry_after(value, now));
            let retry_after = retry_after.filter(|after| !after.is_zero()).or(Some(QUOTA_PERIOD));
            Outcome::Throttled { retry_after, failure: received.failure(reason) }
        }
        // It is about this event: other deletions with the same credentials are not affected.
        (403, Some(reason @ "forbiddenForNonOrganizer")) => rejected(Some(403), reason),
        _ => received.classified(now),
    }
}

#[async_trait]
impl Connector for GoogleCalendarConnector {
    async fn delete(&self, call: Call<'_>) -> Outcome {
        self.delete_event(call.row).await.unwrap_or_else(|outcome| outcome)
    }

    async fn look(&self, call: Call<'_>) -> Look {
        self.look_at_event(call.row).await.unwrap_or_else(Look::failed)
    }
}
