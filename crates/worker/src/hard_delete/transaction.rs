//! Hard delete: rows are deleted in the transaction in which the ledger completes their deletions.

use sexton_core::{
    catalog::Table,
    db::{self, Db, Dialect, Refusal, kill_point},
    key::Key,
    store::Store,
};

use super::{
    deletion::{Batch, HardDelete},
    outcome::{HardDeleteOutcome, Stopped},
    postgres,
    references::references,
    sqlite,
};

/// Completes a batch of deletions of rows of one table in one transaction. One outcome for each, in order.
///
/// A foreign-key violation fails the whole transaction. For a single deletion it is an outcome; for a batch it is an
/// error, upon which the batcher tries halves.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; nothing was changed then.
pub(crate) async fn hard_delete(
    store: &Store,
    table: &Table,
    deletions: &[HardDelete],
) -> Result<Vec<HardDeleteOutcome>, db::Error> {
    let stopped = match in_transaction(store, table, deletions).await {
        Ok(outcomes) => return Ok(outcomes),
        Err(stopped) => stopped,
    };
    match stopped {
        Stopped::Database(error) if deletions.len() == 1 => match error.refusal() {
            Some(refusal) if refusal.is_foreign_key() => {
                let by = referenced_by(&store.db, table, &deletions[0].key, refusal).await?;
                Ok(vec![HardDeleteOutcome::Referenced(by)])
            }
            Some(refusal) if refusal.is_contention() => Ok(vec![HardDeleteOutcome::Locked]),
            _ => Err(error),
        },
        Stopped::Database(error) => Err(error),
        Stopped::ManyChildren if deletions.len() == 1 => Ok(vec![HardDeleteOutcome::ManyChildren]),
        Stopped::ChildRefused(table) if deletions.len() == 1 => Ok(vec![HardDeleteOutcome::ChildRefused(table)]),
        Stopped::RowRefused if deletions.len() == 1 => Ok(vec![HardDeleteOutcome::Refused]),
        Stopped::ManyChildren | Stopped::ChildRefused(_) | Stopped::RowRefused => {
            let (first, second) = deletions.split_at(deletions.len() / 2);
            let mut outcomes = Box::pin(hard_delete(store, table, first)).await?;
            outcomes.extend(Box::pin(hard_delete(store, table, second)).await?);
            Ok(outcomes)
        }
    }
}

async fn in_transaction(
    store: &Store,
    table: &Table,
    deletions: &[HardDelete],
) -> Result<Vec<HardDeleteOutcome>, Stopped> {
    let transaction = store.db.begin_on_rows().await?;
    let batch = Batch { transaction: &transaction, store, table, deletions };
    let done = match table.dialect {
        Dialect::Postgres => postgres::hard_delete(&batch).await,
        Dialect::Sqlite => sqlite::hard_delete(&batch).await,
    };
    match done {
        Ok(outcomes) => {
            kill_point("complete::before");
            let committed = transaction.commit().await;
            kill_point("complete::committed");
            Ok(committed.map(|()| outcomes).map_err(db::Error::from)?)
        }
        Err(stopped) => {
            // A dropped transaction is rolled back only when the pool comes to it. Until then the halves of the batch
            // would find their rows locked.
            if let Err(why) = transaction.rollback().await {
                tracing::debug!(error = %why, "cannot roll back; the connection is closed instead");
            }
            Err(stopped)
        }
    }
}

/// The constraint and its table as PostgreSQL names them; SQLite must be asked.
async fn referenced_by(db: &Db, table: &Table, key: &Key, refusal: Refusal) -> Result<String, db::Error> {
    let unnamed = || "a foreign key".to_owned();
    Ok(match table.dialect {
        Dialect::Postgres => {
            let table = refusal.table.map(|table| format!(" of table {table}")).unwrap_or_default();
            format!("{}{table}", refusal.constraint.unwrap_or_else(unnamed))
        }
        Dialect::Sqlite => {
            let columns = references(&db.conn, table, key).await?;
            if columns.is_empty() { unnamed() } else { columns.join(", ") }
        }
    })
}
