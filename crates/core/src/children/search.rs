//! Finding descendants, level by level.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::ConnectionTrait;

use super::{
    descendants::{Descendant, Descendants, Node, RowToClear, RowToDelete},
    find::{FoundChild, find_children},
    parent::Parent,
    unfinished::Unfinished,
};
use crate::{
    catalog::ChildRule,
    config::ChildThen,
    db::{self, RowLocks},
    ids::ResourceName,
    store::Store,
};

impl Descendants {
    /// Finds the descendants of `rows`, level by level, until there are more than `limit`.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn find(
        conn: &impl ConnectionTrait,
        store: &Store,
        rows: &[RowToDelete],
        limit: usize,
        locks: RowLocks,
    ) -> Result<Self, db::Error> {
        Search::new(store, rows).run(conn, limit, locks).await
    }
}

/// What a search has found so far.
pub(super) struct Search<'s> {
    store: &'s Store,
    to_delete: &'s [RowToDelete],
    found: Descendants,
    /// Rows by table and key.
    nodes: HashMap<(String, String), Node>,
    /// The children of each row to delete, besides those that [`Descendant`] remembers.
    children: Vec<Vec<usize>>,
    /// Rows to delete that are children themselves, by their parents.
    to_delete_below: BTreeMap<Node, BTreeSet<usize>>,
    /// Rows some of whose children are locked.
    locked: BTreeSet<Node>,
    /// Rows some of whose children have deletions of their own.
    unfinished: BTreeMap<Node, Vec<Unfinished>>,
}

impl<'s> Search<'s> {
    pub(super) fn new(store: &'s Store, to_delete: &'s [RowToDelete]) -> Self {
        let mut found = Descendants::default();
        let mut nodes = HashMap::new();
        for (n, row) in to_delete.iter().enumerate() {
            if let Some(table) = store.catalog.table(&row.resource) {
                found.to_delete.push((table.rows.clone(), row.key.clone()));
                nodes.insert((table.sql.clone(), row.key.clone()), Node::ToDelete(n));
            }
        }
        Self {
            store,
            to_delete,
            found,
            nodes,
            children: vec![Vec::new(); to_delete.len()],
            to_delete_below: BTreeMap::new(),
            locked: BTreeSet::new(),
            unfinished: BTreeMap::new(),
        }
    }

    pub(super) async fn run(
        mut self,
        conn: &impl ConnectionTrait,
        limit: usize,
        locks: RowLocks,
    ) -> Result<Descendants, db::Error> {
        let mut level: Vec<Node> = (0..self.to_delete.len()).map(Node::ToDelete).collect();
        while !level.is_empty() && !self.found.truncated {
            let mut next_level = Vec::new();
            for (resource, nodes) in self.by_resource(&level) {
                let Some(table) = self.store.catalog.table(&resource) else { continue };
                let parents: Vec<Parent> =
                    nodes.iter().enumerate().map(|(n, node)| self.parent(n, *node, &resource)).collect();
                let node = |label: &str| label.parse::<usize>().ok().and_then(|n| nodes.get(n).copied());
                for rule in &table.children {
                    let children = read_children(conn, self.store, rule, &parents, locks).await?;
                    self.locked.extend(children.parents_of_locked.iter().filter_map(|label| node(label)));
                    for child in children.found {
                        let Some(parent) = node(&child.label) else { continue };
                        next_level.extend(self.add(parent, rule, child));
                    }
                }
            }
            self.found.truncated = self.found.rows.len() + self.found.to_clear.len() > limit;
            level = next_level;
        }
        Ok(self.finish())
    }

    fn resource(&self, node: Node) -> Option<&ResourceName> {
        match node {
            Node::ToDelete(n) => Some(&self.to_delete[n].resource),
            Node::Descendant(n) => self.found.rows[n].rule.resource.as_ref(),
        }
    }

    fn by_resource(&self, nodes: &[Node]) -> BTreeMap<ResourceName, Vec<Node>> {
        let mut by_resource: BTreeMap<ResourceName, Vec<Node>> = BTreeMap::new();
        for node in nodes {
            if let Some(resource) = self.resource(*node) {
                by_resource.entry(resource.clone()).or_default().push(*node);
            }
        }
        by_resource
    }

    fn parent(&self, label: usize, node: Node, resource: &ResourceName) -> Parent {
        let (key, values) = match node {
            Node::ToDelete(n) => (&self.to_delete[n].key, &self.to_delete[n].values),
            Node::Descendant(n) => (&self.found.rows[n].key, &self.found.rows[n].values),
        };
        Parent { label: label.to_string(), resource: resource.to_string(), key: key.clone(), values: values.clone() }
    }

    /// Takes in a row that was found; returns it if its own children are to be looked for.
    fn add(&mut self, parent: Node, rule: &ChildRule, child: FoundChild) -> Option<Node> {
        match rule.then {
            ChildThen::Request => {
                self.unfinished.entry(parent).or_default().push(child.deletion);
                None
            }
            ChildThen::Nullify => {
                self.found.to_clear.push(RowToClear { parent, rule: rule.clone(), key: child.key });
                None
            }
            ChildThen::Delete => self.add_descendant(parent, rule, child),
        }
    }

    fn add_descendant(&mut self, parent: Node, rule: &ChildRule, child: FoundChild) -> Option<Node> {
        let identity = (rule.rows.sql.clone(), child.key.clone());
        let (node, is_new) = match self.nodes.get(&identity) {
            Some(node) => (*node, false),
            None => {
                let node = Node::Descendant(self.found.rows.len());
                let (key, values) = (child.key, child.values);
                let row = Descendant { rule: rule.clone(), key, values, height: 0, children: Vec::new() };
                self.found.rows.push(row);
                self.nodes.insert(identity, node);
                (node, true)
            }
        };
        if let Node::ToDelete(row) = node {
            self.to_delete_below.entry(parent).or_default().insert(row);
        }
        match (parent, node) {
            (Node::ToDelete(n), Node::Descendant(child)) => self.children[n].push(child),
            (Node::Descendant(n), Node::Descendant(child)) => self.found.rows[n].children.push(child),
            // The rows to delete are deleted last, but one that references a row which goes before it closes a circle.
            (Node::Descendant(_), Node::ToDelete(_)) => self.found.circle = true,
            (Node::ToDelete(_), Node::ToDelete(_)) => {}
        }
        is_new.then_some(node)
    }

    fn finish(mut self) -> Descendants {
        set_heights(&mut self.found);
        for children in &self.children {
            let mut descendants = BTreeSet::new();
            let mut open = children.clone();
            while let Some(row) = open.pop() {
                if descendants.insert(row) {
                    open.extend(&self.found.rows[row].children);
                }
            }
            self.found.of_row.push(descendants);
        }
        for row in 0..self.to_delete.len() {
            // A row to delete that is the child of another keeps that one from going as well.
            let (mut rows, mut open) = (BTreeSet::from([row]), vec![row]);
            while let Some(row) = open.pop() {
                let below = self.family(row).filter_map(|node| self.to_delete_below.get(&node)).flatten();
                let new: Vec<usize> = below.copied().filter(|below| !rows.contains(below)).collect();
                rows.extend(&new);
                open.extend(new);
            }
            let nodes = || rows.iter().flat_map(|row| self.family(*row));
            let locked = nodes().any(|node| self.locked.contains(&node));
            let unfinished = nodes().filter_map(|node| self.unfinished.get(&node)).flatten().copied().collect();
            self.found.locked.push(locked);
            self.found.unfinished.push(unfinished);
        }
        self.found
    }

    /// The row to delete and its descendants.
    fn family(&self, row: usize) -> impl Iterator<Item = Node> {
        self.found.of_row[row].iter().map(|row| Node::Descendant(*row)).chain([Node::ToDelete(row)])
    }
}

/// Children of some rows as they are now.
struct Children {
    found: Vec<FoundChild>,
    /// The labels of parents some of whose children another transaction has locked.
    parents_of_locked: Vec<String>,
}

async fn read_children(
    conn: &impl ConnectionTrait,
    store: &Store,
    rule: &ChildRule,
    parents: &[Parent],
    locks: RowLocks,
) -> Result<Children, db::Error> {
    let found = find_children(conn, store, rule, parents, RowLocks::None).await?;
    // Those that have deletions of their own are only waited for.
    let need_locks = rule.then != ChildThen::Request && rule.rows.dialect.has_row_locks();
    if locks == RowLocks::None || found.is_empty() || !need_locks {
        return Ok(Children { found, parents_of_locked: Vec::new() });
    }
    let locked = find_children(conn, store, rule, parents, locks).await?;
    let ours: BTreeSet<_> = locked.iter().map(|row| (&row.label, &row.key)).collect();
    let missing = found.iter().filter(|row| !ours.contains(&(&row.label, &row.key)));
    let parents_of_locked = missing.map(|row| row.label.clone()).collect();
    Ok(Children { found: locked, parents_of_locked })
}

/// Children are lower than their parents, except in a circle.
fn set_heights(found: &mut Descendants) {
    let rows = &mut found.rows;
    let mut done = vec![false; rows.len()];
    let mut on_way = vec![false; rows.len()];
    for start in 0..rows.len() {
        // Depth first without recursion: each row is left after its children.
        let mut stack = vec![(start, 0)];
        while let Some((row, next)) = stack.pop() {
            if done[row] {
                continue;
            }
            on_way[row] = true;
            match rows[row].children.get(next).copied() {
                Some(child) => {
                    stack.push((row, next + 1));
                    found.circle |= on_way[child];
                    if !done[child] && !on_way[child] {
                        stack.push((child, 0));
                    }
                }
                None => {
                    let lower = rows[row].children.iter().filter(|child| done[**child]);
                    let height = lower.map(|child| rows[*child].height + 1).max().unwrap_or_default();
                    rows[row].height = height;
                    (done[row], on_way[row]) = (true, false);
                }
            }
        }
    }
}
