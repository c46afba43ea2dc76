//! Children whose parent is gone although they are still there: they arrived after it, or the rule is newer than its
//! deletion.
//!
//! They are looked for from both sides:
//! * the children of rows that were deleted lately, by the index on what names the parent;
//! * for the back-catalogue, the parents that the children's table names, page by page in key order.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{CompletedParent, ParentReopening};
use crate::{
    catalog::{ChildRule, Cursor, Paging, Table},
    children::{Parent, find_first_children},
    config::AfterConfirmation,
    db::{self, NextPage, kill_point},
    ids::DeletionId,
    key::Key,
    store::Store,
    template::Values,
};

/// How many children are read at most to see whether there are any.
const MOST_CHILDREN: usize = 1000;

/// Who requests the new deletion, in the ledger.
const BY: &str = "sexton sweep dangling";
const REASON: &str = "children were still there";

/// A parent's table, and the rule by which rows of another table are children of its rows.
#[derive(Debug, Clone, Copy)]
pub struct ParentLink<'l> {
    /// The parents.
    pub table: &'l Table,
    /// Their children.
    pub rule: &'l ChildRule,
}

/// The parents that a page of a children's table names and that are not there.
#[derive(Debug)]
pub struct MissingParents {
    /// Children that were read.
    pub rows_read: usize,
    /// Completed deletions of such parents, unless they finished lately.
    pub gone: Vec<CompletedParent>,
    /// How many of the parents have no deletion: perhaps they never were.
    pub unknown: usize,
    /// Where the next page begins; none at the end of the table.
    pub next: Option<Cursor>,
}

impl ParentLink<'_> {
    /// Whether children name a parent by its whole key, so that a child's value is a key.
    #[must_use]
    pub fn is_by_key(&self) -> bool {
        let Self { table, rule } = self;
        rule.scope.is_empty() && matches!(&table.key[..], [(column, _)] if column.name == rule.references.name)
    }
}

/// The marker rule after which a row of `table` is deleted; none if rows are always kept, and their children with them.
fn deleting_rule(table: &Table) -> Option<usize> {
    (0..table.rules.len()).rev().find(|rule| table.then(*rule) != AfterConfirmation::Keep)
}

/// Those of `gone` that still have children without deletions of their own. All are of the resource of `table`.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses.
pub async fn gone_with_children<'g>(
    store: &Store,
    table: &Table,
    gone: &'g [CompletedParent],
) -> Result<Vec<(&'g CompletedParent, Values)>, db::Error> {
    if deleting_rule(table).is_none() {
        return Ok(Vec::new());
    }
    // A row that was made anew under the key has children of its own.
    let keys: HashMap<&str, Key> =
        gone.iter().filter_map(|one| Some((one.key.as_str(), table.parse_key(&one.key).ok()?))).collect();
    let all: Vec<Key> = keys.values().cloned().collect();
    let there: HashSet<Key> = table.existing(&store.db.conn, &all).await?.into_iter().collect();
    let texts: Vec<String> = gone.iter().map(|one| one.key.clone()).collect();
    let open = store.ledger.keys_with_open_deletions(&store.db, &table.name, &texts).await?;
    let candidates = gone.iter().enumerate().filter_map(|(n, one)| {
        let key = keys.get(one.key.as_str()).filter(|key| !there.contains(*key) && !open.contains(&one.key))?;
        Some((n, one, values(table, one, key)))
    });
    let candidates: Vec<(usize, &CompletedParent, Values)> = candidates.collect();
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
            let children = find_first_children(&store.db.conn, store, rule, &parents, MOST_CHILDREN).await?;
            // A child with a deletion of its own, open or dead, is on its way or for on-call to look at.
            found.extend(children.into_iter().filter(|child| child.deletion.is_none()).map(|child| child.label));
        }
    }
    let with = candidates.into_iter().filter(|(n, ..)| found.contains(&n.to_string()));
    Ok(with.map(|(_, one, values)| (one, values)).collect())
}

/// The columns by which children name a row that is gone, as far as its deletion kept them.
fn values(table: &Table, gone: &CompletedParent, key: &Key) -> Values {
    let of_key = table.key.iter().zip(key.parts()).map(|((column, _), part)| (column.name.clone(), Some(part.clone())));
    let all: Values = gone.refs.clone().into_iter().chain(of_key).collect();
    table.links(&all)
}

/// Reads the next children by a link that [is by key](ParentLink::is_by_key), and finds the parents that they
/// name and that are not there. Deletions that finished since `since` (as the database writes times) are left to
/// [`gone_with_children`].
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses, also when the table has been locked for 100 ms.
pub async fn missing_parents(
    store: &Store,
    link: ParentLink<'_>,
    since: &str,
    page: NextPage<'_, Cursor>,
) -> Result<MissingParents, db::Error> {
    let ParentLink { table, rule } = link;
    let by: Vec<usize> = (0..rule.rows.key.len()).collect();
    let paging = Paging { rows: &rule.rows, by: &by };
    let page = paging.next_rows(&store.db, &[(rule.named("t"), "named")], page).await?;
    let mut keys = HashSet::new();
    for (_, row) in &page.rows {
        let named: Option<String> = row.get("named")?;
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
        store.ledger.completed_parents_with_keys(&store.db, &table.name, &missing, since).await?
    };
    let known: HashSet<&str> = gone.iter().map(|(one, _)| one.key.as_str()).collect();
    let unknown = missing.iter().filter(|key| !known.contains(key.as_str())).count();
    let gone = gone.iter().filter(|(_, recent)| !recent).map(|(one, _)| one.clone()).collect();
    Ok(MissingParents { rows_read: page.rows.len(), unknown, next: page.next, gone })
}

/// Records another deletion of a parent that is gone, so that a worker deals with its children by their rules. None if
/// the parent has an open or dead deletion, or is about to have one.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses; nothing changed then.
pub async fn redelete_parent(
    store: &Store,
    table: &Table,
    gone: &CompletedParent,
    values: &Values,
) -> Result<Option<DeletionId>, db::Error> {
    let Some(rule) = deleting_rule(table) else { return Ok(None) };
    let transaction = store.db.begin_giving_way().await?;
    let reopening = ParentReopening { parent: gone, values, rule, by: BY, reason: REASON };
    match store.ledger.reopen_parent(&transaction, &reopening).await {
        Ok(id) => {
            kill_point("redelete_parent::before");
            transaction.commit().await?;
            Ok(id)
        }
        Err(error) => {
            transaction.rollback().await?;
            match error.refusal() {
                // Another transaction is removing a row with this key at this moment.
                Some(refusal) if refusal.is_contention() => Ok(None),
                _ => Err(error),
            }
        }
    }
}
