//! Deletions of the children that have targets of their own, for which the deletions of their parents wait.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use sea_orm::ConnectionTrait;

use super::{
    record::{RowToRecord, record},
    request::DeletionRequest,
};
use crate::{
    catalog::{ChildRule, Table},
    children::{FoundChild, Parent, find_children},
    db::{self, RowLocks},
    ids::DeletionId,
    state::State,
    store::Store,
};

/// A row whose children are looked for, with its table. Its label is the deletion with which they go.
pub(super) type Member = (Arc<Table>, Parent);

/// What is done about dead deletions of children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeadDeletions {
    /// They are superseded, as by any new request.
    Supersede,
    /// They are left to on-call, and the parent's deletion waits for them.
    Leave,
}

/// The deletions of children that are being requested.
pub(super) struct ChildDeletions<'r, C> {
    pub(super) transaction: &'r C,
    pub(super) store: &'r Store,
    request: &'r DeletionRequest,
    dead: DeadDeletions,
    /// For how long the deletions at least stay restorable.
    restorable: HashMap<DeletionId, Duration>,
    /// Deletions whose children were looked for, or are about to be.
    seen: HashSet<DeletionId>,
    /// Those that wait for others.
    waiting: HashSet<DeletionId>,
}

impl<'r, C: ConnectionTrait> ChildDeletions<'r, C> {
    /// * `restorable`: the deletions of the first parents, and for how long each at least stays restorable.
    pub(super) fn new(
        transaction: &'r C,
        store: &'r Store,
        request: &'r DeletionRequest,
        restorable: HashMap<DeletionId, Duration>,
        dead: DeadDeletions,
    ) -> Self {
        let seen = restorable.keys().copied().collect();
        Self { transaction, store, request, dead, restorable, seen, waiting: HashSet::new() }
    }

    /// The deletions that wait for others.
    pub(super) fn into_waiting(self) -> Vec<DeletionId> {
        self.waiting.into_iter().collect()
    }

    /// Records deletions of the children that `rule` finds and lets those of the parents wait for them. Returns the
    /// children whose own children are to be looked for.
    pub(super) async fn request(
        &mut self,
        rule: &ChildRule,
        child: &Arc<Table>,
        parents: &[Parent],
    ) -> Result<Vec<Member>, db::Error> {
        let (transaction, store) = (self.transaction, self.store);
        let found = find_children(transaction, store, rule, parents, RowLocks::None).await?;
        let (mut known, mut keys) = (Vec::new(), HashSet::new());
        for row in &found {
            if let Some(dead) = self.dead_deletion_to_leave(row) {
                known.push((row.parent_deletion()?, dead));
                keys.insert(&row.key);
            }
        }
        let mut rows = Vec::new();
        for row in found.iter().filter(|row| keys.insert(&row.key)) {
            if let Ok(key) = child.parse_key(&row.key) {
                rows.push(RowToRecord { key, parent: Some(row.parent_deletion()?) });
            }
        }
        // No child's target is called while its parent, or that one's parent, can still be restored.
        let delays = rows.iter().filter_map(|row| self.restorable.get(row.parent.as_ref()?));
        let after = delays.copied().max().unwrap_or_default();
        let request = DeletionRequest { after, ..self.request.clone() };
        let recorded = Box::pin(record(transaction, store, child, &rows, &request)).await?;
        let by_key: HashMap<_, _> = recorded.iter().map(|row| (row.requested.key.as_str(), &row.requested)).collect();
        let mut fresh = Vec::new();
        for row in &found {
            let Some(requested) = by_key.get(row.key.as_str()) else { continue };
            let pair = (row.parent_deletion()?, requested.id);
            // Only a deletion that waits for no other yet is certain to close no circle.
            let is_fresh = requested.created && !self.seen.contains(&requested.id);
            if is_fresh { fresh.push(pair) } else { known.push(pair) }
        }
        self.waiting.extend(known.iter().chain(&fresh).map(|(parent, _)| *parent));
        store.ledger.link_new(transaction, &fresh).await?;
        store.ledger.link_known(transaction, &known).await?;
        let delay = after.max(child.resource.grace);
        self.restorable.extend(recorded.iter().map(|row| (row.requested.id, delay)));
        let new = recorded.iter().filter(|row| self.seen.insert(row.requested.id));
        let open = new.filter(|row| row.requested.state != State::Running);
        Ok(open.map(|row| (Arc::clone(child), row.as_parent(child))).collect())
    }

    fn dead_deletion_to_leave(&self, row: &FoundChild) -> Option<DeletionId> {
        let (deletion, state) = row.deletion?;
        (self.dead == DeadDeletions::Leave && state == State::Dead).then_some(deletion)
    }
}

impl FoundChild {
    /// The deletion of the parent for which it was found.
    fn parent_deletion(&self) -> Result<DeletionId, db::Error> {
        self.label.parse().map_err(db::Error::unreadable)
    }
}
