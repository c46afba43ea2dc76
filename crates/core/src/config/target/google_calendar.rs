//! The settings of `kind = "google_calendar"`: an event in a calendar.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::{calls::CalledUrl, kind::KindSettings, literal::ensure_literal};
use crate::{
    config::check::{InvalidSetting, ensure},
    template::{InvalidTemplate, NameTemplate, UrlTemplate},
};

/// Which event is deleted, and with which credentials.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleCalendar {
    /// The calendar's id, often an e-mail address, or `primary`.
    pub calendar: NameTemplate,
    /// The event's id.
    pub event: NameTemplate,
    /// The JSON file of a service account or of an authorised user; it is read anew when it changes.
    pub credentials_file: PathBuf,
    /// The user on whose behalf a service account acts (domain-wide delegation).
    pub subject: Option<String>,
    /// The scope that a service account asks for.
    #[serde(default = "default_scope")]
    pub scope: String,
    /// Who gets a mail about the cancellation.
    #[serde(default)]
    pub send_updates: SendUpdates,
    /// Where the API is.
    #[serde(default = "default_endpoint")]
    pub endpoint: String,
}

/// Deleting needs no more, and neither does the look at the calendar.
fn default_scope() -> String {
    "https://www.googleapis.com/auth/calendar.events".to_owned()
}

fn default_endpoint() -> String {
    "https://www.googleapis.com".to_owned()
}

/// Who gets a mail (Calendar API, `events.delete`, `sendUpdates`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the API's own words")]
pub enum SendUpdates {
    All,
    ExternalOnly,
    #[default]
    None,
}

impl SendUpdates {
    /// The API's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::ExternalOnly => "externalOnly",
            Self::None => "none",
        }
    }
}

impl GoogleCalendar {
    /// The events of a calendar, with a placeholder `{calendar}` for its id.
    ///
    /// # Errors
    /// When the endpoint is not a URL.
    pub fn events_url(&self) -> Result<UrlTemplate, InvalidTemplate> {
        let base = self.endpoint.trim_end_matches('/');
        UrlTemplate::try_from(format!("{base}/calendar/v3/calendars/{{calendar}}/events"))
    }

    /// One event, with placeholders `{calendar}` and `{event}` for the ids.
    ///
    /// # Errors
    /// When the endpoint is not a URL.
    pub fn event_url(&self) -> Result<UrlTemplate, InvalidTemplate> {
        let base = self.endpoint.trim_end_matches('/');
        let updates = self.send_updates.as_str();
        UrlTemplate::try_from(format!(
            "{base}/calendar/v3/calendars/{{calendar}}/events/{{event}}?sendUpdates={updates}"
        ))
    }
}

impl KindSettings for GoogleCalendar {
    fn text_templates() -> &'static [&'static str] {
        &["calendar", "event"]
    }

    fn columns_by_setting(&self) -> Vec<(&'static str, &str)> {
        let calendar = self.calendar.columns().map(|column| ("calendar", column));
        calendar.chain(self.event.columns().map(|column| ("event", column))).collect()
    }

    /// The token endpoint is named in the file with the credentials.
    fn called_urls(&self) -> Vec<CalledUrl> {
        let called = |url| CalledUrl { url, with_credentials: true, through_proxy: false };
        self.endpoint.parse().ok().map(called).into_iter().collect()
    }

    fn secret_files(&self) -> Vec<&Path> {
        vec![&self.credentials_file]
    }

    fn validate(&self) -> Result<(), InvalidSetting> {
        ensure_literal("endpoint", &self.endpoint)?;
        let url = Url::parse(&self.endpoint).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
        ensure(url.is_some_and(|url| ["http", "https"].contains(&url.scheme())), "endpoint", || {
            "expected an https:// URL without query".to_owned()
        })?;
        self.event_url().map_err(|error| InvalidSetting::new("endpoint", error.to_string()))?;
        self.subject.iter().try_for_each(|subject| ensure_literal("subject", subject))?;
        ensure_literal("scope", &self.scope)?;
        ensure(self.event.columns().next().is_some(), "event", || {
            "it names no column, so every row would delete the same event".to_owned()
        })
    }
}
