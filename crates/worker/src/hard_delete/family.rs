//! The children of rows that are to be deleted: they go first, in the same transaction.

use sea_orm::{ConnectionTrait, DatabaseTransaction};
use sexton_core::{
    catalog::Table,
    children::{DeleteError, Root, Step, Tree, delete, delete_some},
    db::{self, Dialect, kill_point},
    guard::{begin_own, end_own},
    store::Store,
};

use super::{
    compare::{Now, select},
    removal::{Completion, LIMITS, Removal, Undone},
};

/// Most children that go in one transaction.
const MOST: usize = 1000;

/// Deletes the children of those rows that are about to be deleted or are gone already, as `answers` say; a row whose
/// children are not ready to go gets another answer. Returns for each row how many went with it.
pub(super) async fn remove_children(
    transaction: &DatabaseTransaction,
    store: &Store,
    table: &Table,
    batch: &[Removal],
    answers: &mut [Completion],
) -> Result<Vec<usize>, Undone> {
    let mut went = vec![0; batch.len()];
    let goes = |n: &usize| matches!(answers[*n], Completion::Refused | Completion::AlreadyGone) && batch[*n].delete;
    let places: Vec<usize> = (0..batch.len()).filter(goes).collect();
    if table.children.is_empty() || places.is_empty() {
        return Ok(went);
    }
    let roots: Vec<Root> = places.iter().map(|n| root(table, &batch[*n])).collect();
    let tree = Tree::find(transaction, store, &roots, MOST, true).await?;
    if tree.is_truncated() {
        return Err(Undone::Many);
    }
    let mut ready = vec![true; roots.len()];
    for (place, n) in places.iter().enumerate() {
        if tree.is_locked(place) {
            answers[*n] = Completion::Locked;
        } else if tree.has_unfinished(transaction, &store.ledger, place, batch[*n].id).await? {
            answers[*n] = Completion::ChildrenFirst;
        } else {
            went[*n] = tree.count(place);
            continue;
        }
        ready[place] = false;
    }
    match delete(transaction, &tree, &ready).await {
        Ok(roots) => {
            let gone = places.iter().zip(ready).filter(|(_, ready)| *ready && roots);
            for (n, _) in gone.filter(|(n, _)| answers[**n] == Completion::Refused).collect::<Vec<_>>() {
                answers[*n] = Completion::Deleted;
            }
            Ok(went)
        }
        Err(DeleteError::Kept(table)) => Err(Undone::Kept(table)),
        Err(DeleteError::Database(error)) => Err(error.into()),
    }
}

fn root(table: &Table, removal: &Removal) -> Root {
    Root { resource: table.name.clone(), key: removal.key.to_string(), values: removal.payload.clone() }
}

/// What deleting a part of very many children came to.
#[derive(Debug)]
pub(crate) enum Part {
    /// Some went; there may be more.
    Some(usize),
    /// Nothing is left that would have to go before the row.
    All,
    /// Not now, or not at all.
    Not(Completion),
}

/// Deletes a part of the children of one row that has very many, in a transaction of its own.
///
/// # Errors
/// Whatever the database says; nothing was changed then.
pub(crate) async fn remove_part(store: &Store, table: &Table, removal: &Removal) -> Result<Part, db::Error> {
    let transaction = store.db.begin().await?;
    let part = part(&transaction, store.db.dialect, store, table, removal).await;
    if let Ok(Part::Some(_)) = part {
        kill_point("children::before");
        transaction.commit().await?;
        kill_point("children::committed");
    } else {
        // Dropping it would roll back only when the pool comes to it, and the next step would find its rows locked.
        transaction.rollback().await?;
    }
    part
}

async fn part(
    transaction: &DatabaseTransaction,
    dialect: Dialect,
    store: &Store,
    table: &Table,
    removal: &Removal,
) -> Result<Part, db::Error> {
    if dialect == Dialect::Postgres {
        transaction.execute_unprepared(LIMITS).await?;
    }
    if store.ledger.lock_ours(transaction, &[(removal.id, removal.fence)]).await?.is_empty() {
        return Ok(Part::Not(Completion::Lost));
    }
    // A row that was un-removed meanwhile keeps its children.
    let captured = (&removal.key, removal.rule, &removal.payload);
    let now = match dialect {
        Dialect::Postgres => select(transaction, table, &[captured], "for update of t").await?.remove(&0),
        Dialect::Sqlite => super::compare::compare(transaction, table, &[captured]).await?.pop(),
    };
    match now {
        Some(Now::LiveAgain) => return Ok(Part::Not(Completion::LiveAgain)),
        Some(Now::Changed(now)) => return Ok(Part::Not(Completion::Changed(now))),
        Some(Now::Same | Now::Gone) | None => {}
    }
    let tables = if dialect == Dialect::Sqlite { store.catalog.tables_deleted_with(table) } else { Vec::new() };
    begin_own(transaction, &store.ledger, &tables).await?;
    let step = delete_some(transaction, store, (&root(table, removal), removal.id), MOST).await;
    end_own(transaction, &store.ledger, &tables).await?;
    match step {
        Ok(Step::Done) => Ok(Part::All),
        Ok(Step::Went(went)) => {
            store.ledger.count_children(transaction, removal.id, went).await?;
            Ok(Part::Some(went))
        }
        Ok(Step::Locked) => Ok(Part::Not(Completion::Locked)),
        Ok(Step::ChildrenFirst) => Ok(Part::Not(Completion::ChildrenFirst)),
        Err(DeleteError::Kept(table)) => Ok(Part::Not(Completion::ChildRefused(table))),
        Err(DeleteError::Database(error)) => Err(error),
    }
}
