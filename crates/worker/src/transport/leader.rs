//! One dispatcher at a time: a lease in Redis.
//!
//! Two dispatchers would do no harm (hints are damped, claims are fenced), they would only do the work twice. So a
//! lease that expires while its holder is stuck is good enough, and nothing is fenced by it.

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

    /// Takes or renews the lease, and returns whether it is held now, for [`LEASE`].
    ///
    /// # Errors
    /// Any [`Error`] of the connection; nobody leads then, as far as this process can know.
    pub async fn try_lead(&self) -> Result<bool, Error> {
        let mut call = TAKE.prepare_invoke();
        call.key(self.queue.keys().dispatcher()).arg(&self.owner).arg(LEASE.as_millis() as u64);
        self.queue.connection().invoke("take the dispatcher's lease", &call).await
    }

    /// Gives the lease back if it is held, so that another process leads at once.
    ///
    /// # Errors
    /// Any [`Error`] of the connection; the lease expires by itself then.
    pub async fn resign(&self) -> Result<(), Error> {
        let mut call = RESIGN.prepare_invoke();
        call.key(self.queue.keys().dispatcher()).arg(&self.owner);
        self.queue.connection().invoke("give the dispatcher's lease back", &call).await
    }
}
