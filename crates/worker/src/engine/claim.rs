//! Claims: one statement for many deletions, then a look at their rows as they are now.

use std::{collections::HashMap, sync::Arc, time::Instant};

use futures::future::BoxFuture;
use sexton_core::{
    db,
    ids::{DeletionId, Lane},
    key::Key,
    ledger::{Candidates, Claim, ClaimRequest, has_confirmed},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Context,
    batcher::{BatchResult, Batcher},
    claim_readable::claim_readable,
    in_flight::{InFlight, LeaseGuard, NewLease},
};
use crate::{
    hard_delete::{Now, compare},
    metrics,
};

/// Most claims in one statement.
pub(super) const BATCH: usize = 100;

/// A claim that this process holds, with the row as it was right after the claim.
pub(super) struct Claimed {
    pub(super) claim: Claim,
    pub(super) lease: LeaseGuard,
    pub(super) row: ClaimedRow,
    /// When the claim was known.
    pub(super) since: Instant,
}

/// What is known of the row of a claimed deletion.
pub(super) enum ClaimedRow {
    /// Its key, and what it is like now.
    Read(Key, Now),
    /// The resource is not configured here, or the key does not fit it.
    Unknown,
    /// The database refused to say (a policy appeared, a lock on the whole table). The claim is committed all the same,
    /// and its execution writes it back.
    Unreadable(Arc<db::Error>),
}

/// Claims hinted deletions in batches.
pub(super) struct ClaimBatcher {
    batcher: Batcher<DeletionId, Option<Claimed>>,
}

impl ClaimBatcher {
    pub(super) fn start(context: &Arc<Context>, in_flight: &InFlight) -> Self {
        let (context, in_flight) = (Arc::clone(context), in_flight.clone());
        let process = move |ids: Vec<DeletionId>| -> BoxFuture<'static, Result<Vec<_>, db::Error>> {
            let (context, in_flight) = (Arc::clone(&context), in_flight.clone());
            Box::pin(async move {
                let lanes = context.gates.open_lane_names();
                let claimed = claim_batch(&context, &in_flight, Candidates::Hinted(&ids), &lanes, None).await?;
                let mut claimed: HashMap<_, _> = claimed.into_iter().map(|c| (c.claim.id, c)).collect();
                // If an id is in a batch twice, the first to ask gets it.
                Ok(ids.iter().map(|id| claimed.remove(id)).collect())
            })
        };
        Self { batcher: Batcher::start(BATCH, 2, Arc::new(process)) }
    }

    /// Claims a deletion; none if its hint was stale.
    pub(super) async fn claim(&self, id: DeletionId) -> BatchResult<Option<Claimed>> {
        self.batcher.submit(id).await
    }
}

/// Claims candidates in `lanes`, in one statement, and reads the rows of what was claimed. With a
/// `rescue_permit`, one deletion that was rescued before may be among them.
///
/// # Errors
/// [`db::Error`] when the database does not answer or refuses the claim; nothing is claimed then.
pub(super) async fn claim_batch(
    context: &Context,
    in_flight: &InFlight,
    candidates: Candidates<'_>,
    lanes: &[Lane],
    mut rescue_permit: Option<OwnedSemaphorePermit>,
) -> Result<Vec<Claimed>, db::Error> {
    let payload_bytes = in_flight.payload_room();
    let sent = Instant::now();
    let request = ClaimRequest {
        candidates,
        lanes,
        worker: &context.worker,
        lease: context.config.worker.lease,
        payload_bytes,
        with_rescued: rescue_permit.is_some(),
    };
    let claims = claim_readable(&context.store, request).await?;
    // Now, and not when it was sent: the database's clock that is carried on from here must not be ahead of its own, or
    // a target would confirm after the row went.
    let since = Instant::now();
    // In flight from here on, so that their leases are renewed while the rows are read.
    let mut claimed: Vec<Claimed> = claims
        .into_iter()
        .map(|claim| {
            let rescue_permit = if claim.rescues > 0 { rescue_permit.take() } else { None };
            let table = context.store.catalog.by_name(&claim.resource);
            let lane = table.map(|table| table.lane(|target| has_confirmed(&claim.confirmations, target)));
            let lane = lane.unwrap_or_else(|| Lane::from_ledger(claim.resource.clone()));
            let lease = NewLease {
                id: claim.id,
                fence: claim.fence,
                lane,
                payload_bytes: claim.payload_bytes,
                sent,
                rescue_permit,
            };
            let lease = in_flight.add(lease);
            metrics::count_claim(&claim.resource);
            Claimed { claim, lease, row: ClaimedRow::Unknown, since }
        })
        .collect();
    let mut by_resource: HashMap<String, Vec<&mut Claimed>> = HashMap::new();
    for one in &mut claimed {
        by_resource.entry(one.claim.resource.clone()).or_default().push(one);
    }
    for claimed in by_resource.into_values() {
        read_rows(context, claimed).await;
    }
    Ok(claimed)
}

/// Reads the rows of one table: they may have changed, or gone, since their deletions were recorded, and targets must
/// hear what they say now. If the database refuses, halves are tried, so that one bad row fails alone.
fn read_rows<'a>(context: &'a Context, mut claimed: Vec<&'a mut Claimed>) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let Some(table) = claimed.first().and_then(|one| context.store.catalog.by_name(&one.claim.resource)) else {
            return;
        };
        let keys: Vec<(usize, Key)> = claimed
            .iter()
            .enumerate()
            .filter_map(|(n, one)| Some((n, table.parse_key(&one.claim.key).ok()?)))
            .collect();
        let captured: Vec<_> =
            keys.iter().map(|(n, key)| (key, claimed[*n].claim.marker_rule, &claimed[*n].claim.payload)).collect();
        let error = match compare(&context.store.db.conn, table, &captured).await {
            Ok(now) => {
                for ((n, key), now) in keys.into_iter().zip(now) {
                    claimed[n].row = ClaimedRow::Read(key, now);
                }
                return;
            }
            Err(error) => error,
        };
        let is_about_rows = error.refusal().is_some_and(|refusal| !refusal.is_contention()) || error.is_about_data();
        if claimed.len() > 1 && is_about_rows {
            let second = claimed.split_off(claimed.len() / 2);
            read_rows(context, claimed).await;
            return read_rows(context, second).await;
        }
        tracing::warn!(
            error = table.loggable_error(&error),
            rows = claimed.len(),
            "cannot read rows of {}",
            table.resource.table
        );
        let error = Arc::new(error);
        claimed.iter_mut().for_each(|one| one.row = ClaimedRow::Unreadable(Arc::clone(&error)));
    })
}
