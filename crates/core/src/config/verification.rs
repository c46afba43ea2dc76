//! `sync.verify`: whether the twins of completed deletions are looked for later.

use std::time::Duration;

use serde::Deserialize;

use super::{
    check::{InvalidSetting, ensure},
    duration,
    settings::Sync,
};

/// A deletion that is finishing now may not be visible yet, and the sweep must not pass it over.
const LEAST_AGE: Duration = Duration::from_secs(60);

/// What the sweep `verify` looks at, and what it does about twins that returned.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The share of completed deletions whose twins are looked for once more, 0 to 1.
    pub share: f64,
    /// How long after its completion.
    #[serde(with = "duration")]
    pub after: Duration,
    /// What becomes of twins that returned.
    pub mode: VerifyMode,
}

/// What becomes of twins that returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyMode {
    /// They are counted.
    Report,
    /// They are deleted.
    On,
}

impl Verification {
    /// What becomes of twins that returned; none if the sweep is off.
    #[must_use]
    pub fn switched_on(&self) -> Option<VerifyMode> {
        (self.share > 0.0).then_some(self.mode)
    }
}

pub(super) fn validate(sync: &Sync) -> Result<(), InvalidSetting> {
    let verify = &sync.verify;
    ensure((0.0..=1.0).contains(&verify.share), "sync.verify.share", || {
        format!("{} is not a share: expected a number from 0 (off) to 1 (every completed deletion)", verify.share)
    })?;
    ensure(verify.after >= LEAST_AGE, "sync.verify.after", || {
        "it must be at least 1m: what has just been deleted was just confirmed".to_owned()
    })?;
    ensure(verify.switched_on().is_none() || verify.after < sync.keep_refs, "sync.verify.after", || {
        format!(
            "it must be shorter than sync.keep_refs ({}): by then it is forgotten where the twins were",
            humantime::format_duration(sync.keep_refs)
        )
    })
}
