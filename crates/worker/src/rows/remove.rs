//! Hard delete: the rows go in the same transaction in which the ledger completes their deletions.

use sea_orm::DbErr;
use sexton_core::{
    catalog::{Catalog, Table},
    db::{Db, Dialect, Refusal, kill_point, refusal},
    ids::{DeletionId, Fence},
    key::Key,
    ledger::{Confirmations, Ledger},
    template::Values,
};

use super::{postgres, references::references, sqlite};

/// A deletion all of whose targets confirmed, and the row that is to go (or to stay, marked).
#[derive(Debug, Clone)]
pub(crate) struct Removal {
    pub(crate) id: DeletionId,
    pub(crate) fence: Fence,
    pub(crate) key: Key,
    /// None if it was gone when its deletion was recorded.
    pub(crate) rule: Option<usize>,
    /// The captured columns with which the targets were called.
    pub(crate) payload: Values,
    pub(crate) confirmations: Confirmations,
    /// False for `then = "keep"`.
    pub(crate) delete: bool,
}

/// What it came to. Only the first three end the deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Completion {
    /// The row is gone, by us.
    Deleted,
    /// The row was gone already.
    AlreadyGone,
    /// The row stays, marked.
    Kept,
    /// Somebody holds a lock on the row.
    Locked,
    /// A captured column changed since the targets were called.
    Changed(Values),
    /// The row no longer carries the marker that we wrote.
    LiveAgain,
    /// The database kept the row without an error.
    Refused,
    /// Another row references it; the constraint and its table, as far as the database names them.
    Referenced(String),
    /// The database kept a child of this table without an error.
    ChildRefused(String),
    /// Children with deletions of their own are not finished.
    ChildrenFirst,
    /// There are more children than one transaction should delete.
    ManyChildren,
    /// The lease was lost: nothing was changed.
    Lost,
}

/// Why a batch was rolled back.
#[derive(Debug)]
pub(super) enum Undone {
    /// Whatever the database says.
    Database(DbErr),
    /// More children than one transaction should delete.
    Many,
    /// The database kept a child of this table without an error.
    Kept(String),
    /// The database kept a row without an error, after its children went.
    RowKept,
}

impl From<DbErr> for Undone {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

/// Completes a batch of removals from one table in one transaction. One answer for each, in order.
///
/// A foreign-key violation fails the whole transaction; for a single removal it is an answer, for a batch an error,
/// upon which the batcher tries halves.
///
/// # Errors
/// Whatever the database says; nothing was changed then.
pub(crate) async fn remove(
    db: &Db,
    ledger: &Ledger,
    catalog: &Catalog,
    table: &Table,
    batch: &[Removal],
) -> Result<Vec<Completion>, DbErr> {
    let undone = match in_transaction(db, ledger, catalog, table, batch).await {
        Ok(answers) => return Ok(answers),
        Err(undone) => undone,
    };
    match undone {
        Undone::Database(error) if batch.len() == 1 => match refusal(&error) {
            Some(refusal) if refusal.is_foreign_key() => {
                Ok(vec![Completion::Referenced(referenced_by(db, table, &batch[0].key, refusal).await?)])
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
            let mut answers = Box::pin(remove(db, ledger, catalog, table, first)).await?;
            answers.extend(Box::pin(remove(db, ledger, catalog, table, second)).await?);
            Ok(answers)
        }
    }
}

async fn in_transaction(
    db: &Db,
    ledger: &Ledger,
    catalog: &Catalog,
    table: &Table,
    batch: &[Removal],
) -> Result<Vec<Completion>, Undone> {
    let transaction = db.begin().await?;
    let done = match table.dialect {
        Dialect::Postgres => postgres::remove(&transaction, ledger, catalog, table, batch).await,
        Dialect::Sqlite => sqlite::remove(&transaction, ledger, catalog, table, batch).await,
    };
    match done {
        Ok(answers) => {
            kill_point("complete::before");
            let committed = transaction.commit().await;
            kill_point("complete::committed");
            Ok(committed.map(|()| answers)?)
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
async fn referenced_by(db: &Db, table: &Table, key: &Key, refusal: Refusal) -> Result<String, DbErr> {
    if table.dialect == Dialect::Sqlite {
        let columns = references(&db.conn, table, key).await?;
        return Ok(if columns.is_empty() { "a foreign key".to_owned() } else { columns.join(", ") });
    }
    let table = refusal.table.map(|table| format!(" of table {table}")).unwrap_or_default();
    Ok(format!("{}{table}", refusal.constraint.unwrap_or_else(|| "a foreign key".to_owned())))
}
