//! `[retry]`, and what a target may change of it.

use std::time::Duration;

use serde::Deserialize;

use super::{
    check::{InvalidSetting, ensure},
    duration,
};

/// When to try again, and when to stop trying.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Claims that may fail before a deletion is dead as `exhausted`.
    pub max_attempts: u32,
    /// The longest delay after the first failure.
    #[serde(with = "duration")]
    pub initial_interval: Duration,
    /// How much longer the delay may be after each further failure.
    pub multiplier: f64,
    /// No delay is longer.
    #[serde(with = "duration")]
    pub max_interval: Duration,
    /// Time since the first attempt after which a deletion is dead as `expired`.
    #[serde(with = "duration")]
    pub give_up_after: Duration,
}

/// `retry = { … }` of a target: the settings that differ from `[retry]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryOverride {
    /// See [`Retry::max_attempts`].
    pub max_attempts: Option<u32>,
    /// See [`Retry::initial_interval`].
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    pub initial_interval: Option<Duration>,
    /// See [`Retry::multiplier`].
    pub multiplier: Option<f64>,
    /// See [`Retry::max_interval`].
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    pub max_interval: Option<Duration>,
    /// See [`Retry::give_up_after`].
    #[serde(default, deserialize_with = "duration::option::deserialize")]
    pub give_up_after: Option<Duration>,
}

impl Retry {
    /// This policy with a target's own settings put over it.
    #[must_use]
    pub fn with(self, over: &RetryOverride) -> Self {
        Self {
            max_attempts: over.max_attempts.unwrap_or(self.max_attempts),
            initial_interval: over.initial_interval.unwrap_or(self.initial_interval),
            multiplier: over.multiplier.unwrap_or(self.multiplier),
            max_interval: over.max_interval.unwrap_or(self.max_interval),
            give_up_after: over.give_up_after.unwrap_or(self.give_up_after),
        }
    }
}

pub(super) fn validate(path: &str, retry: &Retry) -> Result<(), InvalidSetting> {
    ensure(retry.max_attempts >= 1, &format!("{path}.max_attempts"), || "expected at least 1".to_owned())?;
    ensure((1.0..=100.0).contains(&retry.multiplier), &format!("{path}.multiplier"), || {
        format!("{} is not between 1 and 100", retry.multiplier)
    })?;
    ensure(retry.initial_interval > Duration::ZERO, &format!("{path}.initial_interval"), || {
        "it must be longer than 0s: a failing target would be called without a pause".to_owned()
    })?;
    ensure(retry.initial_interval <= retry.max_interval, &format!("{path}.max_interval"), || {
        "it is shorter than initial_interval".to_owned()
    })
}
