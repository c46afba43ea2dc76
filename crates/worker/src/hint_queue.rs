//! The queue through which hints at deletions of one ledger travel.

use secrecy::ExposeSecret;
use sexton_core::{config::Queue, db::Db, ledger::Ledger, transport::HintQueue};

use crate::daemon::StartError;

/// The queue of this configuration for this ledger, if it has one. Redis need not be up.
///
/// # Errors
/// [`StartError::Queue`] when the URL or the name is wrong, [`StartError::Database`] when the database does not answer.
pub(crate) async fn hint_queue(config: &Queue, db: &Db, ledger: &Ledger) -> Result<Option<HintQueue>, StartError> {
    let Some(url) = &config.url else { return Ok(None) };
    let queue = HintQueue::new(url.expose_secret(), &config.name)?;
    Ok(Some(queue.of_ledger(&ledger.identity(db).await?)))
}
