//! Installing and removing guards: those of a resource in one transaction, which does not wait for long, because
//! everybody else who writes to the table would wait behind it.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde_json::json;

use super::{State, Trigger, state::state};
use crate::{
    db::{self, Dialect},
    ledger::Ledger,
    store::Store,
};

/// How often the lock on the table is tried for, each time for as long as [`LOCK`] says.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(800);
/// The second is for those who do the same: a function cannot be created twice at once.
const LOCK: &str =
    "set local lock_timeout = '200ms'; select pg_advisory_xact_lock(hashtextextended('sexton guard', 0))";

/// Why nothing was installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Somebody holds locks on the table.
    #[error(
        "{table} is busy: a transaction that is open has kept us from its lock for {TRIES} seconds; nothing was changed, \
             try again when it is over"
    )]
    Busy {
        /// The table.
        table: String,
    },
    /// The role may not.
    #[error(
        "the role may not do that ({why}): it needs the right TRIGGER on {table} and CREATE on the ledger's schema, and to own \
             a guard that is there; or let the owner of both run what `sexton guard --dry-run` prints"
    )]
    Denied {
        /// The table.
        table: String,
        /// What the database says.
        why: String,
    },
    /// Whatever the database says.
    #[error("the database failed: {0}")]
    Database(#[from] db::Error),
}

/// Installs those of the guards that are missing, outdated or disabled. Returns their names.
///
/// # Errors
/// [`InstallError`]; nothing was changed.
pub async fn install(
    store: &Store,
    resource: &str,
    triggers: &[Trigger],
    who: &str,
) -> Result<Vec<String>, InstallError> {
    change(store, (resource, triggers), who, true).await
}

/// Removes those of the guards that are there. Returns their names.
///
/// # Errors
/// [`InstallError`]; nothing was changed.
pub async fn remove(
    store: &Store,
    resource: &str,
    triggers: &[Trigger],
    who: &str,
) -> Result<Vec<String>, InstallError> {
    change(store, (resource, triggers), who, false).await
}

async fn change(
    store: &Store,
    (resource, triggers): (&str, &[Trigger]),
    who: &str,
    wanted: bool,
) -> Result<Vec<String>, InstallError> {
    let table = || triggers.first().map(|trigger| trigger.on_table.clone()).unwrap_or_default();
    for _ in 0..TRIES {
        let transaction = store.db.begin().await?;
        let error = match in_transaction(&transaction, &store.ledger, (resource, triggers), who, wanted).await {
            Ok(changed) => {
                transaction.commit().await.map_err(db::Error::from)?;
                return Ok(changed);
            }
            Err(error) => error,
        };
        transaction.rollback().await.map_err(db::Error::from)?;
        match error.refusal() {
            // Whoever waits behind a lock that is waited for goes on meanwhile.
            Some(refusal) if refusal.is_contention() => tokio::time::sleep(PAUSE).await,
            Some(refusal) if refusal.code == "42501" => {
                return Err(InstallError::Denied { table: table(), why: error.to_string() });
            }
            _ => return Err(error.into()),
        }
    }
    Err(InstallError::Busy { table: table() })
}

async fn in_transaction(
    transaction: &DatabaseTransaction,
    ledger: &Ledger,
    (resource, triggers): (&str, &[Trigger]),
    who: &str,
    wanted: bool,
) -> Result<Vec<String>, db::Error> {
    if ledger.dialect == Dialect::Postgres {
        transaction.execute_unprepared(LOCK).await?;
    }
    let mut changed = Vec::new();
    for trigger in triggers {
        let state = state(transaction, ledger, trigger).await?;
        if state == if wanted { State::Installed } else { State::Missing } {
            continue;
        }
        if state != State::Missing {
            transaction.execute_unprepared(&trigger.sql_drop).await?;
        }
        if wanted {
            for sql in &trigger.sql_create {
                transaction.execute_unprepared(sql).await?;
            }
        }
        changed.push(trigger.name.clone());
    }
    if !changed.is_empty() {
        let action = if wanted { "guard" } else { "remove_guard" };
        ledger.record_change(transaction, who, action, &json!({ "resource": resource, "triggers": changed })).await?;
    }
    Ok(changed)
}
