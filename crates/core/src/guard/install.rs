//! Installing and removing guards: those of a resource in one transaction. It does not wait for long, because every
//! other writer of the table would wait behind it.

use std::time::Duration;

use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::{
    GuardState, Trigger,
    seen::{forget, remember},
    state::read_standing,
};
use crate::{
    db::{self},
    ledger::{Action, Ledger, Operator},
    store::Store,
};

/// How often the lock on the table is tried for, each time for as long as [`LOCK`] says.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(800);
/// The second is for others who install guards: a function cannot be created twice at once.
const LOCK: &str =
    "set local lock_timeout = '200ms'; select pg_advisory_xact_lock(hashtextextended('sexton guard', 0))";

/// Why nothing was installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Other transactions hold locks on the table.
    #[error(
        "{table} is busy: a transaction that is open has kept us from its lock for {TRIES} seconds; nothing was \
         changed, try again when it is over"
    )]
    Busy {
        /// The table.
        table: String,
    },
    /// The role may not.
    #[error(
        "the role may not do that ({why}). It needs the right TRIGGER on {table} and CREATE on the ledger's schema, \
         and it must own a guard that is there. Or let the owner of both run what `sexton guard --dry-run` prints"
    )]
    Denied {
        /// The table.
        table: String,
        /// What the database says.
        why: String,
    },
    /// The database does not answer, or refuses for another reason.
    #[error(transparent)]
    Database(#[from] db::Error),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum GuardChange {
    Install,
    Remove,
}

impl GuardChange {
    const fn action(self) -> Action {
        match self {
            Self::Install => Action::Guard,
            Self::Remove => Action::RemoveGuard,
        }
    }
}

/// Installs those of the guards that are not as they should be. Returns their names.
///
/// # Errors
/// [`InstallError`]; nothing was changed.
pub async fn install(
    store: &Store,
    resource: &str,
    triggers: &[Trigger],
    who: &str,
) -> Result<Vec<String>, InstallError> {
    change(store, resource, triggers, who, GuardChange::Install).await
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
    change(store, resource, triggers, who, GuardChange::Remove).await
}

async fn change(
    store: &Store,
    resource: &str,
    triggers: &[Trigger],
    who: &str,
    change: GuardChange,
) -> Result<Vec<String>, InstallError> {
    let table = || triggers.first().map(|trigger| trigger.on_table.clone()).unwrap_or_default();
    for _ in 0..TRIES {
        let transaction = store.db.begin().await?;
        let changed = async {
            let changed = change_all(&transaction, &store.ledger, resource, triggers, change).await?;
            if !changed.is_empty() {
                let detail = json!({ "resource": resource, "triggers": changed });
                let operator = Operator { who, reason: None };
                store.ledger.record_change(&transaction, change.action(), &operator, &detail).await?;
            }
            Ok::<_, db::Error>(changed)
        };
        let error = match changed.await {
            Ok(changed) => {
                transaction.commit().await.map_err(db::Error::from)?;
                return Ok(changed);
            }
            Err(error) => error,
        };
        transaction.rollback().await.map_err(db::Error::from)?;
        match error.refusal() {
            // Meanwhile those go on that wait behind the lock that we waited for.
            Some(refusal) if refusal.is_contention() => tokio::time::sleep(PAUSE).await,
            Some(refusal) if refusal.code == "42501" => {
                return Err(InstallError::Denied { table: table(), why: error.to_string() });
            }
            _ => return Err(error.into()),
        }
    }
    Err(InstallError::Busy { table: table() })
}

async fn change_all(
    transaction: &DatabaseTransaction,
    ledger: &Ledger,
    resource: &str,
    triggers: &[Trigger],
    change: GuardChange,
) -> Result<Vec<String>, db::Error> {
    if ledger.dialect.has_row_locks() {
        db::run_script(transaction, "lock guards", LOCK).await?;
    }
    let wanted = match change {
        GuardChange::Install => GuardState::Installed,
        GuardChange::Remove => GuardState::Missing,
    };
    let mut changed = Vec::new();
    for trigger in triggers {
        let state = read_standing(transaction, ledger, trigger).await?.state;
        if state == wanted {
            if change == GuardChange::Install {
                remember(transaction, ledger, resource, trigger).await?;
            }
            continue;
        }
        if state != GuardState::Missing {
            db::run_script(transaction, "drop a guard", &trigger.sql_drop).await?;
        }
        if change == GuardChange::Install {
            for sql in &trigger.sql_create {
                db::run_script(transaction, "create a guard", sql).await?;
            }
            remember(transaction, ledger, resource, trigger).await?;
        } else {
            forget(transaction, ledger, trigger).await?;
        }
        changed.push(trigger.name.clone());
    }
    Ok(changed)
}
