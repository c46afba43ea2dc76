//! The children of a claimed deletion's row: those with deletions of their own go first, and very many go in several
//! steps.

use std::time::Duration;

use sexton_core::{
    children::{Descendants, RowToDelete, WayDown},
    db::{self, RowLocks},
    key::Key,
    soft_remove::request_children,
    state::Event,
};

use super::execution::Execution;
use crate::hard_delete::{ChildrenPart, HardDelete, HardDeleteOutcome, delete_part_of_children};

/// Children that are looked for before the targets are called; more are found when the row is about to go.
const LOOK: usize = 1000;

impl Execution<'_> {
    /// Whether children have deletions of their own that are not finished. Resources that cannot have any cost nothing.
    pub(super) async fn has_unfinished_children(&self, key: &Key) -> Result<bool, db::Error> {
        let context = &self.engine.context;
        if !context.store.catalog.waits_for_children(&self.table.name) {
            return Ok(false);
        }
        let resource = self.table.name.clone();
        let row = RowToDelete { resource, key: key.to_string(), values: self.payload.clone() };
        let (conn, ledger) = (&context.store.db.conn, &context.store.ledger);
        let descendants = Descendants::find(conn, &context.store, &[row], LOOK, RowLocks::None).await?;
        descendants.has_unfinished(conn, ledger, 0, self.claim.id).await
    }

    /// Sees to it that every child that needs one has a deletion, and waits for them.
    pub(super) async fn let_children_go_first(self, key: &Key) {
        let context = &self.engine.context;
        loop {
            match request_children(&context.store, &self.table, self.claim.lease(), key, &self.payload).await {
                Ok(true) => break,
                Ok(false) => return self.log_lost_lease(),
                Err(error) if error.refusal().is_some() || !self.wait_for_database().await => {
                    return self.row_unreadable(&error).await;
                }
                Err(_) => {}
            }
        }
        let mut settlement = self.settlement(Event::ChildrenFirst, Duration::ZERO);
        settlement.give_back = true;
        let (engine, id) = (self.engine, self.claim.id);
        self.write_back(settlement).await;
        // The last child may have ended before the ledger knew that this one waits.
        engine.ended.add(id);
    }

    /// Deletes the children of a row that has very many, until none is left that can go before it. Returns what keeps
    /// the row from going, or nothing.
    pub(super) async fn delete_many_children(
        &self,
        deletion: &mut HardDelete,
    ) -> Result<Option<HardDeleteOutcome>, db::Error> {
        let context = &self.engine.context;
        let limit = self.claim.delete_limit.unwrap_or(context.config.worker.delete_timeout);
        let mut way = WayDown::new(&context.store, &deletion.row_to_delete(&self.table));
        let mut went = 0;
        loop {
            let part = delete_part_of_children(&context.store, &self.table, deletion, &mut way, limit).await?;
            match part {
                ChildrenPart::Deleted(some) => went += some,
                ChildrenPart::NoneLeft => return Ok(None),
                ChildrenPart::Circle => {
                    deletion.in_circle = true;
                    return Ok(None);
                }
                ChildrenPart::Stopped(why) => return Ok(Some(why)),
            }
            let id = self.claim.id;
            tracing::debug!(%id, went, "children of deletion {id} go in parts");
            if self.engine.closing.is_cancelled() || self.lease.remaining().is_zero() {
                return Ok(Some(HardDeleteOutcome::Locked));
            }
        }
    }

    /// Says that the deletion ended: its parent's may wait for it.
    pub(super) fn tell_parent(&self) {
        if self.engine.context.store.catalog.is_waited_for(&self.table.name) {
            self.engine.ended.add(self.claim.id);
        }
    }
}
