//! Rows that the database takes long to delete: a cascade over a table without an index, a trigger.
//!
//! The limit of a statement is `worker.delete_timeout`. A row that needs longer goes alone from then on, one at a time
//! in a process, so that no other row waits for it. Its limit grows with each try, up to `worker.longest_delete`.

use std::time::Duration;

use sexton_core::{
    db,
    outcome::{DeadKind, Failure, Outcome},
};

use super::execution::Execution;

/// By how much the limit of a row grows.
const GROWTH: u32 = 4;
/// How long a row waits at least while another that takes long is being deleted.
const ANOTHER: Duration = Duration::from_secs(2);

impl Execution<'_> {
    /// The row was not deleted within `limit`.
    pub(super) async fn row_too_slow(mut self, limit: Duration) {
        let worker = &self.engine.context.config.worker;
        let (delete_timeout, longest) = (worker.delete_timeout, worker.longest_delete);
        // A DELETE that took longer than a lease had its entry locked meanwhile, so that no renewal reached it.
        self.engine.renew(&[self.claim.lease()]).await.ok();
        let id = self.claim.id;
        if limit < delete_timeout {
            // It was tried among others, which were not to wait for it. That was less than it may take.
            tracing::debug!(%id, limit_ms = db::millis(limit), "deletion {id} goes alone");
            self.delete_limit = Some(delete_timeout);
            return self.snooze(Duration::ZERO, None).await;
        }
        let why = self.why_slow(limit).await;
        tracing::warn!(%id, limit_ms = db::millis(limit), "deletion {id}: {why}");
        if limit >= longest {
            self.delete_limit = Some(longest);
            return self.die(DeadKind::SlowDelete, &format!("row: {why}")).await;
        }
        self.delete_limit = Some((limit * GROWTH).min(longest));
        let failure = Failure { status: None, reason: why };
        self.row_failed(Outcome::Retry(failure), Some(DeadKind::SlowDelete)).await;
    }

    /// Another row that takes long is being deleted. That costs no attempt, and has an end all the same.
    pub(super) async fn wait_for_slow_delete(self) {
        if self.claim.age + self.since.elapsed() >= self.engine.context.config.retry.give_up_after {
            return self.die(DeadKind::Expired, "other rows that take long to delete were always before it").await;
        }
        let wait = self.claim.delete_limit.unwrap_or_default().max(ANOTHER);
        self.snooze(wait, None).await;
    }

    /// For on-call: how long it took at least, and which tables are read as a whole for it.
    async fn why_slow(&self, limit: Duration) -> String {
        let store = &self.engine.context.store;
        let tables = store.catalog.read_as_a_whole(&store.db, &self.table).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot look for missing indexes");
            Vec::new()
        });
        let limit = humantime::format_duration(limit);
        match tables.as_slice() {
            [] => format!("deleting it took longer than {limit}"),
            tables => format!("deleting it took longer than {limit}; {}", tables.join("; ")),
        }
    }
}
