//! A lane that is shut: why, and until when.

use std::time::{Duration, Instant};

use sexton_core::ledger::{Cause, THROTTLE_ENDS};

/// A lane that is shut.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ShutLane {
    /// An operator paused it.
    Paused,
    /// The role lacks a right without which rows would stay although their twins went.
    NoRight,
    /// Its breaker is open, or its target is throttled.
    Breaker {
        cause: Cause,
        /// The time of the next probe, or the end of throttling; none: an operator must look.
        until: Option<Instant>,
    },
}

impl ShutLane {
    /// A breaker as the ledger had it at `now`.
    pub(super) fn from_ledger(cause: Cause, left_ms: Option<i64>, now: Instant) -> Self {
        let left = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        Self::Breaker { cause, until: left_ms.map(|ms| now + left(ms)) }
    }

    /// Whether it is still shut. When a target need not be spared any more, one call shows whether it answers. If none
    /// is due, throttling ends by itself.
    pub(super) fn lasts(&self) -> bool {
        match self {
            Self::Breaker { cause: Cause::Throttled, until: Some(until) } => Instant::now() < *until + THROTTLE_ENDS,
            Self::Paused | Self::NoRight | Self::Breaker { .. } => true,
        }
    }

    /// Whether only an operator can open it.
    pub(super) fn waits_for_operator(&self) -> bool {
        matches!(self, Self::Paused | Self::NoRight | Self::Breaker { until: None, .. })
    }

    /// Whether its breaker is open.
    pub(super) const fn is_open_breaker(&self) -> bool {
        let failed = matches!(self, Self::Breaker { cause: Cause::Failures | Cause::Unauthorized | Cause::Gone, .. });
        failed || matches!(self, Self::NoRight)
    }

    /// Whether the target asked for patience.
    pub(super) const fn is_throttled(&self) -> bool {
        matches!(self, Self::Breaker { cause: Cause::Throttled, .. })
    }

    /// When it may be probed, if a probe can open it.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        match self {
            Self::Breaker { cause: Cause::Failures | Cause::Unauthorized | Cause::Throttled, until } => *until,
            Self::Paused | Self::NoRight | Self::Breaker { .. } => None,
        }
    }

    /// A short code for logs and the ledger.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::NoRight => "no_right",
            Self::Breaker { cause: Cause::Throttled, .. } => "throttled",
            Self::Breaker { .. } => "breaker_open",
        }
    }
}
