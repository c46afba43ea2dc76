//! The children of rows that are to be deleted: they are deleted first, in the same transaction.

use std::time::Duration;

use sexton_core::{
    catalog::Table,
    children::{self, DeletedPart, DeletedRows, Descendants, RowToDelete, WayDown, delete},
    db::{self, Dialect, RowLocks, kill_point},
    guard::{begin_own, end_own},
    store::Store,
};

use super::{
    compare::{Now, compare_one, read_existing},
    deletion::{Batch, HardDelete},
    outcome::{HardDeleteOutcome, Stopped},
    plan::RowPlan,
};

/// Most children that are deleted in one transaction.
const MOST: usize = 1000;

/// Most rows of a circle, which can only go together: memory and locks for them are taken at once.
pub(crate) const MOST_IN_CIRCLE: usize = 10_000;

/// Deletes the children of those rows that are to be deleted or are gone already. A row whose children cannot be
/// deleted now gets another plan. Returns for each row how many children were deleted.
pub(super) async fn delete_children(batch: &Batch<'_>, plans: &mut [RowPlan]) -> Result<Vec<usize>, Stopped> {
    let Batch { transaction, store, table, deletions, .. } = *batch;
    let mut children = vec![0; deletions.len()];
    let needs_it = |n: &usize| matches!(plans[*n], RowPlan::Delete | RowPlan::FinishGone) && deletions[*n].delete;
    let chosen: Vec<usize> = (0..deletions.len()).filter(needs_it).collect();
    if table.children.is_empty() || chosen.is_empty() {
        return Ok(children);
    }
    let rows: Vec<RowToDelete> = chosen.iter().map(|n| deletions[*n].row_to_delete(table)).collect();
    let in_circle = chosen.iter().any(|n| deletions[*n].in_circle);
    let most = if in_circle { MOST_IN_CIRCLE } else { MOST };
    let descendants = Descendants::find(transaction, store, &rows, most, RowLocks::SkipLocked).await?;
    if descendants.is_truncated() {
        return Err(Stopped::ManyChildren);
    }
    let mut ready = vec![true; rows.len()];
    for (row, n) in chosen.iter().enumerate() {
        if descendants.is_locked(row) {
            plans[*n] = RowPlan::Leave(HardDeleteOutcome::Locked);
        } else if descendants.has_unfinished(transaction, &store.ledger, row, deletions[*n].id).await? {
            plans[*n] = RowPlan::Leave(HardDeleteOutcome::ChildrenFirst);
        } else {
            children[*n] = descendants.count(row);
            continue;
        }
        ready[row] = false;
    }
    match delete(transaction, &descendants, &ready).await {
        Ok(DeletedRows::Descendants) => Ok(children),
        Ok(DeletedRows::WithTheirRows) => {
            for (n, _) in chosen.iter().zip(ready).filter(|(_, ready)| *ready) {
                if plans[*n] == RowPlan::Delete {
                    plans[*n] = RowPlan::FinishDeleted;
                }
            }
            Ok(children)
        }
        Err(children::Error::RowKept { table }) => Err(Stopped::ChildRefused(table)),
        Err(children::Error::Database(error)) => Err(error.into()),
    }
}

/// What became of a part of the children of a row.
#[derive(Debug)]
pub(crate) enum ChildrenPart {
    /// This number were deleted, maybe none yet; there may be more.
    Deleted(usize),
    /// None is left that would have to be deleted before the row.
    NoneLeft,
    /// What is left references each other in a circle, and can only go with the row.
    Circle,
    /// None can be deleted now, or at all.
    Stopped(HardDeleteOutcome),
}

/// Deletes some of the children of a row that has too many for one transaction, in a transaction of its own.
/// After an error, and after [`ChildrenPart::Stopped`], it begins with a new way.
///
/// * `way`: down from the row, from one part to the next.
/// * `limit`: how long a statement may take (PostgreSQL).
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; nothing was changed then.
pub(crate) async fn delete_part_of_children(
    store: &Store,
    table: &Table,
    deletion: &HardDelete,
    way: &mut WayDown<'_>,
    limit: Duration,
) -> Result<ChildrenPart, db::Error> {
    let transaction = store.db.begin_on_rows().await?;
    let deletions = std::slice::from_ref(deletion);
    let part = part(&Batch { transaction: &transaction, store, table, deletions, limit }, deletion, way).await;
    if let Ok(ChildrenPart::Deleted(_)) = part {
        kill_point("children::before");
        transaction.commit().await?;
        kill_point("children::committed");
    } else {
        // A dropped transaction is rolled back only when the pool comes to it. Until then the next part would find its
        // rows locked.
        transaction.rollback().await?;
    }
    match part {
        Err(error) if error.refusal().is_some_and(|refusal| refusal.is_timeout()) => {
            Ok(ChildrenPart::Stopped(HardDeleteOutcome::TooSlow(limit)))
        }
        part => part,
    }
}

async fn part(batch: &Batch<'_>, deletion: &HardDelete, way: &mut WayDown<'_>) -> Result<ChildrenPart, db::Error> {
    let Batch { transaction, store, table, .. } = *batch;
    let dialect = table.dialect;
    if dialect.has_settings() {
        batch.limit_waiting().await?;
    }
    if batch.lock_ours().await?.is_empty() {
        return Ok(ChildrenPart::Stopped(HardDeleteOutcome::Lost));
    }
    // A row that was unmarked meanwhile keeps its children.
    let captured = deletion.captured();
    let now = match dialect {
        Dialect::Postgres => read_existing(transaction, table, &[captured], RowLocks::Wait).await?.remove(&0),
        Dialect::Sqlite => Some(compare_one(transaction, table, captured).await?),
    };
    match now {
        Some(Now::LiveAgain) => return Ok(ChildrenPart::Stopped(HardDeleteOutcome::LiveAgain)),
        Some(Now::Changed(now)) => return Ok(ChildrenPart::Stopped(HardDeleteOutcome::Changed(now))),
        Some(Now::Same | Now::Gone) | None => {}
    }
    let tables = if dialect.has_settings() { Vec::new() } else { store.catalog.tables_deleted_with(table) };
    begin_own(transaction, &store.ledger, &tables).await?;
    let deleted = way.delete_part(transaction, deletion.id, MOST).await;
    end_own(transaction, &store.ledger, &tables).await?;
    match deleted {
        Ok(DeletedPart::NoneLeft) => Ok(ChildrenPart::NoneLeft),
        Ok(DeletedPart::Circle) => Ok(ChildrenPart::Circle),
        Ok(DeletedPart::Some(children)) => {
            store.ledger.count_children(transaction, deletion.id, children).await?;
            Ok(ChildrenPart::Deleted(children))
        }
        Ok(DeletedPart::Locked) => Ok(ChildrenPart::Stopped(HardDeleteOutcome::Locked)),
        Ok(DeletedPart::ChildrenFirst) => Ok(ChildrenPart::Stopped(HardDeleteOutcome::ChildrenFirst)),
        Err(children::Error::RowKept { table }) => Ok(ChildrenPart::Stopped(HardDeleteOutcome::ChildRefused(table))),
        Err(children::Error::Database(error)) => Err(error),
    }
}
