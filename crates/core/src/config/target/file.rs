//! How the file has a target: general settings and those of its kind in one table.

use std::time::Duration;

use figment::{
    error::Kind,
    value::{Dict, Value},
};
use serde::Deserialize;

use super::{Breaker, KindName, RateLimit, Target, TargetKind};
use crate::{
    config::{
        RetryOverride, duration,
        load::{describe_kind, key_path},
    },
    ids::TargetName,
    template::LONGEST,
};

/// A target as the file has it.
#[derive(Deserialize)]
pub(super) struct FileTarget {
    name: TargetName,
    kind: KindName,
    #[serde(default)]
    skip_when_null: Vec<String>,
    #[serde(default = "default_timeout", deserialize_with = "duration::deserialize")]
    timeout: Duration,
    #[serde(default)]
    allow_private: bool,
    #[serde(default = "default_repeatable")]
    repeatable: bool,
    #[serde(default)]
    not_done: Vec<u16>,
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
    #[serde(default = "longest_path_value")]
    max_path_value: usize,
    /// All other keys: the settings of the kind.
    #[serde(flatten)]
    of_kind: Dict,
}

/// The keys of [`FileTarget`] that every kind has, for messages.
const GENERAL: [&str; 14] = [
    "name",
    "kind",
    "skip_when_null",
    "timeout",
    "allow_private",
    "repeatable",
    "not_done",
    "after",
    "retry",
    "rate_limit",
    "max_in_flight",
    "breaker",
    "gone_limit",
    "max_path_value",
];

const fn longest_path_value() -> usize {
    LONGEST
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

impl TryFrom<FileTarget> for Target {
    type Error = String;

    fn try_from(file: FileTarget) -> Result<Self, String> {
        Ok(Self {
            kind: TargetKind::read(file.kind, file.of_kind)?,
            name: file.name,
            skip_when_null: file.skip_when_null,
            timeout: file.timeout,
            allow_private: file.allow_private,
            repeatable: file.repeatable,
            not_done: file.not_done,
            after: file.after,
            retry: file.retry,
            rate_limit: file.rate_limit,
            max_in_flight: file.max_in_flight,
            breaker: file.breaker,
            gone_limit: file.gone_limit,
            max_path_value: file.max_path_value,
            file_index: 0,
        })
    }
}

/// Reads the settings of a kind. An error about one of them begins with a dot and its key below the target; the caller
/// puts its own key path before it.
pub(super) fn kind_settings<T: for<'de> Deserialize<'de>>(settings: Dict) -> Result<T, String> {
    Value::from(settings).deserialize().map_err(|error| match (key_path(&error.path), &error.kind) {
        // An unknown key of the target itself may be a slip in a general one.
        (path, Kind::UnknownField(found, own)) if path == *found => {
            let expected: Vec<_> = GENERAL.iter().chain(*own).map(|name| format!("`{name}`")).collect();
            format!("unknown field: found `{found}`, expected one of {}", expected.join(", "))
        }
        (path, kind) if path.is_empty() => describe_kind(kind),
        (path, kind) => match describe_kind(kind) {
            // The fault is further down, and the message begins with the rest of the key path.
            message if message.starts_with('.') => format!(".{path}{message}"),
            message => format!(".{path}: {message}"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_settings_are_those_that_no_kind_gets() {
        let entries = GENERAL.iter().map(|name| match *name {
            "skip_when_null" | "after" | "not_done" => ((*name).to_owned(), Value::from(Vec::<String>::new())),
            "allow_private" | "repeatable" => ((*name).to_owned(), Value::from(true)),
            "max_in_flight" | "max_path_value" => ((*name).to_owned(), Value::from(1)),
            "gone_limit" => ((*name).to_owned(), Value::from(0.5)),
            "rate_limit" => ((*name).to_owned(), Value::from(Dict::from([("per_second".to_owned(), Value::from(1))]))),
            "retry" | "breaker" => ((*name).to_owned(), Value::from(Dict::new())),
            "timeout" => ((*name).to_owned(), Value::from("1s")),
            _ => ((*name).to_owned(), Value::from("http")),
        });
        let file: FileTarget = Value::from(entries.collect::<Dict>()).deserialize().unwrap();
        assert_eq!(file.of_kind, Dict::new());
    }
}
