//! Hard delete on SQLite: the same steps, row by row, under the one write lock.

use std::collections::HashSet;

use sexton_core::{
    db,
    guard::{begin_own, end_own},
};

use super::{
    children::delete_children,
    compare::compare_one,
    deletion::Batch,
    finish::finish,
    outcome::{HardDeleteOutcome, Stopped},
    plan::RowPlan,
};

pub(super) async fn hard_delete(batch: &Batch<'_>) -> Result<Vec<HardDeleteOutcome>, Stopped> {
    let mut plans = plan(batch).await?;
    // What fails from here on is rolled back, with this.
    let tables = batch.store.catalog.tables_deleted_with(batch.table);
    begin_own(batch.transaction, &batch.store.ledger, &tables).await?;
    let children = delete_children(batch, &mut plans).await?;
    let deleted = delete(batch, &plans).await?;
    end_own(batch.transaction, &batch.store.ledger, &tables).await?;
    let outcomes = plans.into_iter().enumerate().map(|(n, plan)| plan.outcome(deleted.contains(&n))).collect();
    finish(batch, outcomes, &children).await
}

async fn plan(batch: &Batch<'_>) -> Result<Vec<RowPlan>, db::Error> {
    let ours = batch.lock_ours().await?;
    let mut plans = Vec::with_capacity(batch.deletions.len());
    for deletion in batch.deletions {
        plans.push(if ours.contains(&deletion.id) {
            let now = compare_one(batch.transaction, batch.table, deletion.captured()).await?;
            RowPlan::new(deletion, &now)
        } else {
            RowPlan::Leave(HardDeleteOutcome::Lost)
        });
    }
    Ok(plans)
}

/// Returns the numbers of the rows that the database deleted: a trigger may keep some.
async fn delete(batch: &Batch<'_>, plans: &[RowPlan]) -> Result<HashSet<usize>, db::Error> {
    let table = batch.table;
    let delete = table.rendered.get("hard_delete.delete", || {
        table.words().render("-- delete the row\ndelete from {table} as t where {key_is_bound}")
    });
    let mut deleted = HashSet::new();
    for (n, _) in plans.iter().enumerate().filter(|(_, plan)| **plan == RowPlan::Delete) {
        let query = delete.bind_all(batch.deletions[n].key.values());
        if query.execute(batch.transaction).await? > 0 {
            deleted.insert(n);
        }
    }
    Ok(deleted)
}
