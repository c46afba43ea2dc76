//! Phase 1 of the rows that go with others: children are marked with their parent, and those that have targets of their
//! own get deletions of their own, for which the parent's waits.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::{
    mark_children::mark,
    record::record,
    request::{Recorded, Request, Requested},
};
use crate::{
    catalog::{ChildRule, Table},
    children::{Parent, find},
    config::ChildThen,
    db::{self, kill_point},
    ids::{DeletionId, Fence},
    key::Key,
    state::State,
    store::Store,
    template::Values,
};

/// A row whose children are looked for, with its table. Its label is the deletion with which they go.
type Member = (Arc<Table>, Parent);

/// Removes the children of the rows that were just recorded, to any depth.
///
/// What goes round in a circle ends where it began: a row is marked once for a deletion, and no two deletions wait for
/// each other.
pub(super) async fn remove(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    recorded: &mut [Recorded],
    request: &Request,
) -> Result<(), db::Error> {
    let open = |state: State| matches!(state, State::Pending | State::Waiting);
    let open: Vec<_> = recorded.iter().filter(|one| open(one.requested.state)).collect();
    let waiting = remove_below(transaction, store, table, &open, request, false).await?;
    let held_back = store.ledger.hold_back(transaction, &waiting).await?;
    for one in recorded.iter_mut().filter(|one| held_back.contains(&one.requested.id)) {
        (one.requested.state, one.requested.due) = (State::Waiting, false);
    }
    Ok(())
}

/// Removes the children of a row whose deletion is claimed, those that arrived since it was requested as well: marks them,
/// and records deletions for those that need them, in a transaction of its own. The claimed deletion is left to its worker.
/// Children whose deletions are dead are left so. Returns false if the claim is lost; nothing was changed then.
///
/// # Errors
/// Whatever the database says, also that somebody has held the lock of a child for 100 ms (PostgreSQL); nothing was changed
/// then.
pub async fn request_children(
    store: &Store,
    table: &Table,
    claim: (DeletionId, Fence),
    key: &Key,
    values: &Values,
) -> Result<bool, db::Error> {
    // The claimed deletion is locked while its children's rows are, and so is the renewal of every lease of its process.
    let transaction = store.db.begin_giving_way().await?;
    match ask(&transaction, store, table, claim, key, values).await {
        Ok(true) => {
            kill_point("ask_children::before");
            transaction.commit().await?;
            kill_point("ask_children::committed");
            Ok(true)
        }
        // Dropping it would roll back only when the pool comes to it, and until then the claim could not be written back.
        other => {
            transaction.rollback().await?;
            other
        }
    }
}

async fn ask(
    transaction: &DatabaseTransaction,
    store: &Store,
    table: &Table,
    claim: (DeletionId, Fence),
    key: &Key,
    values: &Values,
) -> Result<bool, db::Error> {
    let ours = store.ledger.lock_ours(transaction, &[claim]).await?;
    let Some(record) = store.ledger.record(transaction, claim.0).await?.filter(|_| !ours.is_empty()) else {
        return Ok(false);
    };
    let request = Request {
        batch: record.batch_id,
        by: record.requested_by,
        reason: record.reason,
        after: Duration::ZERO,
        trace_context: None,
        notify: false,
    };
    let requested = Requested {
        id: claim.0,
        key: key.to_string(),
        created: false,
        state: State::Running,
        fence: claim.1,
        due: false,
    };
    let itself = Recorded { requested, links: values.clone(), rule: 0 };
    let waiting = remove_below(transaction, store, table, &[&itself], &request, true).await?;
    store.ledger.hold_back(transaction, &waiting).await?;
    Ok(true)
}

/// Returns the deletions that wait for others.
async fn remove_below(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    recorded: &[&Recorded],
    request: &Request,
    spare_dead: bool,
) -> Result<Vec<DeletionId>, db::Error> {
    let Some(table) = store.catalog.table(&table.name) else { return Ok(Vec::new()) };
    let mut frontier: Vec<Member> = recorded.iter().map(|one| (Arc::clone(table), parent(one, table))).collect();
    let delay = if spare_dead { Duration::ZERO } else { request.after.max(table.resource.grace) };
    let ids = || recorded.iter().map(|one| one.requested.id);
    let (seen, delays) = (ids().collect(), ids().map(|id| (id, delay)).collect());
    let mut asked = Asked { request, spare_dead, delays, seen, waiting: HashSet::new() };
    let place = |table: &Table, one: &Parent| (one.label.clone(), table.name.to_string(), one.key.clone());
    let mut found: HashSet<_> = frontier.iter().map(|(table, one)| place(table, one)).collect();
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (table, parents) in by_table(frontier) {
            for rule in &table.children {
                let Some(child) = rule.resource.as_ref().and_then(|name| store.catalog.table(name)) else { continue };
                match rule.then {
                    ChildThen::Delete => {
                        let marked = mark(transaction, &store.ledger, rule, child, &parents).await?;
                        let new = marked.into_iter().filter(|one| found.insert(place(child, one)));
                        next.extend(new.map(|parent| (Arc::clone(child), parent)));
                    }
                    ChildThen::Request => {
                        let rows = asked.own_deletions(transaction, store, rule, child, &parents).await?;
                        next.extend(rows);
                    }
                    ChildThen::Nullify => {}
                }
            }
        }
        frontier = next;
    }
    Ok(asked.waiting.into_iter().collect())
}

fn parent(one: &Recorded, table: &Table) -> Parent {
    Parent {
        label: one.requested.id.to_string(),
        resource: table.name.to_string(),
        key: one.requested.key.clone(),
        values: table.links(&one.links),
    }
}

fn by_table(members: Vec<Member>) -> Vec<(Arc<Table>, Vec<Parent>)> {
    let mut by_table: BTreeMap<String, (Arc<Table>, Vec<Parent>)> = BTreeMap::new();
    for (table, parent) in members {
        by_table.entry(table.name.to_string()).or_insert_with(|| (table, Vec::new())).1.push(parent);
    }
    by_table.into_values().collect()
}

/// Children that are asked for as deletions of their own.
struct Asked<'r> {
    request: &'r Request,
    /// Whether deletions of children that are dead stay so; else they are superseded, as a new request does.
    spare_dead: bool,
    /// For how long the deletions at least stay restorable.
    delays: HashMap<DeletionId, Duration>,
    /// Deletions whose children were looked for, or are about to be.
    seen: HashSet<DeletionId>,
    /// Those that wait for others.
    waiting: HashSet<DeletionId>,
}

impl Asked<'_> {
    /// Records deletions of the children and lets the parents' wait for them. Returns those whose own children are to be
    /// looked for.
    async fn own_deletions(
        &mut self,
        transaction: &impl ConnectionTrait,
        store: &Store,
        rule: &ChildRule,
        child: &Arc<Table>,
        parents: &[Parent],
    ) -> Result<Vec<Member>, db::Error> {
        let found = find(transaction, store, rule, parents, false, None).await?;
        let (mut keys, mut rows) = (HashSet::new(), Vec::new());
        let id = |label: &str| -> Result<DeletionId, db::Error> {
            label.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))
        };
        let mut known = Vec::new();
        for one in &found {
            if let Some((dead, _)) = one.deletion.filter(|(_, state)| self.spare_dead && *state == State::Dead) {
                let parent = id(&one.label)?;
                known.push((parent, dead));
                self.waiting.insert(parent);
                keys.insert(&one.key);
            }
        }
        for one in found.iter().filter(|one| keys.insert(&one.key)) {
            if let Ok(key) = child.parse_key(&one.key) {
                rows.push((key, Some(id(&one.label)?)));
            }
        }
        // Nobody calls for a child while its parent, or that one's, can still be restored.
        let delays = rows.iter().filter_map(|(_, parent)| self.delays.get(parent.as_ref()?));
        let after = delays.copied().max().unwrap_or_default();
        let request = Request { after, ..self.request.clone() };
        let recorded = Box::pin(record(transaction, store, child, &rows, &request)).await?;
        let by_key: HashMap<_, _> = recorded.iter().map(|one| (one.requested.key.as_str(), &one.requested)).collect();
        let mut fresh = Vec::new();
        for one in &found {
            let Some(requested) = by_key.get(one.key.as_str()) else { continue };
            let pair = (id(&one.label)?, requested.id);
            // Only what waits for nobody yet is certain to close no circle.
            let is_fresh = requested.created && !self.seen.contains(&requested.id);
            if is_fresh {
                fresh.push(pair)
            } else {
                known.push(pair)
            }
            self.waiting.insert(pair.0);
        }
        store.ledger.link_new(transaction, &fresh).await?;
        store.ledger.link_known(transaction, &known).await?;
        let delay = after.max(child.resource.grace);
        self.delays.extend(recorded.iter().map(|one| (one.requested.id, delay)));
        let new = recorded.iter().filter(|one| self.seen.insert(one.requested.id));
        let open = new.filter(|one| one.requested.state != State::Running);
        Ok(open.map(|one| (Arc::clone(child), parent(one, child))).collect())
    }
}
