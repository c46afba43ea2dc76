//! Claims: one statement for many hints, then a look at the rows as they are now.

use std::{collections::HashMap, sync::Arc, time::Instant};

use futures::future::BoxFuture;
use sea_orm::DbErr;
use sexton_core::{
    ids::DeletionId,
    key::Key,
    ledger::{Claim, Pick},
};

use super::{
    Context,
    in_flight::{Held, InFlight},
};
use crate::{
    batch::{Batcher, Outcome},
    metrics,
    rows::{Now, compare},
};

/// Most claims in one statement.
pub(super) const BATCH: usize = 100;

/// A claim that this process holds, with the row as it was right after the claim.
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    pub(crate) held: Held,
    pub(crate) row: Row,
    /// When it was claimed.
    pub(crate) since: Instant,
}

/// The row of a claimed deletion, right after the claim.
pub(crate) enum Row {
    /// The resource is not configured here, or the key does not fit it.
    Unknown,
    /// The row as it is.
    Read(Key, Now),
    /// The database would not say (a policy appeared, a lock on the whole table).
    Unreadable(Arc<DbErr>),
}

/// Claims single deletions in batches.
pub(crate) struct Claims {
    batcher: Batcher<DeletionId, Option<Claimed>>,
}

impl Claims {
    pub(super) fn start(context: &Arc<Context>, in_flight: &InFlight) -> Self {
        let (context, in_flight) = (Arc::clone(context), in_flight.clone());
        let process = move |ids: Vec<DeletionId>| -> BoxFuture<'static, Result<Vec<_>, DbErr>> {
            let (context, in_flight) = (Arc::clone(&context), in_flight.clone());
            Box::pin(async move {
                let claimed = take(&context, &in_flight, Pick::Hinted(&ids)).await?;
                let mut claimed: HashMap<_, _> = claimed.into_iter().map(|c| (c.claim.id, c)).collect();
                // The same id twice in a batch: the first asker gets it.
                Ok(ids.iter().map(|id| claimed.remove(id)).collect())
            })
        };
        Self { batcher: Batcher::start(BATCH, 2, Arc::new(process)) }
    }

    /// Claims a deletion; none if it is not to be had.
    pub(crate) async fn claim(&self, id: DeletionId) -> Outcome<Option<Claimed>> {
        self.batcher.submit(id).await
    }
}

/// Claims what `pick` says, in one statement, and reads the rows of what was claimed.
pub(super) async fn take(context: &Context, in_flight: &InFlight, pick: Pick<'_>) -> Result<Vec<Claimed>, DbErr> {
    let mut rescued = in_flight.try_rescued();
    let sent = Instant::now();
    let lanes = context.catalog.lanes();
    let lease = context.config.worker.lease;
    let claims = context.ledger.claim(&context.db, pick, &lanes, &context.worker, lease, rescued.is_some()).await?;
    // Held from here on, so that their leases are renewed while the rows are read.
    let mut claimed: Vec<Claimed> = claims
        .into_iter()
        .map(|claim| {
            let permit = if claim.rescues > 0 { rescued.take() } else { None };
            let held = in_flight.hold(claim.id, claim.fence, sent, permit);
            metrics::claimed(&claim.resource);
            Claimed { claim, held, row: Row::Unknown, since: sent }
        })
        .collect();
    read_rows(context, &mut claimed).await;
    Ok(claimed)
}

/// A row may have changed, or gone, since its deletion was recorded; calling with what it says now is what the targets
/// need to hear. The claims are committed, so a failure is an answer: each is written back by its execution.
async fn read_rows(context: &Context, claimed: &mut [Claimed]) {
    let mut by_resource: HashMap<String, Vec<usize>> = HashMap::new();
    for (n, one) in claimed.iter().enumerate() {
        by_resource.entry(one.claim.resource.clone()).or_default().push(n);
    }
    for (resource, places) in by_resource {
        let Some(table) = context.catalog.by_name(&resource) else { continue };
        let keys: Vec<(usize, Key)> =
            places.into_iter().filter_map(|n| Some((n, table.parse_key(&claimed[n].claim.key).ok()?))).collect();
        let captured: Vec<_> =
            keys.iter().map(|(n, key)| (key, claimed[*n].claim.marker_rule, &claimed[*n].claim.payload)).collect();
        match compare(&context.db.conn, table, &captured).await {
            Ok(now) => {
                for ((n, key), now) in keys.into_iter().zip(now) {
                    claimed[n].row = Row::Read(key, now);
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for (n, _) in keys {
                    claimed[n].row = Row::Unreadable(Arc::clone(&error));
                }
            }
        }
    }
}
