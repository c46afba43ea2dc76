//! Hard delete: rows are deleted in the transaction in which the ledger completes their deletions.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
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

/// What became of one deletion of a batch. Deletions that the same error hit share it.
pub(crate) type HardDeleted = Result<HardDeleteOutcome, Arc<db::Error>>;

/// Once a batch took too long, each of its rows gets this part of the limit: those that need more are found, and the
/// others do not wait for them.
const PART_OF_LIMIT: u32 = 10;
/// The least limit: more than a lock is waited for, or a locked row would be taken for a slow one.
const LEAST_LIMIT: Duration = Duration::from_millis(200);

/// Completes a batch of deletions of rows of one table in one transaction. One result for each, in order.
///
/// * `limit`: how long a statement may take (PostgreSQL).
///
/// Whatever the database says of one row fails the whole transaction. Then halves are tried, so that one bad row fails
/// alone. A broken connection fails all of the batch, as it would fail the halves.
pub(crate) fn hard_delete<'a>(
    store: &'a Store,
    table: &'a Table,
    deletions: &'a [HardDelete],
    limit: Duration,
) -> BoxFuture<'a, Vec<HardDeleted>> {
    Box::pin(async move {
        let stopped = match in_transaction(store, table, deletions, limit).await {
            Ok(outcomes) => return outcomes.into_iter().map(Ok).collect(),
            Err(stopped) => stopped,
        };
        if let [deletion] = deletions {
            return vec![outcome_of_one(store, table, deletion, limit, stopped).await.map_err(Arc::new)];
        }
        let parts = match stopped {
            Stopped::Database(error) => match error.refusal() {
                None if !error.is_about_data() => {
                    let error = Arc::new(error);
                    return deletions.iter().map(|_| Err(Arc::clone(&error))).collect();
                }
                Some(refusal) if refusal.is_timeout() => {
                    tracing::debug!(
                        error = table.loggable_error(&error),
                        rows = deletions.len(),
                        "rows took too long; each is deleted alone"
                    );
                    return one_by_one(store, table, deletions, (limit / PART_OF_LIMIT).max(LEAST_LIMIT)).await;
                }
                _ => {
                    tracing::debug!(
                        error = table.loggable_error(&error),
                        rows = deletions.len(),
                        "rows were refused; trying halves"
                    );
                    deletions.split_at(deletions.len() / 2)
                }
            },
            Stopped::ManyChildren | Stopped::ChildRefused(_) | Stopped::RowRefused => {
                deletions.split_at(deletions.len() / 2)
            }
        };
        let mut results = hard_delete(store, table, parts.0, limit).await;
        results.extend(hard_delete(store, table, parts.1, limit).await);
        results
    })
}

async fn one_by_one(store: &Store, table: &Table, deletions: &[HardDelete], limit: Duration) -> Vec<HardDeleted> {
    let mut results = Vec::with_capacity(deletions.len());
    for deletion in deletions {
        results.extend(hard_delete(store, table, std::slice::from_ref(deletion), limit).await);
    }
    results
}

/// What stopped a transaction in which there was no other deletion.
async fn outcome_of_one(
    store: &Store,
    table: &Table,
    deletion: &HardDelete,
    limit: Duration,
    stopped: Stopped,
) -> Result<HardDeleteOutcome, db::Error> {
    match stopped {
        Stopped::Database(error) => match error.refusal() {
            Some(refusal) if refusal.is_foreign_key() => {
                let by = referenced_by(&store.db, table, &deletion.key, refusal).await?;
                Ok(HardDeleteOutcome::Referenced(by))
            }
            Some(refusal) if refusal.is_timeout() => Ok(HardDeleteOutcome::TooSlow(limit)),
            Some(refusal) if refusal.is_contention() => Ok(HardDeleteOutcome::Locked),
            _ => Err(error),
        },
        Stopped::ManyChildren => Ok(HardDeleteOutcome::ManyChildren),
        Stopped::ChildRefused(table) => Ok(HardDeleteOutcome::ChildRefused(table)),
        Stopped::RowRefused => Ok(HardDeleteOutcome::Refused),
    }
}

async fn in_transaction(
    store: &Store,
    table: &Table,
    deletions: &[HardDelete],
    limit: Duration,
) -> Result<Vec<HardDeleteOutcome>, Stopped> {
    let transaction = store.db.begin_on_rows().await?;
    let batch = Batch { transaction: &transaction, store, table, deletions, limit };
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
