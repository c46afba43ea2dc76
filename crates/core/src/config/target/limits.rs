//! How often a target is called, and when it is not called because it fails.

use std::time::Duration;

use serde::Deserialize;

use crate::config::duration;

/// `rate_limit = { per_second = 10, burst = 20 }`: calls a second across all worker processes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls a second in the long run; 0.1 is one in ten seconds.
    pub per_second: f64,
    /// Calls that may be made at once after a time without calls.
    #[serde(default = "one")]
    pub burst: u32,
}

const fn one() -> u32 {
    1
}

impl RateLimit {
    /// The time between two calls in the long run.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::try_from_secs_f64(1.0 / self.per_second).unwrap_or(Duration::MAX)
    }
}

/// `breaker = { … }`: when calls to a failing target stop, and how it is probed.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// The least share of failed calls at which it opens; above 1 it never does.
    pub failure_ratio: f64,
    /// The least number of calls in the window for which a share is judged.
    pub min_calls: u32,
    /// How far back calls count.
    #[serde(deserialize_with = "duration::deserialize")]
    pub window: Duration,
    /// The pause before the first probe; after each failed probe it doubles.
    #[serde(deserialize_with = "duration::deserialize")]
    pub probe_interval: Duration,
    /// The longest pause between two probes.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max_probe_interval: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            min_calls: 20,
            window: Duration::from_secs(30),
            probe_interval: Duration::from_secs(5),
            max_probe_interval: Duration::from_secs(60),
        }
    }
}
