//! Deleting twins again that are there although their deletion is completed.
//!
//! Whether a twin came back, or is that of a row that was made since, cannot be seen on it. So it is left alone unless all
//! that can be known speaks for the former: no row has the key, none has the values by which the twin is named, and the
//! deletion still knows everything that its target is asked with.

use super::{AskAgain, Completed};
use crate::{
    catalog::Table,
    config::{AfterConfirmation, Target},
    db::{self, Db, kill_point},
    ids::DeletionId,
    key::Key,
    store::Store,
    template::Values,
};

/// Who asks, in the ledger.
pub const BY: &str = "sexton sweep verify";

/// What became of the wish to delete twins again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// This deletion does it.
    TakenUp(DeletionId),
    /// The row has an open or dead deletion, or is about to have one.
    Open,
    /// It was deleted again already, and is there once more.
    Repeated,
    /// A row has the key, or values like those by which the twin is named: it may be its twin by now. Or it cannot be known
    /// whether one has, or how the target was asked; or a second call may do harm.
    Unknown,
}

impl Table {
    /// What is known of the row of a completed deletion: what it kept, and its key.
    #[must_use]
    pub fn known_of(&self, completed: &Completed) -> Values {
        let key = completed.key.as_deref().and_then(|key| self.parse_key(key).ok());
        let parts = key.iter().flat_map(|key| self.key.iter().zip(key.parts()));
        let of_key = parts.map(|((column, _), part)| (column.name.clone(), Some(part.clone())));
        completed.refs.clone().into_iter().chain(of_key).collect()
    }
}

/// Takes a completed deletion up again, so that a worker asks these targets of `table` once more and completes it anew.
///
/// # Errors
/// Whatever the database says; what it says of a lock or of the values is an [`Again`].
pub async fn delete_again(
    store: &Store,
    table: &Table,
    completed: &Completed,
    targets: &[&Target],
) -> Result<Again, db::Error> {
    let Some(key) = completed.key.as_deref().and_then(|key| table.parse_key(key).ok()) else {
        return Ok(Again::Unknown);
    };
    let values = table.known_of(completed);
    // One that was configured since took no part, and would be asked for the first time.
    let took_part = |target: &Target| completed.confirmations.contains_key(target.name.as_str());
    if !table.resource.targets.iter().all(took_part) {
        return Ok(Again::Unknown);
    }
    // What was deleted again and is there once more comes back from somewhere: that is for people to end.
    if completed.requested_by == BY {
        return Ok(Again::Repeated);
    }
    // Whoever must not be asked twice is for people to ask.
    if !targets.iter().all(|target| target.repeatable && knows_all(target, &values)) {
        return Ok(Again::Unknown);
    }
    if completed.kept {
        return Ok(Again::Unknown);
    }
    match has_owner(&store.db, table, &key, targets, &values).await {
        Ok(false) => take_up(store, table, completed, targets, &values).await,
        Ok(true) => Ok(Again::Unknown),
        Err(error) => refused(error, completed).map(|()| Again::Unknown),
    }
}

/// Whether the twin of a completed deletion, which is there, is another row's by now: one that has all the values that say
/// where it is. None if the table cannot be looked through, or not in time. A row that was kept has no other twin than it had.
///
/// # Errors
/// Whatever the database says, except of a lock, the time or the values.
pub async fn has_another_row(
    db: &Db,
    table: &Table,
    completed: &Completed,
    target: &Target,
) -> Result<Option<bool>, db::Error> {
    let values = table.known_of(completed);
    let columns = target.place_columns();
    let texts: Option<Vec<(&str, &str)>> =
        columns.iter().map(|column| Some((*column, values.get(*column)?.as_deref()?))).collect();
    let Some(texts) = texts.filter(|texts| !texts.is_empty() && !completed.kept) else { return Ok(Some(false)) };
    match table.has_values(db, &texts).await {
        Ok(has) => Ok(Some(has)),
        Err(error) => refused(error, completed).map(|()| None),
    }
}

/// What the database refuses leaves it unknown who has a twin.
fn refused(error: db::Error, completed: &Completed) -> Result<(), db::Error> {
    let Some(refusal) = error.refusal() else { return Err(error) };
    // Not the error: it may have values in it.
    let (code, id) = (refusal.code, completed.id);
    tracing::warn!(code, %id, "cannot tell whether a row has what deletion {id} had deleted");
    Ok(())
}

/// Whether the target can be asked as it was: a column that is not known must not be taken for one that is null.
fn knows_all(target: &Target, values: &Values) -> bool {
    target.columns().iter().all(|column| values.contains_key(column))
        && target.skip_when_null.iter().all(|column| values.get(column).is_some_and(Option::is_some))
}

/// Whether a row may have by now what would be deleted again at these targets: one that has the key, or values like those
/// that name a twin, in the call or in the look. Where nothing of the row names it, every row may have it. Asked anew before
/// each claim calls, since a row may have been made in the meantime.
///
/// # Errors
/// Whatever the database says, also that it took too long.
pub async fn has_owner(
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

async fn take_up(
    store: &Store,
    table: &Table,
    completed: &Completed,
    targets: &[&Target],
    values: &Values,
) -> Result<Again, db::Error> {
    let mut confirmed = completed.confirmations.clone();
    confirmed.retain(|name, _| !targets.iter().any(|target| target.name.as_str() == name));
    // The row is gone, so nothing is to be kept and nothing to be waited for.
    let deletes = (0..table.rules.len()).rev().find(|rule| table.then(*rule) == AfterConfirmation::Delete);
    let rule = deletes.unwrap_or_else(|| table.rules.len().saturating_sub(1));
    let lane = table.lane(|name| confirmed.contains_key(name));
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let reason = format!("the twin in {} was there again", names.join(", "));
    let again = AskAgain { completed, confirmed, values, lane, rule, by: BY, reason };
    let transaction = store.db.begin_giving_way().await?;
    match store.ledger.ask_again(&transaction, &again).await {
        Ok(id) => {
            kill_point("delete_again::before");
            transaction.commit().await?;
            kill_point("delete_again::committed");
            Ok(id.map_or(Again::Open, Again::TakenUp))
        }
        Err(error) => {
            transaction.rollback().await?;
            match error.refusal() {
                // Somebody is removing a row with this key at this moment.
                Some(refusal) if refusal.is_contention() => Ok(Again::Open),
                _ => Err(error),
            }
        }
    }
}
