//! Hard delete on SQLite: the same steps, row by row, under the one write lock.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};
use sexton_core::{catalog::Table, ledger::Ledger};

use super::{
    compare::{Now, judge},
    postgres::finish,
    remove::{Completion, Removal},
};

pub(super) async fn remove(
    transaction: &DatabaseTransaction,
    ledger: &Ledger,
    table: &Table,
    batch: &[Removal],
) -> Result<Vec<Completion>, DbErr> {
    let claims: Vec<_> = batch.iter().map(|removal| (removal.id, removal.fence)).collect();
    let ours = ledger.lock_ours(transaction, &claims).await?;
    let mut answers = Vec::with_capacity(batch.len());
    for removal in batch {
        answers.push(if ours.contains(&removal.id) {
            remove_one(transaction, table, removal).await?
        } else {
            Completion::Lost
        });
    }
    finish(transaction, ledger, batch, &answers).await?;
    Ok(answers)
}

async fn remove_one(transaction: &DatabaseTransaction, table: &Table, removal: &Removal) -> Result<Completion, DbErr> {
    let now = match table.read_row(transaction, &removal.key).await? {
        None => return Ok(Completion::AlreadyGone),
        Some(now) => judge(table, removal.rule, &removal.payload, now),
    };
    match now {
        Now::Same if removal.delete => {
            let mut values = Vec::new();
            let matches = table.key_matches("t", &removal.key, &mut values);
            let sql = format!("delete from {} as t where {matches}", table.sql);
            let gone = transaction.execute_raw(table.dialect.statement(sql, values)).await?.rows_affected();
            Ok(if gone > 0 { Completion::Deleted } else { Completion::Refused })
        }
        Now::Same => Ok(Completion::Kept),
        Now::Changed(now) => Ok(Completion::Changed(now)),
        Now::LiveAgain => Ok(Completion::LiveAgain),
        Now::Gone => Ok(Completion::AlreadyGone),
    }
}
