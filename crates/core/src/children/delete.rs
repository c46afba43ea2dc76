//! Deleting children before their parents.

use std::collections::{BTreeMap, HashSet};

use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};

use super::{
    find::{Found, Parent, find},
    tree::{Root, Tree, wait_for_others},
};
use crate::{
    catalog::{Catalog, ChildRule, Rows},
    config::ChildThen,
    db::{self, Dialect, recordset},
    ids::DeletionId,
    store::Store,
};

/// Why children could not be deleted. Nothing may be committed then.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The database kept a row without an error: a trigger said no.
    #[error("{0} kept a row without an error")]
    Kept(String),
    /// Whatever the database says.
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// Deletes the rows that go with those roots that `goes` names, children before their parents, and lets the rows that
/// stay name them no longer. They were locked when they were found. Returns whether the roots went as well: rows that
/// name each other in a circle can only go in one statement (PostgreSQL).
///
/// # Errors
/// [`DeleteError`]; the caller rolls back.
pub async fn delete(transaction: &impl ConnectionTrait, tree: &Tree, goes: &[bool]) -> Result<bool, DeleteError> {
    let mut cleared: BTreeMap<String, (&ChildRule, HashSet<&str>)> = BTreeMap::new();
    for (rule, key) in tree.clearing(goes) {
        let of_rule = format!("{} {}", rule.rows.sql, rule.link.nullify("t"));
        cleared.entry(of_rule).or_insert_with(|| (rule, HashSet::new())).1.insert(key);
    }
    for (rule, keys) in cleared.into_values() {
        change(transaction, &rule.rows, &keys.into_iter().collect::<Vec<_>>(), Some(rule)).await?;
    }
    let mut groups: Vec<(usize, &Rows, Vec<&str>)> = Vec::new();
    for row in tree.going(goes) {
        let group = groups.iter_mut().find(|(height, rows, _)| *height == row.height && rows.sql == row.rows().sql);
        match group {
            Some((.., keys)) => keys.push(&row.key),
            None => groups.push((row.height, row.rows(), vec![&row.key])),
        }
    }
    if tree.has_circle() {
        match tree.roots.first().map(|(rows, _)| rows.dialect) {
            // Foreign keys are then looked at when the transaction commits (SQLite, "PRAGMA defer_foreign_keys").
            Some(Dialect::Sqlite) => {
                transaction.execute_unprepared("pragma defer_foreign_keys = on").await.map_err(db::Error::from)?;
            }
            _ => return delete_circle(transaction, tree, goes, groups).await,
        }
    }
    for (_, rows, keys) in groups {
        change(transaction, rows, &keys, None).await?;
    }
    Ok(false)
}

/// Everything in one statement, at whose end foreign keys are looked at (PostgreSQL).
async fn delete_circle(
    transaction: &impl ConnectionTrait,
    tree: &Tree,
    goes: &[bool],
    mut groups: Vec<(usize, &Rows, Vec<&str>)>,
) -> Result<bool, DeleteError> {
    for ((rows, key), _) in tree.roots.iter().zip(goes).filter(|(_, goes)| **goes) {
        match groups.iter_mut().find(|(_, known, _)| known.sql == rows.sql) {
            Some((.., keys)) => keys.push(key),
            None => groups.push((0, rows, vec![key])),
        }
    }
    let (mut queries, mut counts, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (n, (_, rows, keys)) in groups.iter().enumerate() {
        values.push(records(rows, keys).to_string().into());
        let (wanted, equals) = (recordset(n + 1, &rows.key_record()), rows.key_equals("t", "x"));
        queries.push(format!("gone{n} as (delete from {} t using {wanted} where {equals} returning 1)", rows.sql));
        counts.push(format!("(select count(*) from gone{n}) as n{n}"));
    }
    let sql = format!("with {} select {}", queries.join(", "), counts.join(", "));
    let Some(row) =
        transaction.query_one_raw(Dialect::Postgres.statement(sql, values)).await.map_err(db::Error::from)?
    else {
        return Ok(false);
    };
    for (n, (_, rows, keys)) in groups.iter().enumerate() {
        let gone: i64 = row.try_get("", &format!("n{n}")).map_err(db::Error::from)?;
        // A root may have been gone before.
        if usize::try_from(gone) != Ok(keys.len()) && any_left(transaction, rows, keys).await? {
            return Err(DeleteError::Kept(rows.sql.clone()));
        }
    }
    Ok(true)
}

async fn any_left(conn: &impl ConnectionTrait, rows: &Rows, keys: &[&str]) -> Result<bool, db::Error> {
    let (wanted, equals) = (recordset(1, &rows.key_record()), rows.key_equals("t", "x"));
    let sql = format!("select 1 from {} t join {wanted} on {equals} limit 1", rows.sql);
    let values = [records(rows, keys).to_string().into()];
    Ok(conn.query_one_raw(rows.dialect.statement(sql, values)).await?.is_some())
}

fn records(rows: &Rows, keys: &[&str]) -> Value {
    let record = |key: &&str| {
        let mut record = Map::new();
        rows.parse_key(key).ok()?.write(&mut record);
        Some(Value::Object(record))
    };
    keys.iter().filter_map(record).collect()
}

/// What deleting a part of very many rows came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many went, or name nobody any more.
    Went(usize),
    /// None is left.
    Done,
    /// Somebody holds locks on those that were to go.
    Locked,
    /// Rows below them have deletions of their own that are not finished.
    ChildrenFirst,
}

/// Deletes at most `limit` of the rows that go with the root of the deletion `id`, which has very many: rows without
/// children of their own.
///
/// # Errors
/// [`DeleteError`]; the caller rolls back.
pub async fn delete_some(
    transaction: &impl ConnectionTrait,
    store: &Store,
    (root, id): (&Root, DeletionId),
    limit: usize,
) -> Result<Step, DeleteError> {
    let parent = Parent {
        label: root.resource.to_string(),
        resource: root.resource.to_string(),
        key: root.key.clone(),
        values: root.values.clone(),
    };
    let mut parents = vec![parent];
    let mut seen: HashSet<(String, String)> = HashSet::new();
    let mut last: Vec<(&ChildRule, Vec<Parent>)> = Vec::new();
    loop {
        let mut level: Vec<(&ChildRule, Vec<Found>)> = Vec::new();
        for (rule, of_rule) in rules(&store.catalog, &parents) {
            if rule.then == ChildThen::Request {
                // Nothing would find them any more once the rows that they name are gone.
                let found = find(transaction, store, rule, &of_rule, false, None).await?;
                let unfinished: Vec<_> = found.iter().map(|one| one.deletion).collect();
                if wait_for_others(transaction, &store.ledger, id, &unfinished).await? {
                    return Ok(Step::ChildrenFirst);
                }
                continue;
            }
            let found = find(transaction, store, rule, &of_rule, false, Some(limit)).await?;
            if rule.then == ChildThen::Nullify && !found.is_empty() {
                let keys: Vec<_> = distinct(&found);
                change(transaction, &rule.rows, &keys, Some(rule)).await?;
                return Ok(Step::Went(keys.len()));
            }
            let new =
                |one: &Found| rule.then == ChildThen::Delete && seen.insert((rule.rows.sql.clone(), one.key.clone()));
            let mut found = found;
            found.retain(new);
            found.truncate(limit);
            if !found.is_empty() {
                level.push((rule, found));
            }
        }
        if level.is_empty() {
            break;
        }
        // One table is enough for a step; the others have theirs.
        let (rule, found) = level.swap_remove(0);
        let below = rule.resource.as_ref().map(ToString::to_string).unwrap_or_default();
        let of_found = |one: &Found| Parent {
            label: below.clone(),
            resource: below.clone(),
            key: one.key.clone(),
            values: one.values.clone(),
        };
        let children = found.iter().map(of_found).collect();
        last = vec![(rule, std::mem::replace(&mut parents, children))];
    }
    let Some((rule, above)) = last.pop() else { return Ok(Step::Done) };
    // Locked and looked at once more: one may have become somebody else's child.
    let wanted: HashSet<_> = parents.iter().map(|parent| parent.key.as_str()).collect();
    let mut found = find(transaction, store, rule, &above, true, Some(limit)).await?;
    found.retain(|one| wanted.contains(one.key.as_str()));
    if found.is_empty() {
        return Ok(Step::Locked);
    }
    let keys = distinct(&found);
    change(transaction, &rule.rows, &keys, None).await?;
    Ok(Step::Went(keys.len()))
}

fn distinct(found: &[Found]) -> Vec<&str> {
    let mut keys: Vec<_> = found.iter().map(|one| one.key.as_str()).collect();
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

/// Deletes the rows with these keys, or with a rule lets them name nobody by it.
async fn change(
    transaction: &impl ConnectionTrait,
    rows: &Rows,
    keys: &[&str],
    clear: Option<&ChildRule>,
) -> Result<(), DeleteError> {
    let done = match rows.dialect {
        Dialect::Postgres => {
            let (wanted, equals) = (recordset(1, &rows.key_record()), rows.key_equals("t", "x"));
            let sql = match clear {
                None => format!("delete from {} t using {wanted} where {equals}", rows.sql),
                Some(rule) => {
                    format!("update {} t set {} from {wanted} where {equals}", rows.sql, rule.link.nullify("t"))
                }
            };
            let values = [records(rows, keys).to_string().into()];
            transaction.execute_raw(rows.dialect.statement(sql, values)).await.map_err(db::Error::from)?.rows_affected()
        }
        Dialect::Sqlite => {
            let mut done = 0;
            for key in keys.iter().filter_map(|key| rows.parse_key(key).ok()) {
                let mut values = Vec::new();
                let matches = rows.key_matches("t", &key, &mut values);
                let sql = match clear {
                    None => format!("delete from {} as t where {matches}", rows.sql),
                    Some(rule) => format!("update {} as t set {} where {matches}", rows.sql, rule.link.nullify("t")),
                };
                done += transaction
                    .execute_raw(rows.dialect.statement(sql, values))
                    .await
                    .map_err(db::Error::from)?
                    .rows_affected();
            }
            done
        }
    };
    if usize::try_from(done).is_ok_and(|done| done == keys.len()) {
        Ok(())
    } else {
        Err(DeleteError::Kept(rows.sql.clone()))
    }
}
