//! What travels through Redis: "this deletion is due", never row data.
//!
//! A hint may be lost, doubled, late or wrong without harm: the worker that receives one asks the ledger.

use serde::{Deserialize, Serialize};

use crate::ids::{DeletionId, Fence};

/// A hint that a deletion is due, in a versioned form so that processes of neighbouring releases share a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum Hint {
    /// The deletion `id`, last claimed under `fence`, was due when the hint was made.
    #[serde(rename = "1")]
    V1 {
        /// The deletion.
        id: DeletionId,
        /// Its fence when the hint was made; damps doubled hints of one claim.
        fence: Fence,
    },
}

impl Hint {
    /// A hint in the current version.
    #[must_use]
    pub const fn new(id: DeletionId, fence: Fence) -> Self {
        Self::V1 { id, fence }
    }

    /// The deletion that is due.
    #[must_use]
    pub const fn id(&self) -> DeletionId {
        let Self::V1 { id, .. } = self;
        *id
    }

    /// The fence the deletion had when the hint was made.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        let Self::V1 { fence, .. } = self;
        *fence
    }
}
