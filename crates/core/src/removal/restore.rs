//! Taking a request back, as long as no external call was made.

use sea_orm::{ConnectionTrait, DbErr, QueryResult};

use crate::{
    catalog::{Catalog, Table},
    db::Dialect,
    ids::{BatchId, DeletionId},
    ledger::Ledger,
    state::Event,
};

/// A deletion that was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The deletion, now cancelled.
    pub id: DeletionId,
    /// Its resource.
    pub resource: String,
    /// The row's key.
    pub key: String,
    /// Whether the row is live again; false if it is gone, or no longer carried the marker that we wrote.
    pub row_restored: bool,
}

/// Why a deletion cannot be taken back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is none.
    #[error("there is no deletion {0}")]
    NotFound(DeletionId),
    /// It is too late.
    #[error("deletion {id} cannot be restored: {why}")]
    TooLate {
        /// The deletion.
        id: DeletionId,
        /// What happened to it.
        why: String,
    },
    /// Its resource is not configured here, so the row cannot be found.
    #[error("deletion {id} is of resource `{resource}`, which is not configured here")]
    UnknownResource {
        /// The deletion.
        id: DeletionId,
        /// Its resource.
        resource: String,
    },
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Takes back the deletion `id` within the caller's transaction: the ledger entry ends as cancelled, and the row gets
/// back what its marker column held before, if it still carries the marker that we wrote.
///
/// The row is locked first and the entry second, in the order in which phase 1 locks them. Claims lock the entry, too, so
/// that of a restore and a claim exactly one wins.
///
/// # Errors
/// [`RestoreError`]; the caller rolls back.
pub async fn restore(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    catalog: &Catalog,
    id: DeletionId,
) -> Result<Restored, RestoreError> {
    let d = ledger.dialect;
    let lock = if d == Dialect::Postgres { "for update" } else { "" };
    lock_row(transaction, ledger, catalog, id, lock).await?;
    let sql = format!(
        "select resource, key, marker_rule, marker_value, marker_before from {}
         where id = {} and state in ({}) and called_at is null {lock}",
        ledger.deletion,
        d.param(1, "uuid"),
        Event::Restored.sql_from(),
    );
    let Some(row) = transaction.query_one_raw(d.statement(sql, [id.to_string().into()])).await? else {
        return Err(refusal(transaction, ledger, id).await?);
    };
    let resource: String = row.try_get("", "resource")?;
    let key: String = row.try_get("", "key")?;
    let Some(table) = catalog.by_name(&resource) else { return Err(RestoreError::UnknownResource { id, resource }) };
    let row_restored = unmark(transaction, table, &key, &row).await?;
    ledger.cancel(transaction, &[id], Event::Restored).await?;
    Ok(Restored { id, resource, key, row_restored })
}

/// Takes back every deletion of a request that is not cancelled yet, within the caller's transaction: all or none.
/// Returns what was restored, in the order of the ids.
///
/// # Errors
/// [`RestoreError::TooLate`] with the first deletion that a worker has called for already, and the other errors of
/// [`restore`]; the caller rolls back. [`RestoreError::NotFound`] when the request has no deletion that is open.
pub async fn restore_batch(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    catalog: &Catalog,
    batch: BatchId,
) -> Result<Vec<Restored>, RestoreError> {
    let deletions = ledger.of_batch(transaction, batch).await?;
    if deletions.is_empty() {
        return Err(RestoreError::NotFound(batch));
    }
    let mut restored = Vec::with_capacity(deletions.len());
    for id in deletions {
        restored.push(restore(transaction, ledger, catalog, id).await?);
    }
    Ok(restored)
}

/// Locks the row of the deletion, if there is one.
async fn lock_row(
    transaction: &impl ConnectionTrait,
    ledger: &Ledger,
    catalog: &Catalog,
    id: DeletionId,
    lock: &str,
) -> Result<(), RestoreError> {
    let d = ledger.dialect;
    let sql = format!("select resource, key from {} where id = {}", ledger.deletion, d.param(1, "uuid"));
    let Some(row) = transaction.query_one_raw(d.statement(sql, [id.to_string().into()])).await? else {
        return Ok(());
    };
    let (resource, key): (String, String) = (row.try_get("", "resource")?, row.try_get("", "key")?);
    let Some(table) = catalog.by_name(&resource) else { return Err(RestoreError::UnknownResource { id, resource }) };
    let Ok(key) = table.parse_key(&key) else { return Ok(()) };
    let mut values = Vec::new();
    let matches = table.key_matches("t", &key, &mut values);
    let sql = format!("select 1 from {} t where {matches} {lock}", table.sql);
    transaction.query_all_raw(d.statement(sql, values)).await?;
    Ok(())
}

async fn unmark(
    transaction: &impl ConnectionTrait,
    table: &Table,
    key: &str,
    deletion: &QueryResult,
) -> Result<bool, DbErr> {
    let rule = deletion
        .try_get::<i16>("", "marker_rule")
        .map(i64::from)
        .or_else(|_| deletion.try_get::<i64>("", "marker_rule"))?;
    let Ok(key) = table.parse_key(key) else { return Ok(false) };
    let rule = usize::try_from(rule).unwrap_or_default();
    let Some(marker) = table.rules.get(rule) else { return Ok(false) };
    let mut values: Vec<sea_orm::Value> = vec![
        deletion.try_get::<Option<String>>("", "marker_before")?.into(),
        deletion.try_get::<Option<String>>("", "marker_value")?.into(),
    ];
    let matches = table.key_matches("t", &key, &mut values);
    let sql = format!(
        "update {} as t set {} where {matches} and {} is not distinct from {}",
        table.sql,
        table.unmark(&rule.to_string(), &table.dialect.param(1, "text")),
        marker.column.text("t"),
        table.dialect.param(2, "text"),
    );
    Ok(transaction.execute_raw(table.dialect.statement(sql, values)).await?.rows_affected() > 0)
}

/// Says why the deletion was not in a state to be restored.
async fn refusal(transaction: &impl ConnectionTrait, ledger: &Ledger, id: DeletionId) -> Result<RestoreError, DbErr> {
    let Some(record) = ledger.record(transaction, id).await? else { return Ok(RestoreError::NotFound(id)) };
    let why = match (record.state.as_str(), record.cancelled_by, record.called_at) {
        ("completed", _, _) => "it is completed".to_owned(),
        ("cancelled", by, _) => format!("it was {} already", by.unwrap_or_default()),
        (state, _, Some(at)) => format!("it is {state}, and the first external call was made at {at}"),
        (state, _, None) => format!("it is {state}"),
    };
    Ok(RestoreError::TooLate { id, why })
}
