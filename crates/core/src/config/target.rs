//! `[[resources.NAME.targets]]`: an external system in which a row has a twin.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use super::{RetryOverride, duration};
use crate::{
    ids::TargetName,
    template::{UrlTemplate, Values},
};

/// A target and how it is called.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name, unique within the resource.
    pub name: TargetName,
    /// Which connector calls it.
    pub kind: Kind,
    /// The method of the call.
    #[serde(default)]
    pub method: Method,
    /// Where the twin is; `{column}` is replaced by the row's value, percent-encoded.
    pub url: UrlTemplate,
    /// Headers of the call. They often carry credentials, so they are secrets as a whole.
    #[serde(default)]
    pub headers: BTreeMap<String, SecretString>,
    /// A row in which one of these columns is null was never synced: there is nothing to delete.
    #[serde(default)]
    pub skip_when_null: Vec<String>,
    /// Statuses, besides 2xx, that mean "already deleted".
    #[serde(default = "default_gone")]
    pub gone: Vec<u16>,
    /// How long a call may take in all.
    #[serde(default = "default_timeout", deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// Whether the target may be at a loopback, private or link-local address.
    #[serde(default)]
    pub allow_private: bool,
    /// Targets of the same resource that must have confirmed before this one is called.
    #[serde(default)]
    pub after: Vec<TargetName>,
    /// Settings that differ from `[retry]`.
    #[serde(default)]
    pub retry: RetryOverride,
    /// Where the file has it, counted from 0: a resource's targets are kept in the order in which they are asked.
    #[serde(skip)]
    pub place: usize,
}

/// The connectors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One HTTP request.
    Http,
}

/// Methods a call may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "RFC 9110 §9.3 says what each means")]
pub enum Method {
    #[default]
    Delete,
    Post,
    Put,
    Patch,
    Get,
}

impl Method {
    /// The method's token (RFC 9110 §9.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Get => "GET",
        }
    }
}

/// 410 says "was here and is gone" (RFC 9110 §15.5.11). 404 also answers a wrong base path, so it must be asked for.
fn default_gone() -> Vec<u16> {
    vec![410]
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

impl Target {
    /// Whether the target is asked later whether the twin is really gone.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        match self.kind {
            // One request says how to delete, not how to look.
            Kind::Http => false,
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
        let mut columns: Vec<String> = self.url.columns().map(str::to_owned).collect();
        columns.extend(self.skip_when_null.iter().cloned());
        columns.sort();
        columns.dedup();
        columns
    }
}
