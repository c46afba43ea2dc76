//! All rows that go with some rows, to any depth, and in which order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::ConnectionTrait;

use super::find::{Found, Parent, find};
use crate::{
    catalog::{Catalog, ChildRule, Rows},
    config::ChildThen,
    db::{self, Dialect},
    ids::{DeletionId, ResourceName},
    ledger::Ledger,
    state::State,
    store::Store,
    template::Values,
};

/// A row that is to be deleted.
#[derive(Debug, Clone)]
pub struct Root {
    /// Its resource.
    pub resource: ResourceName,
    /// Its key.
    pub key: String,
    /// Its captured columns.
    pub values: Values,
}

/// A row that goes with another, or is changed when it goes.
#[derive(Debug)]
pub(super) struct Relative {
    /// The rule by which it was found.
    pub(super) rule: ChildRule,
    /// Its key.
    pub(super) key: String,
    /// Longest way to a row without children of its own.
    pub(super) height: usize,
    pub(super) values: Values,
    children: Vec<usize>,
}

/// The relatives of some roots.
#[derive(Debug, Default)]
pub struct Tree {
    /// Rows that are deleted with their parents.
    pub(super) rows: Vec<Relative>,
    /// Rows that stay and are to name their parent no longer, with its place.
    cleared: Vec<(Place, ChildRule, String)>,
    /// For each root: the rows that go with it, directly or not.
    reach: Vec<BTreeSet<usize>>,
    /// For each root: children whose own deletions come first.
    unfinished: Vec<Vec<Unfinished>>,
    /// For each root: whether somebody holds a lock on a row that goes with it.
    locked: Vec<bool>,
    /// Whether there are more rows than were asked for.
    truncated: bool,
    /// Whether rows name each other in a circle: none can go before the others.
    circle: bool,
    /// The roots' rows and keys.
    pub(super) roots: Vec<(Rows, String)>,
}

/// A child whose deletion must be finished before its parent's, with that deletion if there is one.
pub type Unfinished = Option<(DeletionId, State)>;

/// Where a row is in the tree: a root, or a relative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    Root(usize),
    Row(usize),
}

/// What a search has come to so far.
struct Search<'s> {
    roots: &'s [Root],
    tree: Tree,
    /// Rows by table and key.
    places: HashMap<(String, String), Place>,
    /// Children of each root, besides those that [`Relative`] remembers.
    of_roots: Vec<Vec<usize>>,
    /// Roots that are children themselves, by the place of the parent.
    roots_below: BTreeMap<Place, BTreeSet<usize>>,
    /// Places of rows whose children were found to be locked, or to have deletions of their own.
    locked: BTreeSet<Place>,
    unfinished: BTreeMap<Place, Vec<Unfinished>>,
}

impl Tree {
    /// Finds the relatives of `roots`, level by level, until there are more than `limit`; with `lock` they are locked.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn find(
        conn: &impl ConnectionTrait,
        store: &Store,
        roots: &[Root],
        limit: usize,
        lock: bool,
    ) -> Result<Self, db::Error> {
        let mut search = Search::new(&store.catalog, roots);
        let mut open: Vec<Place> = (0..roots.len()).map(Place::Root).collect();
        while !open.is_empty() && !search.tree.truncated {
            let mut next = Vec::new();
            for (resource, places) in search.by_resource(&open) {
                let Some(table) = store.catalog.table(&resource) else { continue };
                let parents: Vec<Parent> =
                    places.iter().enumerate().map(|(n, place)| search.parent(n, *place, &resource)).collect();
                for rule in &table.children {
                    let (found, locked) = reading(conn, store, rule, &parents, lock).await?;
                    let place = |label: &str| label.parse::<usize>().ok().and_then(|n| places.get(n).copied());
                    search.locked.extend(locked.iter().filter_map(|label| place(label)));
                    for one in found {
                        let Some(parent) = place(&one.label) else { continue };
                        next.extend(search.add(parent, rule, one));
                    }
                }
            }
            search.tree.truncated = search.tree.rows.len() + search.tree.cleared.len() > limit;
            open = next;
        }
        Ok(search.finish())
    }

    /// How many rows go with the root, directly or not.
    #[must_use]
    pub fn count(&self, root: usize) -> usize {
        self.reach.get(root).map_or(0, BTreeSet::len)
    }

    /// Whether somebody holds a lock on a row that goes with the root.
    #[must_use]
    pub fn is_locked(&self, root: usize) -> bool {
        self.locked.get(root).copied().unwrap_or_default()
    }

    /// The children of the root, or of rows that go with it, that have deletions of their own to finish.
    #[must_use]
    pub fn unfinished(&self, root: usize) -> &[Unfinished] {
        self.unfinished.get(root).map_or(&[], Vec::as_slice)
    }

    /// Whether the root has children with deletions to finish first, other than its own `id` and those that wait for it:
    /// where rows name each other in a circle, the one that was requested first goes last.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn has_unfinished(
        &self,
        conn: &impl ConnectionTrait,
        ledger: &Ledger,
        root: usize,
        id: DeletionId,
    ) -> Result<bool, db::Error> {
        wait_for_others(conn, ledger, id, self.unfinished(root)).await
    }

    /// Whether there are more rows than the limit: what was found is not all.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Whether rows name each other in a circle, so that they must go in one statement, the roots as well.
    pub(super) const fn has_circle(&self) -> bool {
        self.circle
    }

    /// The rows that go with those roots that `goes` names, each once, children before their parents.
    pub(super) fn going(&self, goes: &[bool]) -> Vec<&Relative> {
        let mut rows: Vec<_> = self.reached(goes).into_iter().map(|row| &self.rows[row]).collect();
        rows.sort_by_key(|row| row.height);
        rows
    }

    /// The rows that stay when those roots go, and are to name their parents no longer.
    pub(super) fn clearing<'t>(&'t self, goes: &'t [bool]) -> impl Iterator<Item = (&'t ChildRule, &'t str)> {
        let reached = self.reached(goes);
        let gone = move |place: &Place| match place {
            Place::Root(root) => goes[*root],
            Place::Row(row) => reached.contains(row),
        };
        self.cleared.iter().filter(move |(place, ..)| gone(place)).map(|(_, rule, key)| (rule, key.as_str()))
    }

    fn reached(&self, goes: &[bool]) -> BTreeSet<usize> {
        let roots = self.reach.iter().zip(goes).filter(|(_, goes)| **goes);
        roots.flat_map(|(reach, _)| reach.iter().copied()).collect()
    }
}

/// Whether any of these children is neither the deletion `id` itself nor waiting for it.
pub(super) async fn wait_for_others(
    conn: &impl ConnectionTrait,
    ledger: &Ledger,
    id: DeletionId,
    unfinished: &[Unfinished],
) -> Result<bool, db::Error> {
    if unfinished.is_empty() {
        return Ok(false);
    }
    let waiting = ledger.waiting_for(conn, id).await?;
    Ok(unfinished.iter().any(|child| child.is_none_or(|(child, _)| child != id && !waiting.contains(&child))))
}

/// Children as they are now, with `lock` locked; and the labels of parents some of whose children are locked by somebody else.
async fn reading(
    conn: &impl ConnectionTrait,
    store: &Store,
    rule: &ChildRule,
    parents: &[Parent],
    lock: bool,
) -> Result<(Vec<Found>, Vec<String>), db::Error> {
    let there = find(conn, store, rule, parents, false, None).await?;
    // Those that have deletions of their own are only waited for.
    if !lock || there.is_empty() || rule.then == ChildThen::Request || rule.rows.dialect == Dialect::Sqlite {
        return Ok((there, Vec::new()));
    }
    let locked = find(conn, store, rule, parents, true, None).await?;
    let ours: BTreeSet<_> = locked.iter().map(|one| (&one.label, &one.key)).collect();
    let missing = there.iter().filter(|one| !ours.contains(&(&one.label, &one.key)));
    let missing = missing.map(|one| one.label.clone()).collect();
    Ok((locked, missing))
}

impl<'s> Search<'s> {
    fn new(catalog: &Catalog, roots: &'s [Root]) -> Self {
        let mut tree = Tree::default();
        let mut places = HashMap::new();
        for (n, root) in roots.iter().enumerate() {
            if let Some(table) = catalog.table(&root.resource) {
                tree.roots.push((table.rows.clone(), root.key.clone()));
                places.insert((table.sql.clone(), root.key.clone()), Place::Root(n));
            }
        }
        Self {
            roots,
            tree,
            places,
            of_roots: vec![Vec::new(); roots.len()],
            roots_below: BTreeMap::new(),
            locked: BTreeSet::new(),
            unfinished: BTreeMap::new(),
        }
    }

    fn resource(&self, place: Place) -> Option<&ResourceName> {
        match place {
            Place::Root(n) => Some(&self.roots[n].resource),
            Place::Row(n) => self.tree.rows[n].rule.resource.as_ref(),
        }
    }

    fn by_resource(&self, places: &[Place]) -> BTreeMap<ResourceName, Vec<Place>> {
        let mut by_resource: BTreeMap<ResourceName, Vec<Place>> = BTreeMap::new();
        for place in places {
            if let Some(resource) = self.resource(*place) {
                by_resource.entry(resource.clone()).or_default().push(*place);
            }
        }
        by_resource
    }

    fn parent(&self, n: usize, place: Place, resource: &ResourceName) -> Parent {
        let (key, values) = match place {
            Place::Root(n) => (&self.roots[n].key, &self.roots[n].values),
            Place::Row(n) => (&self.tree.rows[n].key, &self.tree.rows[n].values),
        };
        Parent { label: n.to_string(), resource: resource.to_string(), key: key.clone(), values: values.clone() }
    }

    /// Takes in a row that was found; returns its place if its own children are to be looked for.
    fn add(&mut self, parent: Place, rule: &ChildRule, found: Found) -> Option<Place> {
        match rule.then {
            ChildThen::Request => {
                self.unfinished.entry(parent).or_default().push(found.deletion);
                None
            }
            ChildThen::Nullify => {
                self.tree.cleared.push((parent, rule.clone(), found.key));
                None
            }
            ChildThen::Delete => {
                let at = (rule.rows.sql.clone(), found.key.clone());
                let (place, new) = match self.places.get(&at) {
                    Some(place) => (*place, false),
                    None => {
                        let place = Place::Row(self.tree.rows.len());
                        self.tree.rows.push(Relative {
                            rule: rule.clone(),
                            key: found.key,
                            height: 0,
                            values: found.values,
                            children: Vec::new(),
                        });
                        self.places.insert(at, place);
                        (place, true)
                    }
                };
                if let Place::Root(root) = place {
                    self.roots_below.entry(parent).or_default().insert(root);
                }
                match (parent, place) {
                    (Place::Root(n), Place::Row(child)) => self.of_roots[n].push(child),
                    (Place::Row(n), Place::Row(child)) => self.tree.rows[n].children.push(child),
                    // Roots take care of themselves, but one that names a row that goes before it closes a circle.
                    (Place::Row(_), Place::Root(_)) => self.tree.circle = true,
                    (Place::Root(_), Place::Root(_)) => {}
                }
                new.then_some(place)
            }
        }
    }

    fn finish(mut self) -> Tree {
        self.heights();
        for root in 0..self.roots.len() {
            let mut reach = BTreeSet::new();
            let mut open = self.of_roots[root].clone();
            while let Some(row) = open.pop() {
                if reach.insert(row) {
                    open.extend(&self.tree.rows[row].children);
                }
            }
            self.tree.reach.push(reach);
        }
        for root in 0..self.roots.len() {
            // A root that is the child of another keeps that one from going as well.
            let (mut roots, mut open) = (BTreeSet::from([root]), vec![root]);
            while let Some(root) = open.pop() {
                let below = self.places(root).filter_map(|place| self.roots_below.get(&place)).flatten();
                let new: Vec<usize> = below.copied().filter(|below| !roots.contains(below)).collect();
                roots.extend(&new);
                open.extend(new);
            }
            let places = || roots.iter().flat_map(|root| self.places(*root));
            let locked = places().any(|place| self.locked.contains(&place));
            let unfinished = places().filter_map(|place| self.unfinished.get(&place)).flatten().copied().collect();
            self.tree.locked.push(locked);
            self.tree.unfinished.push(unfinished);
        }
        self.tree
    }

    /// The root and the rows that go with it.
    fn places(&self, root: usize) -> impl Iterator<Item = Place> {
        self.tree.reach[root].iter().map(|row| Place::Row(*row)).chain([Place::Root(root)])
    }

    /// Children are lower than their parents, except where they go round in a circle.
    fn heights(&mut self) {
        let mut done = vec![false; self.tree.rows.len()];
        let mut on_way = vec![false; self.tree.rows.len()];
        for start in 0..self.tree.rows.len() {
            // Depth first without recursion: each row is left again after its children.
            let mut stack = vec![(start, 0)];
            while let Some((row, next)) = stack.pop() {
                if done[row] {
                    continue;
                }
                on_way[row] = true;
                let child = self.tree.rows[row].children.get(next).copied();
                match child {
                    Some(child) => {
                        stack.push((row, next + 1));
                        self.tree.circle |= on_way[child];
                        if !done[child] && !on_way[child] {
                            stack.push((child, 0));
                        }
                    }
                    None => {
                        let lower = self.tree.rows[row].children.iter().filter(|child| done[**child]);
                        let height = lower.map(|child| self.tree.rows[*child].height + 1).max().unwrap_or_default();
                        self.tree.rows[row].height = height;
                        (done[row], on_way[row]) = (true, false);
                    }
                }
            }
        }
    }
}

impl Relative {
    pub(super) fn rows(&self) -> &Rows {
        &self.rule.rows
    }
}
