//! One claimed deletion: what its row, as it is now, asks for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use sexton_core::{
    catalog::Table,
    config::Target,
    db,
    key::Key,
    ledger::{Claim, Confirmations, LastError, Phase, has_confirmed},
    outcome::DeadKind,
    state::Event,
    sweep::verify,
    template::Values,
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Engine,
    claim::{Claimed, ClaimedRow},
    in_flight::LeaseGuard,
    targets_outcome::TargetsOutcome,
};
use crate::{gate::HOLD, hard_delete::Now};

/// How soon a row that just changed is looked at once more.
const SETTLE_DOWN: Duration = Duration::from_millis(100);
/// How long a deletion waits whose target is not configured any more.
const NOT_CONFIGURED: Duration = Duration::from_secs(60);

impl Engine {
    /// Executes a claimed deletion in a task of its own, which keeps `slot` until the end.
    pub(super) fn execute(self: &Arc<Self>, claimed: Claimed, slot: OwnedSemaphorePermit) {
        let engine = Arc::clone(self);
        self.executions.spawn(async move {
            let id = claimed.claim.id;
            if let Some(execution) = Execution::new(&engine, claimed) {
                execution.run().await;
            } else {
                tracing::error!(
                    %id,
                    "deletion {id} was claimed, but its resource is not configured; its lease will free it"
                );
            }
            drop(slot);
        });
    }
}

/// A claimed deletion that is being worked on.
pub(super) struct Execution<'e> {
    pub(super) engine: &'e Engine,
    pub(super) table: Arc<Table>,
    pub(super) claim: Claim,
    pub(super) lease: LeaseGuard,
    row: ClaimedRow,
    /// When it was claimed.
    pub(super) since: Instant,
    /// Taken out of the claim; it may be large.
    pub(super) payload: Values,
    pub(super) confirmations: Confirmations,
    /// Whether the payload was read anew, so that it must be written back.
    pub(super) payload_is_new: bool,
    /// Whether there was no row when it was claimed.
    pub(super) row_is_gone: bool,
    /// How long the next DELETE of its row may take, if it took too long under this claim.
    pub(super) delete_limit: Option<Duration>,
    /// Whether a call was begun under this claim.
    pub(super) called: bool,
    /// Why "gone" would be no surprise: marks of [`super::gone_expected`].
    pub(super) gone_expected: BTreeSet<String>,
    /// The targets that are asked once more although they said "gone", and whether the next answer is part of the same
    /// run.
    pub(super) ask_again: BTreeMap<String, bool>,
}

impl<'e> Execution<'e> {
    /// None if the resource is not configured here.
    fn new(engine: &'e Engine, claimed: Claimed) -> Option<Self> {
        let table = Arc::clone(engine.context.store.catalog.by_name(&claimed.claim.resource)?);
        let Claimed { mut claim, lease, row, since } = claimed;
        let (payload, confirmations) = (std::mem::take(&mut claim.payload), claim.confirmations.clone());
        let gone_expected = claim.gone_expected.clone();
        let (payload_is_new, row_is_gone, called) = (false, false, false);
        Some(Self {
            engine,
            table,
            claim,
            lease,
            row,
            since,
            payload,
            confirmations,
            payload_is_new,
            row_is_gone,
            delete_limit: None,
            called,
            gone_expected,
            ask_again: BTreeMap::new(),
        })
    }

    async fn run(mut self) {
        let (key, now) = match std::mem::replace(&mut self.row, ClaimedRow::Unknown) {
            ClaimedRow::Read(key, now) => (key, now),
            ClaimedRow::Unknown => {
                let why = format!("the key does not fit the key columns of {}", self.table.resource.table);
                return self.die(DeadKind::BadTemplate, &why).await;
            }
            ClaimedRow::Unreadable(error) => return self.row_unreadable(&error).await,
        };
        match now {
            Now::Same => {}
            Now::Gone => {
                self.row_is_gone = true;
                match self.twins_have_another_owner(&key).await {
                    Ok(false) => {}
                    Ok(true) => return self.owned_by_another_row().await,
                    Err(error) => return self.row_unreadable(&error).await,
                }
            }
            Now::Changed(now) => {
                self.refresh_payload(now);
                if self.must_return_to_targets() {
                    return self.row_changed().await;
                }
            }
            Now::LiveAgain => return self.row_live_again().await,
        }
        match self.claim.phase {
            Phase::HardDelete => self.complete(key).await,
            Phase::Confirm => match self.has_unfinished_children(&key).await {
                Ok(false) => self.confirm_and_complete(key).await,
                Ok(true) => self.let_children_go_first(&key).await,
                Err(error) => self.row_unreadable(&error).await,
            },
        }
    }

    async fn confirm_and_complete(mut self, key: Key) {
        if let Some(wait) = self.judge_doubted().await {
            return self.snooze(wait, None).await;
        }
        match self.ask_targets().await {
            TargetsOutcome::Confirmed => self.complete(key).await,
            TargetsOutcome::Doubted if self.doubts_for_too_long() => {
                self.die(DeadKind::Expired, "a target went on to say \"gone\", and nothing showed whether that is so")
                    .await;
            }
            TargetsOutcome::Doubted => {
                self.engine.held.add(self.claim.id, HOLD);
                self.snooze(HOLD, None).await;
            }
            TargetsOutcome::Failed(calls) => self.calls_failed(&calls, None).await,
            TargetsOutcome::NotConfigured(target) => {
                let why = format!("target {target} was required when it was requested, and is not configured any more");
                let give_up_after = self.engine.context.config.retry.give_up_after;
                let age = self.claim.age + self.since.elapsed();
                if age >= give_up_after {
                    return self.die(DeadKind::TargetNotConfigured, &why).await;
                }
                let delay = NOT_CONFIGURED.min(give_up_after.saturating_sub(age));
                let error = LastError { class: DeadKind::TargetNotConfigured.to_string(), text: why };
                self.snooze(delay, Some(error)).await;
            }
            TargetsOutcome::Snooze(snooze) => self.snooze(snooze.delay, snooze.error).await,
            TargetsOutcome::HandBack => self.snooze(Duration::ZERO, None).await,
            TargetsOutcome::LeaseLost => self.log_lost_lease(),
        }
    }

    /// Whether the twins of a row that is gone may be those of another row by now. Only asked for deletions that the
    /// verify sweep requested: their rows went long ago.
    async fn twins_have_another_owner(&self, key: &Key) -> Result<bool, db::Error> {
        if self.claim.requested_by != verify::BY || self.claim.phase != Phase::Confirm {
            return Ok(false);
        }
        let targets = self.table.resource.targets.iter();
        let open: Vec<&Target> =
            targets.filter(|target| !has_confirmed(&self.confirmations, target.name.as_str())).collect();
        verify::may_belong_to_row(&self.engine.context.store.db, &self.table, key, &open, &self.payload).await
    }

    /// Takes over what the row says now: targets whose columns changed are asked once more.
    pub(super) fn refresh_payload(&mut self, now: Values) {
        let confirmations = std::mem::take(&mut self.confirmations);
        self.confirmations = self.table.still_confirmed(confirmations, &self.payload, &now);
        // What was called before was another twin, and says nothing about this one.
        for target in self.table.resource.targets.iter().filter(|target| !target.same_twin(&self.payload, &now)) {
            self.gone_expected.remove(target.name.as_str());
            self.gone_expected.remove(&format!("{}!", target.name));
        }
        self.payload = now;
        self.payload_is_new = true;
    }

    /// Whether a target that had confirmed must be asked once more although only the row was left to delete.
    fn must_return_to_targets(&self) -> bool {
        let configured = self.table.resource.targets.iter();
        self.claim.phase == Phase::HardDelete
            && configured
                .map(|target| target.name.as_str())
                .any(|name| self.claim.confirmations.contains_key(name) && !self.confirmations.contains_key(name))
    }

    /// Writes down the values that were just read; the deletion is taken up with them.
    pub(super) async fn row_changed(self) {
        let mut settlement = self.settlement(Event::RowChanged, SETTLE_DOWN);
        settlement.give_back = true;
        if self.must_return_to_targets() {
            settlement.phase = Phase::Confirm;
        }
        self.write_back(settlement).await;
    }
}
