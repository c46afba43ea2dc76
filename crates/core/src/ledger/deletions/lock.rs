//! Locking what this process has claimed, before it writes in the same transaction.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Row, Sql, Words},
    ids::DeletionId,
    ledger::{Lease, Ledger},
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    ours: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let ours = words.pick(include_str!("lock.ours.postgres.sql"), include_str!("lock.ours.sqlite.sql"));
        Self { ours: words.render(ours) }
    }
}

impl Ledger {
    /// Locks the deletions whose leases are still ours, until the transaction ends.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses. It waits for locks (the caller limits for how long):
    /// a deletion whose lease is being renewed at this moment is still ours.
    pub async fn lock_ours(
        &self,
        transaction: &impl ConnectionTrait,
        leases: &[Lease],
    ) -> Result<HashSet<DeletionId>, db::Error> {
        let ours = self.sql.lock.ours.bind([("claims", json!(leases).to_string().into())]).all(transaction).await?;
        ours.iter().map(|row: &Row| row.parse("id")).collect()
    }
}
