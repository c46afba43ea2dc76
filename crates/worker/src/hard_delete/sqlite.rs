//! Hard delete on SQLite: the same steps, row by row, under the one write lock.

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use sexton_core::{
    catalog::Table,
    db,
    guard::{begin_own, end_own},
    store::Store,
};

use super::{
    compare::{Now, judge},
    family::remove_children,
    postgres::{all_went, finish},
    removal::{Completion, Removal, Undone},
};

pub(super) async fn remove(
    transaction: &DatabaseTransaction,
    store: &Store,
    table: &Table,
    batch: &[Removal],
) -> Result<Vec<Completion>, Undone> {
    let claims: Vec<_> = batch.iter().map(|removal| (removal.id, removal.fence)).collect();
    let ours = store.ledger.lock_ours(transaction, &claims).await?;
    let mut answers = Vec::with_capacity(batch.len());
    for removal in batch {
        let is_ours = ours.contains(&removal.id);
        answers.push(if is_ours { look(transaction, table, removal).await? } else { Completion::Lost });
    }
    // What fails on the way is rolled back, with this.
    let tables = store.catalog.tables_deleted_with(table);
    begin_own(transaction, &store.ledger, &tables).await?;
    let children = remove_children(transaction, store, table, batch, &mut answers).await?;
    for (removal, answer) in batch.iter().zip(&mut answers).filter(|(_, answer)| **answer == Completion::Refused) {
        let mut values = Vec::new();
        let matches = table.key_matches("t", &removal.key, &mut values);
        let sql = format!("delete from {} as t where {matches}", table.sql);
        if transaction.execute_raw(table.dialect.statement(sql, values)).await.map_err(db::Error::from)?.rows_affected()
            > 0
        {
            *answer = Completion::Deleted;
        }
    }
    end_own(transaction, &store.ledger, &tables).await?;
    all_went(table, &answers)?;
    finish(transaction, &store.ledger, table, batch, &answers, &children).await?;
    Ok(answers)
}

/// What is to be done with a row; `Refused` until the delete returns it.
async fn look(transaction: &DatabaseTransaction, table: &Table, removal: &Removal) -> Result<Completion, db::Error> {
    let now = match table.read_row(transaction, &removal.key).await? {
        None => return Ok(Completion::AlreadyGone),
        Some(now) => judge(table, removal.rule, &removal.payload, now),
    };
    Ok(match now {
        Now::Same if removal.delete => Completion::Refused,
        Now::Same => Completion::Kept,
        Now::Changed(now) => Completion::Changed(now),
        Now::LiveAgain => Completion::LiveAgain,
        Now::Gone => Completion::AlreadyGone,
    })
}
