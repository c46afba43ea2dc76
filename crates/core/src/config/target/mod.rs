//! `[[resources.NAME.targets]]`: an external system in which a row has a twin.
//!
//! What is said of every target is read here; the rest belongs to its connector, one file a kind.

mod answers;
mod auth;
mod caldav;
mod google_calendar;
mod http;
mod limits;
mod method;
mod s3;

use std::time::Duration;

use figment::{
    error::Kind as Wrong,
    value::{Dict, Value},
};
use serde::Deserialize;

pub use answers::{Gone, GoneReason, Pointer, Verify, When};
pub use auth::{Auth, OAuth2, Secret, signing_key};
pub use caldav::CalDav;
pub use google_calendar::{GoogleCalendar, SendUpdates};
pub use http::Http;
pub use limits::{Breaker, RateLimit};
pub use method::Method;
pub use s3::S3;

use super::{
    RetryOverride, VerifyMode, duration,
    load::key_path,
    mistake::{Mistake, require},
};
use crate::{ids::TargetName, template::Values};

/// A target and how it is called.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Read")]
pub struct Target {
    /// Its name, unique within the resource.
    pub name: TargetName,
    /// Which connector calls it, and with which settings.
    pub connector: Connector,
    /// A row in which one of these columns is null was never synced: there is nothing to delete.
    pub skip_when_null: Vec<String>,
    /// How long a call may take in all.
    pub timeout: Duration,
    /// Whether the target may be at a loopback, private or link-local address.
    pub allow_private: bool,
    /// Whether a call may be made again whose answer was lost. If not, the deletion ends as `unknown_outcome`.
    pub repeatable: bool,
    /// Targets of the same resource that must have confirmed before this one is called.
    pub after: Vec<TargetName>,
    /// Settings that differ from `[retry]`.
    pub retry: RetryOverride,
    /// How many calls a second it gets, if that is limited.
    pub rate_limit: Option<RateLimit>,
    /// How many calls of one process may be in flight at once, if that is limited.
    pub max_in_flight: Option<usize>,
    /// When it is left alone because it fails.
    pub breaker: Breaker,
    /// The share of first calls answered "gone" above which it is left alone until somebody has looked: a wrong base path
    /// answers like that.
    pub gone_limit: f64,
    /// Where the file has it, counted from 0: a resource's targets are kept in the order in which they are asked.
    pub place: usize,
}

/// The connectors there are, each with the settings that only it has.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one for each target, made when the process starts")]
pub enum Connector {
    /// One HTTP request.
    Http(Http),
    /// A calendar object, or any other on a WebDAV server.
    CalDav(CalDav),
    /// Objects in a bucket.
    S3(S3),
    /// An event in a Google calendar.
    GoogleCalendar(GoogleCalendar),
}

/// A target as the file has it.
#[derive(Deserialize)]
struct Read {
    name: TargetName,
    kind: KindOfTarget,
    #[serde(default)]
    skip_when_null: Vec<String>,
    #[serde(default = "default_timeout", deserialize_with = "duration::deserialize")]
    timeout: Duration,
    #[serde(default)]
    allow_private: bool,
    #[serde(default = "default_repeatable")]
    repeatable: bool,
    #[serde(default)]
    after: Vec<TargetName>,
    #[serde(default)]
    retry: RetryOverride,
    rate_limit: Option<RateLimit>,
    max_in_flight: Option<usize>,
    #[serde(default)]
    breaker: Breaker,
    #[serde(default = "half")]
    gone_limit: f64,
    /// What none of the others is: the settings of the connector.
    #[serde(flatten)]
    connector: Dict,
}

/// The keys of [`Read`] that are not a connector's, for messages.
const GENERAL: [&str; 12] = [
    "name",
    "kind",
    "skip_when_null",
    "timeout",
    "allow_private",
    "repeatable",
    "after",
    "retry",
    "rate_limit",
    "max_in_flight",
    "breaker",
    "gone_limit",
];

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindOfTarget {
    Http,
    #[serde(rename = "caldav")]
    CalDav,
    S3,
    GoogleCalendar,
}

const fn half() -> f64 {
    0.5
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

const fn default_repeatable() -> bool {
    true
}

impl TryFrom<Read> for Target {
    type Error = String;

    fn try_from(read: Read) -> Result<Self, String> {
        Ok(Self {
            connector: match read.kind {
                KindOfTarget::Http => Connector::Http(settings(read.connector)?),
                KindOfTarget::CalDav => Connector::CalDav(settings(read.connector)?),
                KindOfTarget::S3 => Connector::S3(settings(read.connector)?),
                KindOfTarget::GoogleCalendar => Connector::GoogleCalendar(settings(read.connector)?),
            },
            name: read.name,
            skip_when_null: read.skip_when_null,
            timeout: read.timeout,
            allow_private: read.allow_private,
            repeatable: read.repeatable,
            after: read.after,
            retry: read.retry,
            rate_limit: read.rate_limit,
            max_in_flight: read.max_in_flight,
            breaker: read.breaker,
            gone_limit: read.gone_limit,
            place: 0,
        })
    }
}

/// The settings of a connector. An error begins with a dot and the key below the target, if it is about one: the caller
/// puts its own key path before it.
fn settings<T: for<'de> Deserialize<'de>>(rest: Dict) -> Result<T, String> {
    Value::from(rest).deserialize().map_err(|error| match (key_path(&error.path), &error.kind) {
        // An unknown key of the target itself may be a slip in a general one.
        (path, Wrong::UnknownField(found, own)) if path == *found => {
            let expected: Vec<_> = GENERAL.iter().chain(*own).map(|name| format!("`{name}`")).collect();
            format!("unknown field: found `{found}`, expected one of {}", expected.join(", "))
        }
        (path, kind) if path.is_empty() => kind.to_string(),
        (path, kind) => match kind.to_string() {
            // What is wrong is further down: the message goes on with the key path.
            message if message.starts_with('.') => format!(".{path}{message}"),
            message => format!(".{path}: {message}"),
        },
    })
}

impl Target {
    /// Whether the target is asked whether the twin is really gone.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        match &self.connector {
            Connector::Http(http) => http.verify.is_some(),
            Connector::CalDav(_) | Connector::S3(_) | Connector::GoogleCalendar(_) => false,
        }
    }

    /// Whether it can be seen later whether a twin is gone.
    #[must_use]
    pub const fn can_be_looked_at(&self) -> bool {
        match &self.connector {
            Connector::Http(http) => http.verify.is_some(),
            Connector::CalDav(_) | Connector::S3(_) | Connector::GoogleCalendar(_) => true,
        }
    }

    /// Whether the target would be called in the same way with either values.
    #[must_use]
    pub fn same_twin(&self, one: &Values, other: &Values) -> bool {
        self.columns().iter().all(|column| one.get(column) == other.get(column))
    }

    /// The columns whose values decide what is called: a change in one of them makes an earlier confirmation void.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = self.uses().into_iter().map(|(_, column)| column.to_owned()).collect();
        columns.sort();
        columns.dedup();
        columns
    }

    /// The columns of the row that the target's settings name, each with the setting.
    #[must_use]
    pub fn uses(&self) -> Vec<(&'static str, &str)> {
        let mut uses = match &self.connector {
            Connector::Http(http) => http.uses(),
            Connector::CalDav(caldav) => caldav.uses(),
            Connector::S3(s3) => s3.uses(),
            Connector::GoogleCalendar(calendar) => calendar.uses(),
        };
        uses.extend(self.skip_when_null.iter().map(|column| ("skip_when_null", column.as_str())));
        uses
    }

    /// The columns that say where the twin is, which is all that a later look at it needs.
    #[must_use]
    pub fn place_columns(&self) -> Vec<&str> {
        match &self.connector {
            Connector::Http(http) => http.place_columns(),
            Connector::CalDav(caldav) => caldav.place_columns(),
            Connector::S3(s3) => s3.uses().into_iter().map(|(_, column)| column).collect(),
            Connector::GoogleCalendar(calendar) => calendar.uses().into_iter().map(|(_, column)| column).collect(),
        }
    }

    /// The columns that a finished deletion keeps, `verify` being what is to be done with twins that are there again: a
    /// look needs those that say where the twin is, deleting it again all.
    pub(super) fn ref_columns(&self, verify: Option<VerifyMode>) -> Vec<String> {
        match verify {
            Some(VerifyMode::On) if self.can_be_looked_at() => self.columns(),
            Some(VerifyMode::Report) if self.can_be_looked_at() => self.places(),
            _ if self.is_verified() => self.places(),
            _ => Vec::new(),
        }
    }

    fn places(&self) -> Vec<String> {
        self.place_columns().into_iter().map(str::to_owned).collect()
    }

    /// Sets of columns: a row with the same values in all columns of one set has the same twin. A set without columns says
    /// nothing of the row.
    #[must_use]
    pub fn twin_columns(&self) -> Vec<Vec<&str>> {
        match &self.connector {
            Connector::Http(http) => http.twin_columns(),
            Connector::CalDav(caldav) => vec![caldav.url.columns().collect()],
            Connector::S3(_) | Connector::GoogleCalendar(_) => vec![self.place_columns()],
        }
    }

    /// What is wrong with the connector's settings, below the target's key path.
    pub(super) fn validate_connector(&self) -> Result<(), Mistake> {
        match &self.connector {
            Connector::Http(http) => http.validate().map_err(|(key, why)| (key.to_owned(), why)),
            Connector::CalDav(caldav) => caldav.validate(),
            Connector::S3(s3) => s3.validate(),
            Connector::GoogleCalendar(calendar) => calendar.validate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_settings_are_those_that_no_connector_gets() {
        let entries = GENERAL.iter().map(|name| match *name {
            "skip_when_null" | "after" => ((*name).to_owned(), Value::from(Vec::<String>::new())),
            "allow_private" | "repeatable" => ((*name).to_owned(), Value::from(true)),
            "max_in_flight" => ((*name).to_owned(), Value::from(1)),
            "gone_limit" => ((*name).to_owned(), Value::from(0.5)),
            "rate_limit" => ((*name).to_owned(), Value::from(Dict::from([("per_second".to_owned(), Value::from(1))]))),
            "retry" | "breaker" => ((*name).to_owned(), Value::from(Dict::new())),
            "timeout" => ((*name).to_owned(), Value::from("1s")),
            _ => ((*name).to_owned(), Value::from("http")),
        });
        let read: Read = Value::from(entries.collect::<Dict>()).deserialize().unwrap();
        assert_eq!(read.connector, Dict::new());
    }
}
