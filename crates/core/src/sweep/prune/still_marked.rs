//! Which old entries must stay: the newest of a row that is still there with its marker.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Run;
use crate::{
    catalog::Table,
    db::{self, NextPage, Row},
    key::Key,
    ledger::FinishedAt,
};

/// Marked rows that are hashed at once.
const PAGE: usize = 5000;

/// A finished deletion that is old enough.
pub(super) struct OldEntry {
    pub(super) finished: FinishedAt,
    pub(super) resource: String,
    pub(super) key: Option<String>,
    pub(super) key_hash: Option<String>,
    /// Whether it is the newest of its row and of a kind that leaves the row.
    pub(super) may_be_marked: bool,
}

/// Whether the row of the finished deletion `d` may still be there with its marker: it was kept, or the deletion was
/// taken back or given up.
pub(super) const MAY_LEAVE_ROW: &str =
    "(d.row_outcome = {row_outcome:Kept} or d.cancelled_by in ({cancellation:Discarded}, {cancellation:Restored}))";

/// Whether the finished deletion `d` is the newest of its row; one that is open or dead is newer still. Scalar queries
/// and no `exists`, which a planner that does not think of the limit answers by reading all open deletions into a hash.
pub(super) const IS_NEWEST: &str = "(
    (
        select 1 from {done} n
        where n.resource = d.resource and n.key = d.key and (n.finished_at, n.id) > (d.finished_at, d.id)
        limit 1
    ) is null
    and (
        select 1 from {done} n
        where n.resource = d.resource and n.key_hash = d.key_hash and (n.finished_at, n.id) > (d.finished_at, d.id)
        limit 1
    ) is null
    and (select 1 from {deletion} o where o.resource = d.resource and o.key = d.key limit 1) is null
)";

impl OldEntry {
    pub(super) fn read(row: &Row) -> Result<Self, db::Error> {
        Ok(Self {
            finished: FinishedAt::read(row)?,
            resource: row.get("resource")?,
            key: row.get("key")?,
            key_hash: row.get("key_hash")?,
            may_be_marked: row.get("may_be_marked")?,
        })
    }
}

impl Run<'_> {
    /// The ids of those entries whose row is still there with its marker. What cannot be told, because the resource is
    /// not configured any more or has another key, stays.
    pub(super) async fn still_marked(&self, candidates: &[&OldEntry]) -> Result<HashSet<String>, db::Error> {
        let mut by_resource: BTreeMap<&str, Vec<&OldEntry>> = BTreeMap::new();
        for entry in candidates {
            by_resource.entry(&entry.resource).or_default().push(entry);
        }
        let mut still_marked = HashSet::new();
        for (resource, entries) in by_resource {
            let Some(table) = self.store.catalog.by_name(resource) else {
                still_marked.extend(entries.into_iter().map(|entry| entry.finished.id.clone()));
                continue;
            };
            let (hashed, plain): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key.is_none());
            still_marked.extend(self.still_marked_by_key(table, &plain).await?);
            if !hashed.is_empty() {
                still_marked.extend(self.still_marked_by_hash(table, &hashed).await?);
            }
        }
        Ok(still_marked)
    }

    async fn still_marked_by_key(&self, table: &Table, entries: &[&OldEntry]) -> Result<Vec<String>, db::Error> {
        let (mut of_key, mut still_marked): (HashMap<Key, String>, Vec<String>) = (HashMap::new(), Vec::new());
        for entry in entries {
            match entry.key.as_deref().map(|key| table.parse_key(key)) {
                Some(Ok(key)) => drop(of_key.insert(key, entry.finished.id.clone())),
                _ => still_marked.push(entry.finished.id.clone()),
            }
        }
        let keys: Vec<Key> = of_key.keys().cloned().collect();
        let marked = table.marked_among(&self.store.db.conn, &keys).await?;
        still_marked.extend(marked.iter().filter_map(|key| of_key.remove(key)));
        Ok(still_marked)
    }

    /// A hash does not tell its row, so the marked rows are gone through until each hash is found.
    async fn still_marked_by_hash(&self, table: &Table, entries: &[&OldEntry]) -> Result<Vec<String>, db::Error> {
        let ids = entries.iter().filter_map(|e| Some((e.key_hash.clone()?, e.finished.id.clone())));
        let mut wanted: HashMap<String, String> = ids.collect();
        let (mut still_marked, mut after) = (Vec::new(), None);
        let marked = table.marked("t");
        while !wanted.is_empty() {
            let page = NextPage { after: after.as_ref(), limit: PAGE };
            let (keys, next) = table.page(&self.store.db, &table.sql, &marked, page).await?;
            let texts: Vec<_> = keys.iter().map(ToString::to_string).collect();
            let hashes = self.store.ledger.key_hashes(&self.store.db.conn, table.name.as_str(), &texts).await?;
            still_marked.extend(hashes.iter().filter_map(|hash| wanted.remove(hash)));
            if keys.len() < PAGE {
                break;
            }
            after = next;
        }
        Ok(still_marked)
    }
}
