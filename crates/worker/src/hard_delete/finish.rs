//! The end of a deletion, in the transaction that deleted its row.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use sexton_core::{
    db::{self, millis},
    ids::DeletionId,
    ledger::{Finish, Lease, RowOutcome},
};

use super::{
    deletion::{Batch, HardDelete},
    outcome::{HardDeleteOutcome, Stopped},
};

/// Short enough for PostgreSQL's `deadlock_timeout`: we give way and the application wins (otherwise: 40P01, measured).
/// And what is deleted here is no business of the guards: see [`sexton_core::guard`].
const LIMITS: &str = "set local lock_timeout = '100ms'; set local sexton.deleting = '0'";

impl Batch<'_> {
    /// Limits for how long the transaction waits for locks, and for each statement (PostgreSQL).
    pub(super) async fn limit_waiting(&self) -> Result<(), db::Error> {
        let limits = format!("{LIMITS}; set local statement_timeout = {}", millis(self.limit));
        Ok(self.transaction.execute_unprepared(&limits).await.map(drop)?)
    }

    /// Locks the deletions that are still ours.
    pub(super) async fn lock_ours(&self) -> Result<HashSet<DeletionId>, db::Error> {
        let leases: Vec<_> =
            self.deletions.iter().map(|HardDelete { id, fence, .. }| Lease { id: *id, fence: *fence }).collect();
        self.store.ledger.lock_ours(self.transaction, &leases).await
    }
}

/// Finishes the deletions whose rows are deleted, gone or kept. They are locked, so none can be lost on the way.
/// `children` says for each how many children were deleted with it.
pub(super) async fn finish(
    batch: &Batch<'_>,
    outcomes: Vec<HardDeleteOutcome>,
    children: &[usize],
) -> Result<Vec<HardDeleteOutcome>, Stopped> {
    let Batch { transaction, store, table, deletions, .. } = batch;
    // A row is deleted with all its children or not at all.
    if !table.children.is_empty() && outcomes.contains(&HardDeleteOutcome::Refused) {
        return Err(Stopped::RowRefused);
    }
    let finished: Vec<Finish> = deletions
        .iter()
        .zip(&outcomes)
        .zip(children)
        .filter_map(|((deletion, outcome), children)| {
            let (id, fence, confirmations) = (deletion.id, deletion.fence, deletion.confirmations.clone());
            Some(Finish { id, fence, confirmations, row: outcome.finished()?, children: *children })
        })
        .collect();
    if finished.is_empty() {
        return Ok(outcomes);
    }
    let ledger = &store.ledger;
    if !table.children.is_empty() {
        // The marks of children that stay are remembered, or they would be taken for rows that an application marked.
        let (kept, gone): (Vec<_>, Vec<_>) = finished.iter().partition(|f| f.row == RowOutcome::Kept);
        let ids = |finished: Vec<&Finish>| finished.into_iter().map(|f| f.id).collect::<Vec<_>>();
        ledger.forget_children(*transaction, &ids(gone)).await?;
        ledger.forget_waits(*transaction, &ids(kept)).await?;
    }
    let written = ledger.finish(*transaction, &finished).await?;
    let expected: HashSet<_> = finished.iter().map(|f| f.id).collect();
    if written == expected {
        Ok(outcomes)
    } else {
        let why = format!("{} were to be, {} were", expected.len(), written.len());
        Err(db::Error::other("finish deletions", why).into())
    }
}
