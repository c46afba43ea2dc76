//! What targets have confirmed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::Answer;

/// Target name to confirmation, as the ledger keeps it.
pub type Confirmations = BTreeMap<String, Confirmation>;

/// A target's confirmation that the twin is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Confirmation {
    /// When, by the database's clock; RFC 3339.
    pub at: String,
    /// How.
    #[serde(flatten)]
    pub answer: Answer,
    /// Whether the target agreed when it was asked again (`verify`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verified: bool,
    /// Whether it is still to be judged: the target said "gone" unexpectedly, which counts for nothing until other
    /// answers show whether it can be believed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
    /// How often the target was asked again because of a doubt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asked_again: u32,
    /// Whether it was found to be part of a run of "gone".
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_run: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Whether `target` confirmed, without a doubt.
#[must_use]
pub fn has_confirmed(confirmations: &Confirmations, target: &str) -> bool {
    confirmations.get(target).is_some_and(|confirmation| !confirmation.doubted)
}
