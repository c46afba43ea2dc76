//! One dispatcher at a time: a lease in Redis.
//!
//! Two dispatchers would do no harm, only the work twice: hints are damped, and claims are fenced. So a lease that
//! expires while its owner is stuck is good enough, and nothing is fenced by it.

use std::{sync::LazyLock, time::Duration};

use redis::Script;
use sexton_core::transport::{Error, HintQueue};

/// How long the lease lasts without renewal. Call [`Leader::try_lead`] at least three times as often.
pub const LEASE: Duration = Duration::from_secs(5);

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take_lead.lua")));
static RESIGN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("resign_lead.lua")));

/// A candidate.
#[derive(Debug, Clone)]
pub struct Leader {
    queue: HintQueue,
    owner: String,
}

impl Leader {
    /// A candidate under a name that no other process has, such as [`process_name`](super::process_name)'s.
    #[must_use]
    pub fn new(queue: HintQueue, owner: impl Into<String>) -> Self {
        Self { queue, owner: owner.into() }
    }

    /// Takes or renews the lease for [`LEASE`], and returns whether this process leads now.
    ///
    /// # Errors
    /// Any [`Error`] of the connection; this process must not dispatch then.
    pub async fn try_lead(&self) -> Result<bool, Error> {
        let mut call = TAKE.prepare_invoke();
        call.key(self.queue.keys().dispatcher()).arg(&self.owner).arg(LEASE.as_millis() as u64);
        self.queue.connection().invoke("take the dispatcher's lease", &call).await
    }

    /// Gives the lease back, so that another process leads at once. Does nothing if another process has it.
    ///
    /// # Errors
    /// Any [`Error`] of the connection; the lease expires by itself then.
    pub async fn resign(&self) -> Result<(), Error> {
        let mut call = RESIGN.prepare_invoke();
        call.key(self.queue.keys().dispatcher()).arg(&self.owner);
        self.queue.connection().invoke("give the dispatcher's lease back", &call).await
    }
}
