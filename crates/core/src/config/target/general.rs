//! What every target has, whatever its kind.

use std::time::Duration;

use serde::Deserialize;

use super::{Breaker, RateLimit, TargetKind, file::FileTarget};
use crate::{config::RetryOverride, ids::TargetName};

/// A target and how it is called.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "FileTarget")]
pub struct Target {
    /// Its name, unique within the resource.
    pub name: TargetName,
    /// Its kind, with the settings that only this kind has.
    pub kind: TargetKind,
    /// A row in which one of these columns is null was never synced: there is nothing to delete.
    pub skip_when_null: Vec<String>,
    /// How long a call may take in all.
    pub timeout: Duration,
    /// Whether the target may be at a loopback, private or link-local address.
    pub allow_private: bool,
    /// Whether a call whose answer was lost may be made a second time. If not, the deletion ends as `unknown_outcome`.
    pub repeatable: bool,
    /// Statuses by which the target says that it did nothing, so that a call may be made a second time in any case.
    pub not_done: Vec<u16>,
    /// Targets of the same resource that must have confirmed before this one is called.
    pub after: Vec<TargetName>,
    /// Settings that differ from `[retry]`.
    pub retry: RetryOverride,
    /// How many calls a second it gets, if that is limited.
    pub rate_limit: Option<RateLimit>,
    /// How many calls of one process may be in flight at once, if that is limited.
    pub max_in_flight: Option<usize>,
    /// When it is not called because it fails.
    pub breaker: Breaker,
    /// The share of calls that confirmed and said "gone" unexpectedly above which rows are held, and the breaker opens
    /// until an operator closes it. A wrong base path answers like that.
    pub gone_limit: f64,
    /// The most bytes of a row's value in a URL's path.
    pub max_path_value: usize,
    /// Its index in the file. A resource's targets are kept in the order in which they are called.
    pub file_index: usize,
}
