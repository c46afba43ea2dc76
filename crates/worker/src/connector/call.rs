//! A call to a target, and the trait of the code that makes it.

use async_trait::async_trait;
use sexton_core::{
    ids::DeletionId,
    outcome::{Failure, Look, Outcome},
    template::Values,
};

/// What a call is about.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The deletion, by which a target may recognise a repeated call.
    pub(crate) id: DeletionId,
    /// The values of the row.
    pub(crate) row: &'a Values,
}

/// Calls one target.
#[async_trait]
pub(crate) trait Connector: Send + Sync {
    /// Asks the target to delete the twin of the row with these values, in at most the target's timeout. Every end of
    /// the call is an [`Outcome`]; no answer of a server makes it panic.
    async fn delete(&self, call: Call<'_>) -> Outcome;

    /// Looks whether the twin is gone that the target said it deleted, in at most the target's timeout. Called only
    /// where `Target::can_look` is true.
    async fn look(&self, _call: Call<'_>) -> Look {
        let reason = "verify_not_supported".to_owned();
        Look::Failed(Outcome::Rejected(Failure { status: None, reason }))
    }
}
