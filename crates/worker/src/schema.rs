//! Whether the ledger has all that this program needs of it.

use sexton_core::{
    db::Db,
    ledger::{Ledger, OpenError},
};
use sexton_migrations::Migrator;

/// Finds the ledger.
///
/// # Errors
/// [`OpenError`]: it is not there, or that of an earlier release.
pub(crate) async fn open_ledger(db: &Db) -> Result<Ledger, OpenError> {
    let ledger = Ledger::open(db).await?;
    ledger.require(db, Migrator::names()).await?;
    Ok(ledger)
}
