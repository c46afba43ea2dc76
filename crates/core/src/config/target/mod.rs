//! `[[resources.NAME.targets]]`: an external system in which a row has a twin.
//!
//! What is said of every target is read here; the rest belongs to its connector, one file a kind.

mod caldav;
mod google_calendar;
mod http;
mod s3;

use std::time::Duration;

use figment::value::{Dict, Value};
use serde::Deserialize;

pub use caldav::CalDav;
pub use google_calendar::{GoogleCalendar, SendUpdates};
pub use http::{Http, Method};
pub use s3::S3;

use super::{
    RetryOverride, duration,
    load::key_path,
    validate::{Mistake, require},
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
    /// Targets of the same resource that must have confirmed before this one is called.
    pub after: Vec<TargetName>,
    /// Settings that differ from `[retry]`.
    pub retry: RetryOverride,
    /// Where the file has it, counted from 0: a resource's targets are kept in the order in which they are asked.
    pub place: usize,
}

/// The connectors there are, each with the settings that only it has.
#[derive(Debug, Clone)]
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
    kind: Kind,
    #[serde(default)]
    skip_when_null: Vec<String>,
    #[serde(default = "default_timeout", deserialize_with = "duration::deserialize")]
    timeout: Duration,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    after: Vec<TargetName>,
    #[serde(default)]
    retry: RetryOverride,
    /// What none of the others is: the settings of the connector.
    #[serde(flatten)]
    connector: Dict,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Http,
    #[serde(rename = "caldav")]
    CalDav,
    S3,
    GoogleCalendar,
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

impl TryFrom<Read> for Target {
    type Error = String;

    fn try_from(read: Read) -> Result<Self, String> {
        Ok(Self {
            connector: match read.kind {
                Kind::Http => Connector::Http(settings(read.connector)?),
                Kind::CalDav => Connector::CalDav(settings(read.connector)?),
                Kind::S3 => Connector::S3(settings(read.connector)?),
                Kind::GoogleCalendar => Connector::GoogleCalendar(settings(read.connector)?),
            },
            name: read.name,
            skip_when_null: read.skip_when_null,
            timeout: read.timeout,
            allow_private: read.allow_private,
            after: read.after,
            retry: read.retry,
            place: 0,
        })
    }
}

/// The settings of a connector. An error begins with a dot and the key below the target, if it is about one: the caller
/// puts its own key path before it.
fn settings<T: for<'de> Deserialize<'de>>(rest: Dict) -> Result<T, String> {
    Value::from(rest).deserialize().map_err(|error| match key_path(&error.path) {
        path if path.is_empty() => error.kind.to_string(),
        path => format!(".{path}: {}", error.kind),
    })
}

impl Target {
    /// Whether the target is asked later whether the twin is really gone.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        match self.connector {
            // One request says how to delete, not how to look.
            Connector::Http(_) => false,
            Connector::CalDav(_) | Connector::S3(_) | Connector::GoogleCalendar(_) => false,
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
            Connector::Http(http) => http.url.columns().collect(),
            Connector::CalDav(caldav) => caldav.url.columns().collect(),
            Connector::S3(s3) => s3.uses().into_iter().map(|(_, column)| column).collect(),
            Connector::GoogleCalendar(calendar) => calendar.uses().into_iter().map(|(_, column)| column).collect(),
        }
    }

    /// What is wrong with the connector's settings, below the target's key path.
    pub(super) fn validate_connector(&self) -> Result<(), Mistake> {
        match &self.connector {
            Connector::Http(_) => Ok(()),
            Connector::CalDav(caldav) => caldav.validate(),
            Connector::S3(s3) => s3.validate(),
            Connector::GoogleCalendar(calendar) => calendar.validate(),
        }
    }
}
