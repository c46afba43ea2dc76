//! Hard delete: the rows go in the same transaction in which the ledger completes their deletions.

use sexton_core::{
    catalog::Table,
    db::{self, Db, Dialect, Refusal, kill_point},
    key::Key,
    store::Store,
};

use super::{
    postgres,
    references::references,
    removal::{Completion, Removal, Undone},
    sqlite,
};

/// Completes a batch of removals from one table in one transaction. One answer for each, in order.
///
/// A foreign-key violation fails the whole transaction; for a single removal it is an answer, for a batch an error,
/// upon which the batcher tries halves.
///
/// # Errors
/// Whatever the database says; nothing was changed then.
pub(crate) async fn remove(store: &Store, table: &Table, batch: &[Removal]) -> Result<Vec<Completion>, db::Error> {
    let undone = match in_transaction(store, table, batch).await {
        Ok(answers) => return Ok(answers),
        Err(undone) => undone,
    };
    match undone {
        Undone::Database(error) if batch.len() == 1 => match error.refusal() {
            Some(refusal) if refusal.is_foreign_key() => {
                Ok(vec![Completion::Referenced(referenced_by(&store.db, table, &batch[0].key, refusal).await?)])
            }
            Some(refusal) if refusal.is_contention() => Ok(vec![Completion::Locked]),
            _ => Err(error),
        },
        Undone::Database(error) => Err(error),
        Undone::Many if batch.len() == 1 => Ok(vec![Completion::ManyChildren]),
        Undone::Kept(table) if batch.len() == 1 => Ok(vec![Completion::ChildRefused(table)]),
        Undone::RowKept if batch.len() == 1 => Ok(vec![Completion::Refused]),
        Undone::Many | Undone::Kept(_) | Undone::RowKept => {
            let (first, second) = batch.split_at(batch.len() / 2);
            let mut answers = Box::pin(remove(store, table, first)).await?;
            answers.extend(Box::pin(remove(store, table, second)).await?);
            Ok(answers)
        }
    }
}

async fn in_transaction(store: &Store, table: &Table, batch: &[Removal]) -> Result<Vec<Completion>, Undone> {
    let transaction = store.db.begin().await?;
    let done = match table.dialect {
        Dialect::Postgres => postgres::remove(&transaction, store, table, batch).await,
        Dialect::Sqlite => sqlite::remove(&transaction, store, table, batch).await,
    };
    match done {
        Ok(answers) => {
            kill_point("complete::before");
            let committed = transaction.commit().await;
            kill_point("complete::committed");
            Ok(committed.map(|()| answers).map_err(db::Error::from)?)
        }
        Err(undone) => {
            // Dropping it would roll back only when the pool comes to it, and until then the halves of the batch would
            // find their rows locked.
            if let Err(why) = transaction.rollback().await {
                tracing::debug!(error = %why, "cannot roll back; the connection is closed instead");
            }
            Err(undone)
        }
    }
}

/// The constraint and its table as PostgreSQL names them; SQLite must be asked.
async fn referenced_by(db: &Db, table: &Table, key: &Key, refusal: Refusal) -> Result<String, db::Error> {
    if table.dialect == Dialect::Sqlite {
        let columns = references(&db.conn, table, key).await?;
        return Ok(if columns.is_empty() { "a foreign key".to_owned() } else { columns.join(", ") });
    }
    let table = refusal.table.map(|table| format!(" of table {table}")).unwrap_or_default();
    Ok(format!("{}{table}", refusal.constraint.unwrap_or_else(|| "a foreign key".to_owned())))
}
