//! Deletes some of the descendants of a row that has too many for one transaction.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;

use super::{
    Error,
    delete_rows::{ChildChange, change},
    descendants::RowToDelete,
    find::{Find, FoundChild, find_children, find_first_children},
    parent::Parent,
    unfinished::any_goes_before,
};
use crate::{
    catalog::{Catalog, ChildRule},
    config::ChildThen,
    db::RowLocks,
    ids::DeletionId,
    store::Store,
};

/// What became of a part of the descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedPart {
    /// This number were deleted, or reference no parent any more.
    Some(usize),
    /// None is left.
    NoneLeft,
    /// Another transaction has locked those that were to be deleted.
    Locked,
    /// Rows below them have deletions of their own that are not finished.
    ChildrenFirst,
}

/// Deletes at most `limit` of the descendants of the row of the deletion `id`: rows without children of their own.
///
/// # Errors
/// [`Error`]; the caller rolls back.
pub async fn delete_part(
    transaction: &impl ConnectionTrait,
    store: &Store,
    row: &RowToDelete,
    id: DeletionId,
    limit: usize,
) -> Result<DeletedPart, Error> {
    let mut parents = vec![Parent {
        label: row.resource.to_string(),
        resource: row.resource.to_string(),
        key: row.key.clone(),
        values: row.values.clone(),
    }];
    let mut seen: HashSet<(String, String)> = HashSet::new();
    let mut lowest: Option<(&ChildRule, Vec<Parent>)> = None;
    // Down to rows without children of their own, one table a level: the others have steps of their own.
    loop {
        let mut level: Option<(&ChildRule, Vec<FoundChild>)> = None;
        for (rule, of_rule) in rules(&store.catalog, &parents) {
            if rule.then == ChildThen::Request {
                // They would not be found any more once the rows that they reference are gone.
                let found = find_children(transaction, store, rule, &of_rule, RowLocks::None).await?;
                let unfinished: Vec<_> = found.iter().map(|row| row.deletion).collect();
                if any_goes_before(transaction, &store.ledger, id, &unfinished).await? {
                    return Ok(DeletedPart::ChildrenFirst);
                }
                continue;
            }
            let mut found = find_first_children(transaction, store, rule, &of_rule, limit).await?;
            if rule.then == ChildThen::Nullify {
                if !found.is_empty() {
                    let keys = distinct_keys(&found);
                    change(transaction, &rule.rows, &keys, ChildChange::Clear(rule)).await?;
                    return Ok(DeletedPart::Some(keys.len()));
                }
                continue;
            }
            found.retain(|row| seen.insert((rule.rows.sql.clone(), row.key.clone())));
            found.truncate(limit);
            if level.is_none() && !found.is_empty() {
                level = Some((rule, found));
            }
        }
        let Some((rule, found)) = level else { break };
        let resource = rule.resource.as_ref().map(ToString::to_string).unwrap_or_default();
        let as_parent = |row: &FoundChild| Parent {
            label: resource.clone(),
            resource: resource.clone(),
            key: row.key.clone(),
            values: row.values.clone(),
        };
        let children = found.iter().map(as_parent).collect();
        lowest = Some((rule, std::mem::replace(&mut parents, children)));
    }
    let Some((rule, above)) = lowest else { return Ok(DeletedPart::NoneLeft) };
    // Locked and read once more: one may have become the child of another row.
    let wanted: HashSet<_> = parents.iter().map(|parent| parent.key.as_str()).collect();
    let find = Find { store, rule, locks: RowLocks::SkipLocked, limit: Some(limit) };
    let mut found = find.run(transaction, &above).await?;
    found.retain(|row| wanted.contains(row.key.as_str()));
    if found.is_empty() {
        return Ok(DeletedPart::Locked);
    }
    let keys = distinct_keys(&found);
    change(transaction, &rule.rows, &keys, ChildChange::Delete).await?;
    Ok(DeletedPart::Some(keys.len()))
}

fn distinct_keys(found: &[FoundChild]) -> Vec<&str> {
    let mut keys: Vec<_> = found.iter().map(|row| row.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The rules for the children of these rows, each with those that it is for.
fn rules<'c>(catalog: &'c Catalog, parents: &[Parent]) -> Vec<(&'c ChildRule, Vec<Parent>)> {
    let mut rules = Vec::new();
    for table in catalog.tables() {
        let of_table: Vec<_> = parents.iter().filter(|p| p.resource == table.name.as_str()).cloned().collect();
        if !of_table.is_empty() {
            rules.extend(table.children.iter().map(|rule| (rule, of_table.clone())));
        }
    }
    rules
}
