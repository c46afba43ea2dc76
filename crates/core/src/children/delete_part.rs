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
use crate::{catalog::ChildRule, config::ChildThen, db::RowLocks, ids::DeletionId, store::Store};

/// What became of a part of the descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedPart {
    /// This number were deleted, maybe none yet: the way down goes on with the next part.
    Some(usize),
    /// None is left.
    NoneLeft,
    /// Those that are left reference each other in a circle, or have such rows below them: none can go before the
    /// others.
    Circle,
    /// Another transaction has locked those that were to be deleted.
    Locked,
    /// Rows below them have deletions of their own that are not finished.
    ChildrenFirst,
}

/// A row by its table and key.
type Identity = (String, String);

/// The way down from a row to descendants without children of their own, which go first. It is kept from one part to
/// the next: looked for anew, a chain of rows would take the square of its length.
#[derive(Debug)]
pub struct WayDown<'s> {
    store: &'s Store,
    /// The row itself, and the levels below it; each has children of the one before.
    root: Vec<Parent>,
    levels: Vec<Level<'s>>,
    /// The rows on the way.
    on_way: HashSet<Identity>,
    /// Rows that reference each other in a circle as far as this pass can tell, and those above them.
    in_circle: HashSet<Identity>,
    /// Whether rows went since these were noted.
    deleted_in_pass: bool,
    /// Whether rows went in the part before.
    deleted_before: bool,
}

/// A way of at most so many levels is looked for anew in each part, so that rows that moved to another parent between two
/// parts stay, with all that is below them.
const SHALLOW: usize = 16;

/// Rows of one table that were found by one rule.
#[derive(Debug)]
struct Level<'s> {
    rule: &'s ChildRule,
    rows: Vec<Parent>,
}

/// What is below the lowest level.
enum Below<'s> {
    Level(Level<'s>),
    /// Rows that stay, and referenced the level; now they do not.
    Cleared(usize),
    ChildrenFirst,
    /// Nothing but rows in a circle. These rows of the level, by their numbers, are above such.
    Nothing(HashSet<usize>),
}

impl<'s> WayDown<'s> {
    /// Begins at a row, which itself stays.
    #[must_use]
    pub fn new(store: &'s Store, row: &RowToDelete) -> Self {
        let root = Parent {
            label: "0".to_owned(),
            resource: row.resource.to_string(),
            key: row.key.clone(),
            values: row.values.clone(),
        };
        let mut way = Self {
            store,
            root: vec![root],
            levels: Vec::new(),
            on_way: HashSet::new(),
            in_circle: HashSet::new(),
            deleted_in_pass: false,
            deleted_before: false,
        };
        way.return_to_root();
        way
    }

    fn return_to_root(&mut self) {
        self.levels.clear();
        self.on_way.clear();
        for row in &self.root {
            if let Some(table) = self.store.catalog.by_name(&row.resource) {
                self.on_way.insert((table.rows.sql.clone(), row.key.clone()));
            }
        }
    }

    /// Deletes descendants of the row of the deletion `id`: rows without children of their own. One part reads and
    /// deletes about `limit` rows.
    ///
    /// # Errors
    /// [`Error`]; the caller rolls back, and begins with a new way.
    pub async fn delete_part(
        &mut self,
        transaction: &impl ConnectionTrait,
        id: DeletionId,
        limit: usize,
    ) -> Result<DeletedPart, Error> {
        if std::mem::take(&mut self.deleted_before) && self.levels.len() <= SHALLOW {
            self.return_to_root();
        }
        let (mut deleted, mut cleared, mut steps) = (0, 0, 0);
        let stopped = loop {
            if steps >= limit {
                break DeletedPart::Some(deleted);
            }
            steps += 1;
            match self.look(transaction, id, limit).await? {
                Below::Level(level) => self.go_down(level),
                Below::Cleared(rows) => {
                    cleared += rows;
                    steps += rows;
                }
                Below::ChildrenFirst => break DeletedPart::ChildrenFirst,
                Below::Nothing(above_circle) => match self.levels.last() {
                    None if self.in_circle.is_empty() => break DeletedPart::NoneLeft,
                    // They may have waited for rows that are gone by now. In a circle nothing goes.
                    None if std::mem::take(&mut self.deleted_in_pass) => self.in_circle.clear(),
                    None => break DeletedPart::Circle,
                    Some(level) => {
                        let free = level.rows.iter().enumerate().filter(|(n, _)| !above_circle.contains(n));
                        let free: HashSet<_> = free.map(|(_, row)| row.key.clone()).collect();
                        let went = self.delete_lowest(transaction, &free, limit).await?;
                        if went == 0 && !free.is_empty() {
                            break DeletedPart::Locked;
                        }
                        deleted += went;
                        steps += went;
                        self.deleted_in_pass |= went > 0;
                        self.go_up(&above_circle);
                    }
                },
            }
        };
        self.deleted_before = deleted > 0;
        // What was changed is to be committed; the next part comes to what stopped this one.
        Ok(if deleted + cleared > 0 { DeletedPart::Some(deleted) } else { stopped })
    }

    /// Looks for children of the lowest level. The first rule with any decides: the others have steps of their own.
    async fn look(&self, transaction: &impl ConnectionTrait, id: DeletionId, limit: usize) -> Result<Below<'s>, Error> {
        let store = self.store;
        let parents = self.levels.last().map_or(&self.root, |level| &level.rows);
        let resource = parents.first().map_or("", |parent| &parent.resource);
        let mut above_circle = HashSet::new();
        for rule in store.catalog.by_name(resource).map_or(&[][..], |table| &table.children) {
            if rule.then == ChildThen::Request {
                // They would not be found any more once the rows that they reference are gone.
                let found = find_children(transaction, store, rule, parents, RowLocks::None).await?;
                let unfinished: Vec<_> = found.iter().map(|row| row.deletion).collect();
                if any_goes_before(transaction, &store.ledger, id, &unfinished).await? {
                    return Ok(Below::ChildrenFirst);
                }
                continue;
            }
            // Rows in a circle are found each time, and must not hide the others.
            let limit = limit + self.in_circle.len();
            let mut found = find_first_children(transaction, store, rule, parents, limit).await?;
            if rule.then == ChildThen::Nullify {
                if !found.is_empty() {
                    let keys = distinct_keys(&found);
                    change(transaction, &rule.rows, &keys, ChildChange::Clear(rule)).await?;
                    return Ok(Below::Cleared(keys.len()));
                }
                continue;
            }
            let identity = |row: &FoundChild| (rule.rows.sql.clone(), row.key.clone());
            let is_circular =
                |row: &FoundChild| self.on_way.contains(&identity(row)) || self.in_circle.contains(&identity(row));
            above_circle.extend(found.iter().filter(|row| is_circular(row)).filter_map(|row| number(&row.label)));
            found.retain(|row| !is_circular(row));
            found.truncate(limit);
            if !found.is_empty() {
                return Ok(Below::Level(level(rule, found)));
            }
        }
        Ok(Below::Nothing(above_circle))
    }

    fn go_down(&mut self, level: Level<'s>) {
        let identities = level.rows.iter().map(|row| (level.rule.rows.sql.clone(), row.key.clone()));
        self.on_way.extend(identities);
        self.levels.push(level);
    }

    /// Leaves the lowest level, of which these rows stay.
    fn go_up(&mut self, above_circle: &HashSet<usize>) {
        let Some(level) = self.levels.pop() else { return };
        for (n, row) in level.rows.into_iter().enumerate() {
            let identity = (level.rule.rows.sql.clone(), row.key);
            self.on_way.remove(&identity);
            if above_circle.contains(&n) {
                self.in_circle.insert(identity);
            }
        }
    }

    /// Deletes rows of the lowest level by their keys. They are locked and read once more: one may have become the
    /// child of another row. Returns how many went.
    async fn delete_lowest(
        &self,
        transaction: &impl ConnectionTrait,
        keys: &HashSet<String>,
        limit: usize,
    ) -> Result<usize, Error> {
        let Some((Level { rule, .. }, above)) = self.levels.split_last().filter(|_| !keys.is_empty()) else {
            return Ok(0);
        };
        let parents = above.last().map_or(&self.root, |level| &level.rows);
        let limit = Some(limit + self.in_circle.len());
        let find = Find { store: self.store, rule, locks: RowLocks::SkipLocked, limit };
        let mut found = find.run(transaction, parents).await?;
        found.retain(|row| keys.contains(&row.key));
        if found.is_empty() {
            return Ok(0);
        }
        let keys = distinct_keys(&found);
        change(transaction, &rule.rows, &keys, ChildChange::Delete).await?;
        Ok(keys.len())
    }
}

/// The rows, each once, as parents whose label is their number.
fn level(rule: &ChildRule, found: Vec<FoundChild>) -> Level<'_> {
    let resource = rule.resource.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut seen = HashSet::new();
    let distinct = found.into_iter().filter(|row| seen.insert(row.key.clone())).enumerate();
    let as_parent = |(n, row): (usize, FoundChild)| Parent {
        label: n.to_string(),
        resource: resource.clone(),
        key: row.key,
        values: row.values,
    };
    let rows = distinct.map(as_parent).collect();
    Level { rule, rows }
}

fn number(label: &str) -> Option<usize> {
    label.parse().ok()
}

fn distinct_keys(found: &[FoundChild]) -> Vec<&str> {
    let mut keys: Vec<_> = found.iter().map(|row| row.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
