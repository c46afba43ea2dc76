//! Children with deletions of their own, which must be finished before their parent's.

use sea_orm::ConnectionTrait;

use crate::{db, ids::DeletionId, ledger::Ledger, state::State};

/// A child whose deletion must be finished before its parent's, with that deletion if there is one.
pub type Unfinished = Option<(DeletionId, State)>;

/// Whether the deletion `id` has to wait for one of these children. It waits neither for itself nor for deletions that
/// wait for it: in a circle the one requested first goes last.
pub(super) async fn any_goes_before(
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
