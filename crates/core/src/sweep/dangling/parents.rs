//! Children whose parent is gone although they are still there: they arrived after it, or the rule is newer than its deletion.
//!
//! They are looked for from both sides: the children of what was completed lately, by the index on what names the parent;
//! and, for the back-catalogue, the parents that the children's table names, page by page in key order.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Gone;
use crate::{
    catalog::{ChildRule, Cursor, Paging, Table},
    children::{Parent, find},
    config::AfterConfirmation,
    db::{self, kill_point},
    ids::DeletionId,
    key::Key,
    store::Store,
    template::Values,
};

/// Children that are read at most to see whether there are any.
const LOOK: usize = 1000;

/// Who asks, in the ledger.
const BY: &str = "sexton sweep dangling";
const REASON: &str = "children were still there";

/// A page of a children's table.
#[derive(Debug)]
pub struct NamedParents {
    /// Rows that were looked at.
    pub looked: usize,
    /// Completed deletions of parents that they name and that are gone, those that finished since a while ago left out.
    pub gone: Vec<Gone>,
    /// Parents that they name, that are not there, and that no deletion speaks of: perhaps they never were.
    pub unknown: usize,
    /// Where to go on; none at the end of the table.
    pub next: Option<Cursor>,
}

/// Whether `rule` names the parents of `table` by their whole key, so that a child's value is a key.
#[must_use]
pub fn names_keys(table: &Table, rule: &ChildRule) -> bool {
    rule.scope.is_empty() && matches!(&table.key[..], [(column, _)] if column.name == rule.references.name)
}

/// The way of marking after which a row of `table` is deleted; none if rows are always kept, and their children with them.
fn deletes(table: &Table) -> Option<usize> {
    (0..table.rules.len()).rev().find(|rule| table.then(*rule) != AfterConfirmation::Keep)
}

/// Those of `gone` that still have children without deletions of their own. All are of the resource of `table`.
///
/// # Errors
/// Whatever the database says.
pub async fn with_children<'g>(
    store: &Store,
    table: &Table,
    gone: &'g [Gone],
) -> Result<Vec<(&'g Gone, Values)>, db::Error> {
    if deletes(table).is_none() {
        return Ok(Vec::new());
    }
    // A row that was made anew under the key has children of its own.
    let keys: HashMap<&str, Key> =
        gone.iter().filter_map(|one| Some((one.key.as_str(), table.parse_key(&one.key).ok()?))).collect();
    let all: Vec<Key> = keys.values().cloned().collect();
    let there: HashSet<Key> = table.existing(&store.db.conn, &all).await?.into_iter().collect();
    let texts: Vec<String> = gone.iter().map(|one| one.key.clone()).collect();
    let open = store.ledger.open_among(&store.db, &table.name, &texts).await?;
    let candidates = gone.iter().enumerate().filter_map(|(n, one)| {
        let key = keys.get(one.key.as_str()).filter(|key| !there.contains(*key) && !open.contains(&one.key))?;
        Some((n, one, values(table, one, key)))
    });
    let candidates: Vec<(usize, &Gone, Values)> = candidates.collect();
    let parents: Vec<Parent> = candidates
        .iter()
        .map(|(n, one, values)| Parent {
            label: n.to_string(),
            resource: table.name.to_string(),
            key: one.key.clone(),
            values: values.clone(),
        })
        .collect();
    let mut found = BTreeSet::new();
    if !parents.is_empty() {
        for rule in &table.children {
            let children = find(&store.db.conn, store, rule, &parents, false, Some(LOOK)).await?;
            // One that has a deletion of its own, open or dead, is on its way or for on-call to look at.
            found.extend(children.into_iter().filter(|child| child.deletion.is_none()).map(|child| child.label));
        }
    }
    let with = candidates.into_iter().filter(|(n, ..)| found.contains(&n.to_string()));
    Ok(with.map(|(_, one, values)| (one, values)).collect())
}

/// The columns by which children name a row that is gone, as far as its deletion kept them.
fn values(table: &Table, gone: &Gone, key: &Key) -> Values {
    let of_key = table.key.iter().zip(key.parts()).map(|((column, _), part)| (column.name.clone(), Some(part.clone())));
    let all: Values = gone.refs.clone().into_iter().chain(of_key).collect();
    table.links(&all)
}

/// Looks at the next `limit` rows of the table of `rule`, which [names keys](names_keys) of `table`. Deletions that finished
/// since `since` (as the database writes times) are left to [`with_children`].
///
/// # Errors
/// Whatever the database says.
pub async fn named_parents(
    store: &Store,
    table: &Table,
    rule: &ChildRule,
    since: &str,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<NamedParents, db::Error> {
    let by: Vec<usize> = (0..rule.rows.key.len()).collect();
    let paging = Paging { rows: &rule.rows, by: &by };
    let page = paging.next_rows(&store.db, &[(rule.named("t"), "named")], after, limit).await?;
    let mut keys = HashSet::new();
    for (_, row) in &page.rows {
        let named: Option<String> = row.try_get("", "named")?;
        keys.extend(named.and_then(|named| table.parse_key(&named).ok()));
    }
    let all: Vec<Key> = keys.iter().cloned().collect();
    for there in table.existing(&store.db.conn, &all).await? {
        keys.remove(&there);
    }
    let missing: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let gone = if missing.is_empty() {
        Vec::new()
    } else {
        store.ledger.gone_among(&store.db, &table.name, &missing, since).await?
    };
    let known: HashSet<&str> = gone.iter().map(|(one, _)| one.key.as_str()).collect();
    let unknown = missing.iter().filter(|key| !known.contains(key.as_str())).count();
    let gone = gone.iter().filter(|(_, recent)| !recent).map(|(one, _)| one.clone()).collect();
    Ok(NamedParents { looked: page.rows.len(), unknown, next: page.next, gone })
}

/// Takes the deletion of a parent up again, so that a worker deals with its children by their rules. None if it has an open
/// or dead one already, or is about to.
///
/// # Errors
/// Whatever the database says.
pub async fn take_up_again(
    store: &Store,
    table: &Table,
    gone: &Gone,
    values: &Values,
) -> Result<Option<DeletionId>, db::Error> {
    let Some(rule) = deletes(table) else { return Ok(None) };
    let transaction = store.db.begin_giving_way().await?;
    match store.ledger.take_up_again(&transaction, gone, values, rule, BY, REASON).await {
        Ok(id) => {
            kill_point("take_up_again::before");
            transaction.commit().await?;
            Ok(id)
        }
        Err(error) => {
            transaction.rollback().await?;
            match error.refusal() {
                // Somebody is removing a row with this key at this moment.
                Some(refusal) if refusal.is_contention() => Ok(None),
                _ => Err(error),
            }
        }
    }
}
