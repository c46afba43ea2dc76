//! Whether the ledger has what this program needs.

use sexton_core::{
    db::Db,
    ledger::{Ledger, OpenError},
};
use sexton_migrations::Migrator;

/// Opens the ledger.
///
/// # Errors
/// [`OpenError`]: it is not there, or is that of an earlier release.
pub(crate) async fn open_ledger(db: &Db) -> Result<Ledger, OpenError> {
    let ledger = Ledger::open(db).await?;
    ledger.require(db, Migrator::names()).await?;
    Ok(ledger)
}
