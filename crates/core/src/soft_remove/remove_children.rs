//! Phase 1 of the rows that go with others. Children are marked with their parent; those that have targets of their own
//! get deletions of their own, for which the parent's waits.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use sea_orm::{ConnectionTrait, DatabaseTransaction};

use super::{
    child_deletions::{ChildDeletions, DeadDeletions, Member},
    mark_children::mark_children,
    record::RecordedRow,
    request::{DeletionRequest, Requested},
};
use crate::{
    catalog::Table,
    children::Parent,
    config::ChildThen,
    db::{self, kill_point},
    ids::DeletionId,
    key::Key,
    ledger::Lease,
    state::State,
    store::Store,
    template::Values,
};

/// Removes the children of the rows that were just recorded, to any depth.
///
/// A circle of rows ends where it began: a row is marked once for a deletion, and no two deletions wait for each other.
pub(super) async fn remove_children(
    transaction: &impl ConnectionTrait,
    store: &Store,
    table: &Table,
    recorded: &mut [RecordedRow],
    request: &DeletionRequest,
) -> Result<(), db::Error> {
    let open = |state: State| matches!(state, State::Pending | State::Waiting);
    let open: Vec<_> = recorded.iter().filter(|row| open(row.requested.state)).collect();
    let delay = request.after.max(table.resource.grace);
    let restorable = open.iter().map(|row| (row.requested.id, delay)).collect();
    let deletions = ChildDeletions::new(transaction, store, request, restorable, DeadDeletions::Supersede);
    let waiting = remove_below(deletions, table, &open).await?;
    let waiting = store.ledger.mark_waiting(transaction, &waiting).await?;
    for row in recorded.iter_mut().filter(|row| waiting.contains(&row.requested.id)) {
        (row.requested.state, row.requested.due) = (State::Waiting, false);
    }
    Ok(())
}

/// Removes the children of a row whose deletion is claimed, also those that arrived since it was requested: marks them,
/// and records deletions for those that need them, in a transaction of its own. The claimed deletion does not change,
/// and neither do dead deletions of children. Returns false if the claim is lost; nothing was changed then.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses, also when a child was locked for 100 ms (PostgreSQL);
/// nothing was changed then.
pub async fn request_children(
    store: &Store,
    table: &Table,
    lease: Lease,
    key: &Key,
    values: &Values,
) -> Result<bool, db::Error> {
    let Lease { id, fence } = lease;
    let requested = Requested { id, key: key.to_string(), created: false, state: State::Running, fence, due: false };
    let row = RecordedRow { key: key.clone(), requested, links: values.clone(), rule: 0 };
    // The claimed deletion is locked while its children's rows are, and a lease that is locked is not renewed.
    let transaction = store.db.begin_giving_way().await?;
    match request_children_in(&transaction, store, table, lease, &row).await {
        Ok(true) => {
            kill_point("request_children::before");
            transaction.commit().await?;
            kill_point("request_children::committed");
            Ok(true)
        }
        // A dropped transaction is rolled back only when the pool comes to it. Until then the claim could not be
        // written back.
        other => {
            transaction.rollback().await?;
            other
        }
    }
}

async fn request_children_in(
    transaction: &DatabaseTransaction,
    store: &Store,
    table: &Table,
    lease: Lease,
    row: &RecordedRow,
) -> Result<bool, db::Error> {
    let ours = store.ledger.lock_ours(transaction, &[lease]).await?;
    let Some(record) = store.ledger.record(transaction, lease.id).await?.filter(|_| !ours.is_empty()) else {
        return Ok(false);
    };
    let request = DeletionRequest {
        batch: record.batch_id,
        by: record.requested_by,
        reason: record.reason,
        after: Duration::ZERO,
        trace_context: None,
        notify: false,
    };
    let restorable = HashMap::from([(lease.id, Duration::ZERO)]);
    let deletions = ChildDeletions::new(transaction, store, &request, restorable, DeadDeletions::Leave);
    let waiting = remove_below(deletions, table, &[row]).await?;
    store.ledger.mark_waiting(transaction, &waiting).await?;
    Ok(true)
}

/// Removes the children of rows, level by level. Returns the deletions that wait for others.
async fn remove_below<C: ConnectionTrait>(
    mut deletions: ChildDeletions<'_, C>,
    table: &Table,
    recorded: &[&RecordedRow],
) -> Result<Vec<DeletionId>, db::Error> {
    let store = deletions.store;
    let Some(table) = store.catalog.table(&table.name) else { return Ok(Vec::new()) };
    let mut level: Vec<Member> = recorded.iter().map(|row| (Arc::clone(table), row.as_parent(table))).collect();
    let identity = |table: &Table, row: &Parent| (row.label.clone(), table.name.to_string(), row.key.clone());
    let mut seen: HashSet<_> = level.iter().map(|(table, row)| identity(table, row)).collect();
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for (table, parents) in by_table(level) {
            for rule in &table.children {
                let Some(child) = rule.resource.as_ref().and_then(|name| store.catalog.table(name)) else { continue };
                match rule.then {
                    ChildThen::Delete => {
                        let marked = mark_children(deletions.transaction, &store.ledger, rule, child, &parents).await?;
                        let new = marked.into_iter().filter(|row| seen.insert(identity(child, row)));
                        next_level.extend(new.map(|row| (Arc::clone(child), row)));
                    }
                    ChildThen::Request => next_level.extend(deletions.request(rule, child, &parents).await?),
                    ChildThen::Nullify => {}
                }
            }
        }
        level = next_level;
    }
    Ok(deletions.into_waiting())
}

impl RecordedRow {
    /// The row as one whose children are looked for.
    pub(super) fn as_parent(&self, table: &Table) -> Parent {
        Parent {
            label: self.requested.id.to_string(),
            resource: table.name.to_string(),
            key: self.requested.key.clone(),
            values: table.links(&self.links),
        }
    }
}

fn by_table(members: Vec<Member>) -> Vec<(Arc<Table>, Vec<Parent>)> {
    let mut by_table: BTreeMap<String, (Arc<Table>, Vec<Parent>)> = BTreeMap::new();
    for (table, parent) in members {
        by_table.entry(table.name.to_string()).or_insert_with(|| (table, Vec::new())).1.push(parent);
    }
    by_table.into_values().collect()
}
