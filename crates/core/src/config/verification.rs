//! `sync.verify`: whether what was deleted is looked for again later.

use std::time::Duration;

use serde::Deserialize;

use super::{
    duration,
    mistake::{Mistake, require},
    settings::Sync,
};

/// What finishes in this moment may not be seen yet, and must not be passed over.
const LEAST_AGE: Duration = Duration::from_secs(60);

/// What the sweep `verify` looks at, and what it does about what came back.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The share of completed deletions whose twins are looked for once more, 0 to 1.
    pub share: f64,
    /// How long after its completion.
    #[serde(with = "duration")]
    pub after: Duration,
    /// What becomes of twins that are there again.
    pub mode: VerifyMode,
}

/// What becomes of twins that are there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyMode {
    /// They are counted.
    Report,
    /// They are deleted again.
    On,
}

impl Verification {
    /// What is to be done, if anything is looked at.
    #[must_use]
    pub fn switched_on(&self) -> Option<VerifyMode> {
        (self.share > 0.0).then_some(self.mode)
    }
}

pub(super) fn validate(sync: &Sync) -> Result<(), Mistake> {
    let verify = &sync.verify;
    require((0.0..=1.0).contains(&verify.share), "sync.verify.share", || {
        format!("{} is not a share: expected a number from 0 (off) to 1 (every completed deletion)", verify.share)
    })?;
    require(verify.after >= LEAST_AGE, "sync.verify.after", || {
        "it must be at least 1m: what has just been deleted was just confirmed".to_owned()
    })?;
    require(verify.switched_on().is_none() || verify.after < sync.keep_refs, "sync.verify.after", || {
        format!(
            "it must be shorter than sync.keep_refs ({}): by then it is forgotten where the twins were",
            humantime::format_duration(sync.keep_refs)
        )
    })
}
