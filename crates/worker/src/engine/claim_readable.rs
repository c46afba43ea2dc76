//! Claims that one value cannot stop. A statement that claims many deletions also reads them, and the database may not be
//! able to give one of their values: bytes that are no UTF-8 in a database in SQL_ASCII, for example.

use futures::future::BoxFuture;
use sexton_core::{
    db::{self, Dialect},
    ids::DeletionId,
    ledger::{Candidates, Claim, ClaimRequest},
    outcome::DeadKind,
    store::Store,
};

use crate::metrics;

/// Claims in one statement. If a value cannot be read, halves are tried, and a deletion that cannot be read alone is
/// dead.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses for another reason.
pub(super) fn claim_readable<'a>(
    store: &'a Store,
    request: ClaimRequest<'a>,
) -> BoxFuture<'a, Result<Vec<Claim>, db::Error>> {
    Box::pin(async move {
        let error = match store.ledger.claim(&store.db, request).await {
            Err(error) if error.is_about_data() && is_undone(store.db.dialect, &error) => error,
            other => return other,
        };
        match request.candidates {
            Candidates::Hinted([id]) => {
                end_unreadable(store, *id, &error).await?;
                Ok(Vec::new())
            }
            Candidates::Hinted(ids) => {
                let error = error.without_row_content();
                tracing::debug!(error, deletions = ids.len(), "deletions cannot be read; claiming halves");
                let (first, second) = ids.split_at(ids.len() / 2);
                let mut claims =
                    claim_readable(store, ClaimRequest { candidates: Candidates::Hinted(first), ..request }).await?;
                let with_rescued = request.with_rescued && claims.iter().all(|claim| claim.rescues == 0);
                let candidates = Candidates::Hinted(second);
                let claimed: usize = claims.iter().map(|claim| claim.payload_bytes).sum();
                let payload_bytes = request.payload_bytes.saturating_sub(claimed);
                // What is claimed by now must be worked on, whatever becomes of the others.
                match claim_readable(store, ClaimRequest { candidates, payload_bytes, with_rescued, ..request }).await {
                    Ok(more) => claims.extend(more),
                    Err(error) if claims.is_empty() => return Err(error),
                    Err(error) => tracing::warn!(%error, "cannot claim some deletions; they stay due"),
                }
                Ok(claims)
            }
            Candidates::Due { limit, .. } => {
                let ids = due(store, &request, limit).await?;
                if ids.is_empty() {
                    return Ok(Vec::new());
                }
                claim_readable(store, ClaimRequest { candidates: Candidates::Hinted(&ids), ..request }).await
            }
        }
    })
}

/// Whether nothing was claimed. PostgreSQL commits a claim with its statement: what only this program cannot read then is
/// claimed, and comes back when its lease ends.
fn is_undone(dialect: Dialect, error: &db::Error) -> bool {
    match dialect {
        Dialect::Postgres => error.refusal().is_some(),
        Dialect::Sqlite => true,
    }
}

/// The oldest due deletions of the lanes, of which nothing but the ids is read.
async fn due(store: &Store, request: &ClaimRequest<'_>, limit: usize) -> Result<Vec<DeletionId>, db::Error> {
    let share = limit.div_ceil(request.lanes.len().max(1));
    let mut ids = Vec::new();
    for lane in request.lanes {
        if ids.len() >= limit {
            break;
        }
        let due = store.ledger.due_in_lane(&store.db, lane, None, share).await?;
        ids.extend(due.iter().map(|due| due.hint.id()));
    }
    ids.truncate(limit);
    Ok(ids)
}

async fn end_unreadable(store: &Store, id: DeletionId, error: &db::Error) -> Result<(), db::Error> {
    // What the server says may repeat the value.
    let (kind, error) = (DeadKind::Unreadable, error.without_row_content());
    if let Some(resource) = store.ledger.end_unreadable(&store.db, id, &error).await? {
        metrics::count_dead(&resource, kind);
        tracing::warn!(%id, %kind, error, "deletion {id} is dead: {kind}");
    }
    Ok(())
}
