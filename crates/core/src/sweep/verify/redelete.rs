//! Deleting twins once more that are there although their deletion is completed.
//!
//! It cannot be seen on a twin whether it came back or belongs to a row that was made since. So nothing is done about
//! it unless everything speaks for the former:
//! * no row has the key;
//! * no row has the values by which the twin is named;
//! * the deletion still knows all values of the request to its target.

use super::{Completed, RedeletionRequest};
use crate::{
    catalog::Table,
    config::{AfterConfirmation, Target},
    db::{self, Db, kill_point},
    ids::DeletionId,
    key::Key,
    store::Store,
    template::Values,
};

/// Who requests the new deletion, in the ledger.
pub const BY: &str = "sexton sweep verify";

/// What became of the request to delete twins once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeletion {
    /// This deletion does it.
    Recorded(DeletionId),
    /// The row has an open or dead deletion, or is about to have one.
    AlreadyOpen,
    /// The twin was deleted once more before, and came back again: people have to find out why.
    Recurring,
    /// Nothing was done, because it may do harm:
    /// * a row has the key, or values like those by which the twin is named, or this cannot be known;
    /// * it is not known with which values the target was called;
    /// * a target is not repeatable.
    Unsure,
}

impl Table {
    /// What is known of the row of a completed deletion: what the deletion kept of it, and its key.
    #[must_use]
    pub fn known_values(&self, completed: &Completed) -> Values {
        self.values_with(completed, self.key_of(completed).as_ref())
    }

    /// The row's key, if the deletion kept it and it is one of this table.
    fn key_of(&self, completed: &Completed) -> Option<Key> {
        completed.key.as_deref().and_then(|key| self.parse_key(key).ok())
    }

    fn values_with(&self, completed: &Completed, key: Option<&Key>) -> Values {
        let parts = key.into_iter().flat_map(|key| self.key.iter().zip(key.parts()));
        let of_key = parts.map(|((column, _), part)| (column.name.clone(), Some(part.clone())));
        completed.refs.clone().into_iter().chain(of_key).collect()
    }
}

/// Records another deletion of the row of a completed one, so that a worker calls these targets of `table` once more.
///
/// # Errors
/// [`db::Error`] when the database does not answer; a lock or values that it refuses are a [`Redeletion`].
pub async fn redelete(
    store: &Store,
    table: &Table,
    completed: &Completed,
    targets: &[&Target],
) -> Result<Redeletion, db::Error> {
    let Some(key) = table.key_of(completed) else {
        return Ok(Redeletion::Unsure);
    };
    let values = table.values_with(completed, Some(&key));
    // A target that was configured since would be called for the first time.
    let took_part = |target: &Target| completed.confirmations.contains_key(target.name.as_str());
    if !table.resource.targets.iter().all(took_part) {
        return Ok(Redeletion::Unsure);
    }
    // A twin that came back after this comes from somewhere: people have to end that.
    if completed.requested_by == BY {
        return Ok(Redeletion::Recurring);
    }
    if !targets.iter().all(|target| target.repeatable && knows_all(target, &values)) {
        return Ok(Redeletion::Unsure);
    }
    if completed.kept {
        return Ok(Redeletion::Unsure);
    }
    match may_belong_to_row(&store.db, table, &key, targets, &values).await {
        Ok(false) => record(store, table, completed, targets, &values).await,
        Ok(true) => Ok(Redeletion::Unsure),
        Err(error) => refused(error, completed).map(|()| Redeletion::Unsure),
    }
}

/// Whether another row owns the twin by now: a row with all values that name the twin. None if the table cannot be
/// searched in time. False for a row that was kept: it has the twin that it had.
///
/// # Errors
/// [`db::Error`] when the database does not answer; a lock, the time or values that it refuses give none.
pub async fn belongs_to_another_row(
    db: &Db,
    table: &Table,
    completed: &Completed,
    target: &Target,
) -> Result<Option<bool>, db::Error> {
    let values = table.known_values(completed);
    let columns = target.look_columns();
    let texts: Option<Vec<(&str, &str)>> =
        columns.iter().map(|column| Some((*column, values.get(*column)?.as_deref()?))).collect();
    let Some(texts) = texts.filter(|texts| !texts.is_empty() && !completed.kept) else { return Ok(Some(false)) };
    match table.has_values(db, &texts).await {
        Ok(has) => Ok(Some(has)),
        Err(error) => refused(error, completed).map(|()| None),
    }
}

/// What the database refuses leaves it unknown to which row a twin belongs.
fn refused(error: db::Error, completed: &Completed) -> Result<(), db::Error> {
    let Some(refusal) = error.refusal() else { return Err(error) };
    // Not the error: it may have values in it.
    let (code, id) = (refusal.code, completed.id);
    tracing::warn!(code, %id, "cannot tell whether a row has what deletion {id} had deleted");
    Ok(())
}

/// Whether the target can be called as it was: a column that is not known must not be taken for one that is null.
fn knows_all(target: &Target, values: &Values) -> bool {
    target.columns().iter().all(|column| values.contains_key(column))
        && target.skip_when_null.iter().all(|column| values.get(column).is_some_and(Option::is_some))
}

/// Whether what would be deleted at these targets may belong to a row by now. Such a row has the key, or values like
/// those that name a twin in the call or in the look. Where nothing of the row names the twin, it may be that of every
/// row. Asked anew before each call, since a row may have been made in the meantime.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses, also when it took too long.
pub async fn may_belong_to_row(
    db: &Db,
    table: &Table,
    key: &Key,
    targets: &[&Target],
    values: &Values,
) -> Result<bool, db::Error> {
    if table.has_row(db, key).await? {
        return Ok(true);
    }
    for columns in targets.iter().flat_map(|target| target.twin_columns()) {
        let texts: Vec<(&str, &str)> =
            columns.iter().filter_map(|column| Some((*column, values.get(*column)?.as_deref()?))).collect();
        if table.has_values(db, &texts).await? || table.has_values_alike(db, &texts).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn record(
    store: &Store,
    table: &Table,
    completed: &Completed,
    targets: &[&Target],
    values: &Values,
) -> Result<Redeletion, db::Error> {
    let mut confirmed = completed.confirmations.clone();
    confirmed.retain(|name, _| !targets.iter().any(|target| target.name.as_str() == name));
    // The row is gone: there is nothing to keep and nothing to wait for.
    let deletes = (0..table.rules.len()).rev().find(|rule| table.then(*rule) == AfterConfirmation::Delete);
    let rule = deletes.unwrap_or_else(|| table.rules.len().saturating_sub(1));
    let lane = table.lane(|name| confirmed.contains_key(name));
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let reason = format!("the twin in {} was there again", names.join(", "));
    let request = RedeletionRequest { completed, confirmed, values, lane, rule, by: BY, reason };
    let transaction = store.db.begin_giving_way().await?;
    match store.ledger.record_redeletion(&transaction, &request).await {
        Ok(id) => {
            kill_point("redelete::before");
            transaction.commit().await?;
            kill_point("redelete::committed");
            Ok(id.map_or(Redeletion::AlreadyOpen, Redeletion::Recorded))
        }
        Err(error) => {
            transaction.rollback().await?;
            match error.refusal() {
                // Another transaction is removing a row with this key at this moment.
                Some(refusal) if refusal.is_contention() => Ok(Redeletion::AlreadyOpen),
                _ => Err(error),
            }
        }
    }
}
