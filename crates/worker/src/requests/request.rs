//! Requesting deletions: all of the rows, or none.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sexton_core::{
    catalog::Table,
    db::{self, kill_point},
    key::Key,
    soft_remove::{DeletionRequest, Requested, soft_remove},
    store::Store,
};

/// Why nothing was requested.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// Rows do not exist.
    #[error("{resource} has no row with the key {}; nothing was removed", .keys.join(", "))]
    Missing {
        /// The resource.
        resource: String,
        /// Their keys, in backquotes.
        keys: Vec<String>,
    },
    /// The database failed or refused.
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// Marks the rows with these keys and records their deletions, in a transaction that is committed when it returns.
///
/// Keys must differ from each other; the result is in their order. The caller pushes the hints.
///
/// # Errors
/// [`RequestError`]; nothing was changed.
pub(crate) async fn request_deletions(
    store: &Store,
    table: &Arc<Table>,
    keys: &[Key],
    request: &DeletionRequest,
) -> Result<Vec<Requested>, RequestError> {
    let transaction = store.db.begin_on_rows().await?;
    let mut requested = soft_remove(&transaction, store, table, keys, request).await?;
    let missing = missing_keys(keys, &requested);
    if !missing.is_empty() {
        transaction.rollback().await.map_err(db::Error::from)?;
        let keys = missing.iter().map(|key| format!("`{key}`")).collect();
        return Err(RequestError::Missing { resource: table.name.to_string(), keys });
    }
    kill_point("request::before");
    transaction.commit().await.map_err(db::Error::from)?;
    kill_point("request::committed");
    let positions: HashMap<_, _> = keys.iter().enumerate().map(|(n, key)| (key.to_string(), n)).collect();
    requested.sort_by_key(|one| positions.get(&one.key).copied().unwrap_or(usize::MAX));
    Ok(requested)
}

/// The keys without a row.
pub(crate) fn missing_keys(keys: &[Key], requested: &[Requested]) -> Vec<String> {
    let found: HashSet<_> = requested.iter().map(|one| one.key.as_str()).collect();
    keys.iter().map(ToString::to_string).filter(|key| !found.contains(key.as_str())).collect()
}
