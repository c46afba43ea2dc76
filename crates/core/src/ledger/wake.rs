//! Telling workers that listen on the database that something is due.

use sea_orm::ConnectionTrait;

use crate::db::{self, Dialect};

/// The channel of PostgreSQL's LISTEN on which a notification, whatever it says, means "something may be due". It is the
/// same in every schema; one too many costs a worker a look into the ledger.
///
/// The commit of a transaction that has notified holds a lock which no two such transactions in a database have at once
/// (PostgreSQL's `PreCommit_Notify` in async.c), so that their commits happen one after another. Whoever pushes hints
/// should therefore not notify as well. A transaction that has notified cannot be prepared for a two-phase commit
/// (PREPARE TRANSACTION, "Notes").
pub const DUE_CHANNEL: &str = "sexton_due";

/// Wakes listening workers when the transaction commits. SQLite has nobody to tell: its workers look by themselves.
pub(crate) async fn notify(transaction: &impl ConnectionTrait, dialect: Dialect) -> Result<(), db::Error> {
    if dialect == Dialect::Postgres {
        let statement = dialect.statement("select pg_notify($1, '')", [DUE_CHANNEL.into()]);
        transaction.query_one_raw(statement).await?;
    }
    Ok(())
}
