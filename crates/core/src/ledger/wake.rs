//! Telling workers that listen on the database that something is due.

use sea_orm::ConnectionTrait;

use super::Ledger;
use crate::db::{self, Sql, Words};

/// The channel of PostgreSQL's LISTEN on which a notification, whatever it says, means "something may be due". It is
/// the same in every schema; one too many costs a worker a look into the ledger.
///
/// The commit of a transaction that has notified holds a lock which no two such transactions in a database have at once
/// (PostgreSQL's `PreCommit_Notify` in async.c), so that their commits happen one after another. A producer that pushes
/// hints should therefore not notify as well. A transaction that has notified cannot be prepared for a two-phase commit
/// (PREPARE TRANSACTION, "Notes").
pub const DUE_CHANNEL: &str = "sexton_due";

#[derive(Debug)]
pub(super) struct Statements {
    notify: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        Self { notify: words.render("-- notify workers\nselect pg_notify(@channel, '')") }
    }
}

impl Ledger {
    /// Wakes listening workers when the transaction commits. On SQLite nothing listens: workers look by themselves.
    pub(crate) async fn notify(&self, transaction: &impl ConnectionTrait) -> Result<(), db::Error> {
        if self.dialect.has_notifications() {
            self.sql.wake.notify.bind([("channel", DUE_CHANNEL.into())]).one(transaction).await?;
        }
        Ok(())
    }
}
