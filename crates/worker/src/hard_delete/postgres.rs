//! Hard delete on PostgreSQL: lock the ledger, lock the rows, delete, finish.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use sexton_core::{
    catalog::Table,
    db::{self, recordset},
    ledger::{Finish, Ledger, RowOutcome},
    store::Store,
};

use super::{
    compare::{Captured, Now, records, select},
    family::remove_children,
    removal::{Completion, LIMITS, Removal, Undone},
};

pub(super) async fn remove(
    transaction: &DatabaseTransaction,
    store: &Store,
    table: &Table,
    batch: &[Removal],
) -> Result<Vec<Completion>, Undone> {
    // Sessions are READ COMMITTED whatever the role's default is (db/connect.rs): each statement below sees what was
    // committed before it began, so what is locked here is judged as it is now.
    transaction.execute_unprepared(LIMITS).await.map_err(db::Error::from)?;
    let claims: Vec<_> = batch.iter().map(|removal| (removal.id, removal.fence)).collect();
    let ours = store.ledger.lock_ours(transaction, &claims).await?;
    let ours: Vec<usize> = (0..batch.len()).filter(|n| ours.contains(&batch[*n].id)).collect();
    let mut answers = vec![Completion::Lost; batch.len()];
    let rows: Vec<Captured<'_>> = ours.iter().map(|n| &batch[*n]).map(|r| (&r.key, r.rule, &r.payload)).collect();
    let locked = select(transaction, table, &rows, "for update of t skip locked").await?;
    let mut to_delete = Vec::new();
    for (place, n) in ours.iter().enumerate() {
        answers[*n] = match locked.get(&place) {
            Some(Now::Same) if batch[*n].delete => {
                to_delete.push(*n);
                // Until the delete returns it: a trigger may keep it.
                Completion::Refused
            }
            Some(Now::Same) => Completion::Kept,
            Some(Now::Changed(now)) => Completion::Changed(now.clone()),
            Some(Now::LiveAgain) => Completion::LiveAgain,
            Some(Now::Gone) | None => Completion::Locked,
        };
    }
    tell_gone_from_locked(transaction, table, batch, &mut answers).await?;
    let children = remove_children(transaction, store, table, batch, &mut answers).await?;
    to_delete.retain(|n| answers[*n] == Completion::Refused);
    for n in delete(transaction, table, batch, &to_delete).await? {
        answers[n] = Completion::Deleted;
    }
    all_went(table, &answers)?;
    finish(transaction, &store.ledger, table, batch, &answers, &children).await?;
    Ok(answers)
}

/// A family goes as a whole or not at all.
pub(super) fn all_went(table: &Table, answers: &[Completion]) -> Result<(), Undone> {
    let refused = !table.children.is_empty() && answers.contains(&Completion::Refused);
    if refused { Err(Undone::RowKept) } else { Ok(()) }
}

/// `skip locked` leaves out rows that are locked and rows that are not there; a plain read tells which is which.
async fn tell_gone_from_locked(
    transaction: &DatabaseTransaction,
    table: &Table,
    batch: &[Removal],
    answers: &mut [Completion],
) -> Result<(), db::Error> {
    let missing: Vec<usize> = (0..batch.len()).filter(|n| answers[*n] == Completion::Locked).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let rows: Vec<Captured<'_>> = missing.iter().map(|n| &batch[*n]).map(|r| (&r.key, r.rule, &r.payload)).collect();
    let there = select(transaction, table, &rows, "").await?;
    for (place, n) in missing.into_iter().enumerate() {
        if !there.contains_key(&place) {
            answers[n] = Completion::AlreadyGone;
        }
    }
    Ok(())
}

/// Deletes rows that are locked and were just found unchanged, and says which went.
async fn delete(
    transaction: &DatabaseTransaction,
    table: &Table,
    batch: &[Removal],
    rows: &[usize],
) -> Result<Vec<usize>, db::Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let captured: Vec<Captured<'_>> = rows.iter().map(|n| &batch[*n]).map(|r| (&r.key, r.rule, &r.payload)).collect();
    let sql = format!(
        "delete from {} t using {} where {} and {} returning x.n",
        table.sql,
        recordset(1, &format!("n int, payload jsonb, {}", table.key_record())),
        table.key_equals("t", "x"),
        table.unchanged("t", "x.payload"),
    );
    let values = [records(&captured).to_string().into()];
    let gone = transaction.query_all_raw(table.dialect.statement(sql, values)).await?;
    gone.iter()
        .map(|row| {
            let place = usize::try_from(row.try_get::<i32>("", "n")?).unwrap_or_default();
            rows.get(place).copied().ok_or_else(|| db::Error::unreadable("a row that was not asked for"))
        })
        .collect()
}

/// Finishes what is deleted, gone or kept. The ledger rows are locked, so none can be lost on the way.
pub(super) async fn finish(
    transaction: &DatabaseTransaction,
    ledger: &Ledger,
    table: &Table,
    batch: &[Removal],
    answers: &[Completion],
    children: &[usize],
) -> Result<(), db::Error> {
    let finished: Vec<Finish> = batch
        .iter()
        .zip(answers)
        .zip(children)
        .filter_map(|((removal, answer), children)| {
            let row = match answer {
                Completion::Deleted => RowOutcome::Deleted,
                Completion::AlreadyGone => RowOutcome::AlreadyGone,
                Completion::Kept => RowOutcome::Kept,
                _ => return None,
            };
            let (id, fence) = (removal.id, removal.fence);
            Some(Finish { id, fence, confirmations: removal.confirmations.clone(), row, children: *children })
        })
        .collect();
    if finished.is_empty() {
        return Ok(());
    }
    if !table.children.is_empty() {
        // The marks of children that stay are remembered: nobody should take them for forgotten ones.
        let (kept, gone): (Vec<_>, Vec<_>) = finished.iter().partition(|f| f.row == RowOutcome::Kept);
        let ids = |finished: Vec<&Finish>| finished.into_iter().map(|f| f.id).collect::<Vec<_>>();
        ledger.forget_children(transaction, &ids(gone)).await?;
        ledger.forget_waits(transaction, &ids(kept)).await?;
    }
    let written = ledger.finish(transaction, &finished).await?;
    let expected: HashSet<_> = finished.iter().map(|f| f.id).collect();
    if written == expected {
        Ok(())
    } else {
        Err(db::Error::other("finish deletions", format!("{} were to be, {} were", expected.len(), written.len())))
    }
}
