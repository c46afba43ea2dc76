//! Hard delete on PostgreSQL: lock the ledger, lock the rows, delete, finish.

use std::collections::HashSet;

use sexton_core::db::{self, RowLocks, Words};

use super::{
    children::delete_children,
    compare::{Captured, read_existing, records},
    deletion::Batch,
    finish::finish,
    outcome::{HardDeleteOutcome, Stopped},
    plan::RowPlan,
};

pub(super) async fn hard_delete(batch: &Batch<'_>) -> Result<Vec<HardDeleteOutcome>, Stopped> {
    // Sessions are READ COMMITTED whatever the role's default is (db/connect.rs): each statement below sees what was
    // committed before it began, so what is locked here is judged as it is now.
    batch.limit_waiting().await?;
    let mut plans = plan(batch).await?;
    let children = delete_children(batch, &mut plans).await?;
    let deleted = delete(batch, &plans).await?;
    let outcomes = plans.into_iter().enumerate().map(|(n, plan)| plan.outcome(deleted.contains(&n))).collect();
    finish(batch, outcomes, &children).await
}

/// Locks the deletions that are still ours, and their rows.
async fn plan(batch: &Batch<'_>) -> Result<Vec<RowPlan>, db::Error> {
    let (transaction, table, deletions) = (batch.transaction, batch.table, batch.deletions);
    let ours = batch.lock_ours().await?;
    let mut plans = vec![RowPlan::Leave(HardDeleteOutcome::Lost); deletions.len()];
    let ours: Vec<usize> = (0..deletions.len()).filter(|n| ours.contains(&deletions[*n].id)).collect();
    let rows: Vec<Captured<'_>> = ours.iter().map(|n| deletions[*n].captured()).collect();
    let locked = read_existing(transaction, table, &rows, RowLocks::SkipLocked).await?;
    let mut missing = Vec::new();
    for (row, n) in ours.into_iter().enumerate() {
        match locked.get(&row) {
            Some(now) => plans[n] = RowPlan::new(&deletions[n], now),
            None => missing.push(n),
        }
    }
    if missing.is_empty() {
        return Ok(plans);
    }
    // `skip locked` leaves out rows that are locked and rows that are not there; a plain read tells which is which.
    let rows: Vec<Captured<'_>> = missing.iter().map(|n| deletions[*n].captured()).collect();
    let existing = read_existing(transaction, table, &rows, RowLocks::None).await?;
    for (row, n) in missing.into_iter().enumerate() {
        let is_there = existing.contains_key(&row);
        plans[n] = if is_there { RowPlan::Leave(HardDeleteOutcome::Locked) } else { RowPlan::FinishGone };
    }
    Ok(plans)
}

/// Deletes the rows that are locked and were just found unchanged. Returns the numbers of those that the database
/// deleted: a trigger may keep some.
async fn delete(batch: &Batch<'_>, plans: &[RowPlan]) -> Result<HashSet<usize>, db::Error> {
    let table = batch.table;
    let to_delete: Vec<usize> = (0..plans.len()).filter(|n| plans[*n] == RowPlan::Delete).collect();
    if to_delete.is_empty() {
        return Ok(HashSet::new());
    }
    let delete = table.rendered.get("hard_delete.delete", || {
        let words = Words::new(table.dialect).with([
            ("table", table.sql.clone()),
            ("key_record", table.key_record()),
            ("key_is_wanted", table.key_equals("t", "x")),
            ("is_unchanged", table.unchanged("t", "x.payload")),
        ]);
        words.render(
            "-- delete rows
             delete from {table} t using jsonb_to_recordset(@rows::jsonb) as x(n int, payload jsonb, {key_record})
             where {key_is_wanted} and {is_unchanged} returning x.n",
        )
    });
    let rows: Vec<Captured<'_>> = to_delete.iter().map(|n| batch.deletions[*n].captured()).collect();
    let deleted = delete.bind([("rows", records(&rows).to_string().into())]).all(batch.transaction).await?;
    let number = |row: &db::Row| {
        let n: usize = row.count("n")?;
        to_delete.get(n).copied().ok_or_else(|| db::Error::unreadable("a row that was not to be deleted"))
    };
    deleted.iter().map(number).collect()
}
