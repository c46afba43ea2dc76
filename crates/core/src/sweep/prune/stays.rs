//! Which old entries must stay: the newest of a row that is still there with its marker.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Run;
use crate::{catalog::Table, db, key::Key, ledger::FinishedAt};

/// Marked rows that are hashed at once.
const PAGE: usize = 5000;

/// A finished deletion that is old enough.
pub(super) struct Entry {
    pub(super) finished: FinishedAt,
    pub(super) resource: String,
    pub(super) key: Option<String>,
    pub(super) key_hash: Option<String>,
    /// Whether it is the newest of its row and of a kind that leaves the row.
    pub(super) may_stay: bool,
}

impl Run<'_> {
    /// Whether `d` is the newest entry of its row; one that is open or dead is newer still. Scalar queries and no
    /// `exists`, which a planner that does not think of the limit answers by reading all open deletions into a hash.
    pub(super) fn newest(&self) -> String {
        let (deletion, done) = (&self.store.ledger.deletion, &self.store.ledger.done);
        let newer = |column: &str| {
            format!(
                "(select 1 from {done} n where n.resource = d.resource and n.{column} = d.{column}
                    and (n.finished_at, n.id) > (d.finished_at, d.id) limit 1) is null"
            )
        };
        let open =
            format!("(select 1 from {deletion} o where o.resource = d.resource and o.key = d.key limit 1) is null");
        format!("({} and {} and {open})", newer("key"), newer("key_hash"))
    }

    /// The ids of those entries whose row is still there with its marker. What cannot be told, because the resource is
    /// not configured any more or has another key, stays.
    pub(super) async fn staying(&self, candidates: &[&Entry]) -> Result<HashSet<String>, db::Error> {
        let mut by_resource: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in candidates {
            by_resource.entry(&entry.resource).or_default().push(entry);
        }
        let mut stay = HashSet::new();
        for (resource, entries) in by_resource {
            let Some(table) = self.store.catalog.by_name(resource) else {
                stay.extend(entries.into_iter().map(|entry| entry.finished.id.clone()));
                continue;
            };
            let (hashed, plain): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.key.is_none());
            stay.extend(self.plain(table, &plain).await?);
            if !hashed.is_empty() {
                stay.extend(self.hashed(table, &hashed).await?);
            }
        }
        Ok(stay)
    }

    async fn plain(&self, table: &Table, entries: &[&Entry]) -> Result<Vec<String>, db::Error> {
        let (mut of_key, mut stay): (HashMap<Key, String>, Vec<String>) = (HashMap::new(), Vec::new());
        for entry in entries {
            match entry.key.as_deref().map(|key| table.parse_key(key)) {
                Some(Ok(key)) => drop(of_key.insert(key, entry.finished.id.clone())),
                _ => stay.push(entry.finished.id.clone()),
            }
        }
        let keys: Vec<Key> = of_key.keys().cloned().collect();
        let marked = table.marked_among(&self.store.db.conn, &keys).await?;
        stay.extend(marked.iter().filter_map(|key| of_key.remove(key)));
        Ok(stay)
    }

    /// A hash does not tell its row, so the marked rows are gone through until each hash is found.
    async fn hashed(&self, table: &Table, entries: &[&Entry]) -> Result<Vec<String>, db::Error> {
        let ids = entries.iter().filter_map(|e| Some((e.key_hash.clone()?, e.finished.id.clone())));
        let mut wanted: HashMap<String, String> = ids.collect();
        let (mut stay, mut after) = (Vec::new(), None);
        let marked = table.marked("t");
        while !wanted.is_empty() {
            let (keys, next) = table.page(&self.store.db, &table.sql, &marked, after.as_ref(), PAGE).await?;
            let texts: Vec<_> = keys.iter().map(ToString::to_string).collect();
            let hashes = self.store.ledger.key_hashes(&self.store.db.conn, table.name.as_str(), &texts).await?;
            stay.extend(hashes.iter().filter_map(|hash| wanted.remove(hash)));
            if keys.len() < PAGE {
                break;
            }
            after = next;
        }
        Ok(stay)
    }
}
