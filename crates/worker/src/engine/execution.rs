//! One claimed deletion, from its claim to what is written down.

use std::{sync::Arc, time::Duration, time::Instant};

use sexton_core::{
    catalog::Table,
    config::{AfterConfirmation, Target},
    db::{self, Refusal},
    key::Key,
    ledger::{Claim, Confirmations, Phase, Settlement},
    outcome::{DeadKind, Failure, Outcome},
    state::Event,
    sweep::verify as again,
    template::Values,
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Engine,
    asked::Asked,
    claims::{Claimed, Row},
    in_flight::Held,
    verdict::{Miss, Verdict, verdict},
};
use crate::{
    hard_delete::{HardDelete, HardDeleteOutcome, Now},
    metrics,
};

/// Kept free at the end of a lease for writing down what a call came to.
pub(super) const WRITE_TIME: Duration = Duration::from_millis(500);
/// How soon a row that just changed is looked at again.
const SETTLE_DOWN: Duration = Duration::from_millis(100);
/// How soon a deletion is tried again whose row could not be read for want of a connection.
const DATABASE_AWAY: Duration = Duration::from_secs(1);
/// How long a deletion waits whose target is not configured any more.
const NOT_CONFIGURED: Duration = Duration::from_secs(60);

impl Engine {
    pub(super) fn execute(self: &Arc<Self>, claimed: Claimed, slot: OwnedSemaphorePermit) {
        let engine = Arc::clone(self);
        self.executions.spawn(async move {
            let id = claimed.claim.id;
            let work = Execution::new(&engine, claimed);
            if let Some(work) = work {
                work.run().await;
            } else {
                tracing::error!(%id, "deletion {id} was claimed, but its resource is not configured; its lease will free it");
            }
            drop(slot);
        });
    }
}

pub(super) struct Execution<'e> {
    pub(super) engine: &'e Engine,
    pub(super) table: Arc<Table>,
    pub(super) claim: Claim,
    pub(super) held: Held,
    row: Row,
    pub(super) since: Instant,
    pub(super) payload: Values,
    pub(super) confirmations: Confirmations,
    /// Whether the row was read anew, so that the payload must be written.
    refreshed: bool,
    /// Whether there was no row when it was claimed.
    row_is_gone: bool,
    /// Whether a call was begun under this claim.
    pub(super) called: bool,
}

impl<'e> Execution<'e> {
    fn new(engine: &'e Engine, claimed: Claimed) -> Option<Self> {
        let table = Arc::clone(engine.context.store.catalog.by_name(&claimed.claim.resource)?);
        let Claimed { claim, held, row, since } = claimed;
        let (payload, confirmations) = (claim.payload.clone(), claim.confirmations.clone());
        let (refreshed, row_is_gone, called) = (false, false, false);
        Some(Self { engine, table, claim, held, row, since, payload, confirmations, refreshed, row_is_gone, called })
    }

    async fn run(mut self) {
        let id = self.claim.id;
        let (key, now) = match std::mem::replace(&mut self.row, Row::Unknown) {
            Row::Read(key, now) => (key, now),
            Row::Unknown => {
                let why = format!("the key does not fit the key columns of {}", self.table.resource.table);
                return self.die(DeadKind::BadTemplate, &why).await;
            }
            Row::Unreadable(error) => return self.row_unreadable(&error).await,
        };
        match now {
            Now::Same => {}
            Now::Gone => {
                self.row_is_gone = true;
                if self.claim.requested_by == again::BY && self.claim.phase == Phase::Confirm {
                    let db = &self.engine.context.store.db;
                    let open = self.table.resource.targets.iter();
                    let open: Vec<&Target> =
                        open.filter(|target| !self.confirmations.contains_key(target.name.as_str())).collect();
                    match again::may_belong_to_row(db, &self.table, &key, &open, &self.payload).await {
                        Ok(false) => {}
                        Ok(true) => return self.owned_by_now().await,
                        Err(error) => return self.row_unreadable(&error).await,
                    }
                }
            }
            Now::Changed(now) => {
                self.refresh(now);
                if self.must_ask_again() {
                    return self.row_changed().await;
                }
            }
            Now::LiveAgain => return self.live_again().await,
        }
        let asked = match self.claim.phase {
            Phase::Confirm => match self.has_unfinished_children(&key).await {
                Ok(false) => self.ask_targets().await,
                Ok(true) => return self.let_children_go_first(&key).await,
                Err(error) => return self.row_unreadable(&error).await,
            },
            Phase::Remove => Asked::Confirmed,
        };
        match asked {
            Asked::Confirmed => self.complete(key).await,
            Asked::Missed(misses) => self.missed(&misses, None).await,
            Asked::NotConfigured(target) => {
                let why = format!("target {target} was required when it was requested, and is not configured any more");
                self.snooze(NOT_CONFIGURED, Some(("target_not_configured".to_owned(), why))).await;
            }
            Asked::Held(held) => self.snooze(held.wait, held.error).await,
            Asked::HandBack => self.snooze(Duration::ZERO, None).await,
            Asked::Lost => tracing::warn!(%id, "the lease of deletion {id} was lost; another worker takes it"),
        }
    }

    /// The row says something else than the ledger: targets whose columns changed are asked again.
    fn refresh(&mut self, now: Values) {
        let confirmations = std::mem::take(&mut self.confirmations);
        self.confirmations = self.table.still_confirmed(confirmations, &self.payload, &now);
        self.payload = now;
        self.refreshed = true;
    }

    /// Whether a target that had confirmed has to hear of a row that was only to be deleted later.
    fn must_ask_again(&self) -> bool {
        let configured = self.table.resource.targets.iter();
        self.claim.phase == Phase::Remove
            && configured
                .map(|target| target.name.as_str())
                .any(|name| self.claim.confirmations.contains_key(name) && !self.confirmations.contains_key(name))
    }

    /// The values that were just read are written down, and the deletion is taken up again with them.
    async fn row_changed(self) {
        let mut settlement = self.settlement(Event::RowChanged, SETTLE_DOWN);
        settlement.give_back = true;
        if self.must_ask_again() {
            settlement.phase = Phase::Confirm;
        }
        self.write(settlement).await;
    }

    async fn complete(mut self, key: Key) {
        // A row that was gone from the start can neither be kept nor deleted later; its children go now.
        let then = self.claim.marker_rule.map_or(AfterConfirmation::Delete, |rule| self.table.then(rule));
        if let (Phase::Confirm, AfterConfirmation::DeleteAfter(delay), false) =
            (self.claim.phase, then, self.row_is_gone)
        {
            let mut settlement = self.settlement(Event::RemovalScheduled, delay);
            settlement.phase = Phase::Remove;
            return self.write(settlement).await;
        }
        if then != AfterConfirmation::Keep && self.engine.context.gates.hard_deletes_paused() {
            // It waits in the lane of the resource itself, which is shut meanwhile.
            let event = if self.claim.phase == Phase::Confirm { Event::RemovalScheduled } else { Event::Snoozed };
            let mut settlement = self.settlement(event, Duration::ZERO);
            settlement.phase = Phase::Remove;
            settlement.give_back = true;
            return self.write(settlement).await;
        }
        let deletion = HardDelete {
            id: self.claim.id,
            fence: self.claim.fence,
            key: key.clone(),
            rule: self.claim.marker_rule,
            payload: self.payload.clone(),
            confirmations: self.confirmations.clone(),
            delete: then != AfterConfirmation::Keep,
        };
        let completion = loop {
            match self.engine.completions.complete(&self.table.name, deletion.clone()).await {
                Ok(HardDeleteOutcome::ManyChildren) => match self.delete_many_children(&deletion).await {
                    Ok(None) => {}
                    Ok(Some(why)) => break why,
                    Err(error) => return self.row_unreadable(&error).await,
                },
                Ok(completion) => break completion,
                Err(error) => match error.refusal() {
                    Some(refusal) => return self.row_refused(&refusal, &error).await,
                    None if self.pause().await => {}
                    None => return self.abandon(&error),
                },
            }
        };
        let id = self.claim.id;
        match completion {
            HardDeleteOutcome::Deleted | HardDeleteOutcome::AlreadyGone | HardDeleteOutcome::Kept => {
                metrics::finished(&self.claim.resource, &completion);
                self.tell_parent();
                tracing::debug!(%id, row = ?completion, "deletion {id} is completed");
            }
            HardDeleteOutcome::Lost => {
                tracing::warn!(%id, "the lease of deletion {id} was lost; another worker takes it")
            }
            HardDeleteOutcome::Locked => self.row_locked().await,
            HardDeleteOutcome::Changed(now) => {
                self.refresh(now);
                // A row that never settles down must not keep its deletion open for ever.
                if self.claim.age + self.since.elapsed() >= self.engine.context.config.retry.give_up_after {
                    return self.die(DeadKind::Expired, "the row kept changing in columns that its targets use").await;
                }
                self.row_changed().await;
            }
            HardDeleteOutcome::LiveAgain => self.live_again().await,
            HardDeleteOutcome::Refused => {
                let why = format!("{} kept the row without an error: a trigger or rule", self.table.resource.table);
                self.die(DeadKind::NotDeleted, &why).await;
            }
            HardDeleteOutcome::ChildrenFirst => self.let_children_go_first(&key).await,
            HardDeleteOutcome::ChildRefused(table) => self.child_refused(&table).await,
            // Only few are left now; others may have arrived.
            HardDeleteOutcome::ManyChildren => self.row_locked().await,
            HardDeleteOutcome::Referenced(by) => {
                let failure = Failure { status: None, reason: format!("still referenced ({by})") };
                self.row_missed(Outcome::Retry(failure), Some(DeadKind::Referenced)).await;
            }
        }
    }

    async fn live_again(self) {
        let why = match self.claim.marker_rule {
            Some(rule) => {
                let column = self.table.rules.get(rule).map_or("", |rule| rule.column.name.as_str());
                format!("{column} of the row no longer has the value that was written when it was removed")
            }
            None => "the row had been deleted without a request, and there is a row with its key again".to_owned(),
        };
        self.die(DeadKind::RowLiveAgain, &why).await;
    }

    async fn owned_by_now(self) {
        let why = "what it would delete again may be that of another row by now";
        self.die(DeadKind::RowLiveAgain, why).await;
    }

    /// Nothing was called yet, and nothing will be before it is known what the row says now.
    pub(super) async fn row_unreadable(self, error: &db::Error) {
        match error.refusal() {
            Some(refusal) if refusal.is_contention() => self.row_locked().await,
            Some(refusal) => self.row_refused(&refusal, error).await,
            None => self.snooze(DATABASE_AWAY, None).await,
        }
    }

    async fn row_refused(self, refusal: &Refusal, error: &db::Error) {
        let id = self.claim.id;
        tracing::warn!(%id, %error, "the database refused deletion {id}");
        let reason = format!("database_{}", refusal.code);
        self.row_missed(Outcome::Retry(Failure { status: None, reason }), None).await;
    }

    async fn row_locked(self) {
        let failure = Failure { status: None, reason: "row_locked".to_owned() };
        self.row_missed(Outcome::Throttled { retry_after: None, failure }, None).await;
    }

    /// The database would not let the row go this time.
    async fn row_missed(self, outcome: Outcome, kind: Option<DeadKind>) {
        let retry = self.engine.context.config.retry;
        let miss = Miss { target: "row".to_owned(), outcome, duration: self.since.elapsed(), retry };
        self.missed(&[miss], kind).await;
    }

    /// `kind` is what a deletion dies of when its attempts are used up, if that says more than `exhausted`.
    async fn missed(self, misses: &[Miss], kind: Option<DeadKind>) {
        let claims = u32::try_from(self.claim.fence.0).unwrap_or(u32::MAX);
        let age = self.claim.age + self.since.elapsed();
        let Some(verdict) = verdict(misses, self.claim.attempts, claims, age) else { return };
        let Verdict { event, dead, delay, give_back, error, attempt } = verdict;
        let mut settlement = self.settlement(event, delay);
        settlement.dead = dead.map(|dead| kind.unwrap_or(dead));
        settlement.give_back = give_back;
        settlement.error = Some(error);
        settlement.attempt = attempt;
        self.write(settlement).await;
    }

    pub(super) async fn die(self, kind: DeadKind, why: &str) {
        let mut settlement = self.settlement(Event::Died, Duration::ZERO);
        settlement.dead = Some(kind);
        settlement.error = Some((kind.to_string(), why.to_owned()));
        self.write(settlement).await;
    }

    async fn snooze(self, delay: Duration, error: Option<(String, String)>) {
        let mut settlement = self.settlement(Event::Snoozed, delay);
        settlement.give_back = true;
        settlement.error = error;
        self.write(settlement).await;
    }

    pub(super) fn settlement(&self, event: Event, delay: Duration) -> Settlement {
        Settlement {
            id: self.claim.id,
            fence: self.claim.fence,
            event,
            phase: self.claim.phase,
            delay,
            give_back: false,
            uncalled: self.claim.uncalled && !self.called,
            lane: self.table.lane(|target| self.confirmations.contains_key(target)),
            confirmations: self.confirmations.clone(),
            payload: self.refreshed.then(|| self.payload.clone()),
            error: None,
            dead: None,
            attempt: None,
        }
    }

    pub(super) async fn write(self, settlement: Settlement) {
        let id = settlement.id;
        loop {
            match self.engine.settlements.settle(settlement.clone()).await {
                Ok(true) => break,
                Ok(false) => return tracing::warn!(%id, "the lease of deletion {id} was lost; another worker takes it"),
                Err(_) if self.pause().await => {}
                Err(error) => return self.abandon(&error),
            }
        }
        metrics::settled(&self.claim.resource, &settlement);
        if settlement.dead.is_some() {
            self.tell_parent();
        }
        let error = settlement.error.as_ref().map_or("", |(_, message)| message.as_str());
        match settlement.dead {
            Some(kind) => tracing::warn!(%id, %kind, error, "deletion {id} is dead: {kind}"),
            None => {
                let delay_ms = settlement.delay.as_millis();
                tracing::debug!(%id, event = ?settlement.event, error, delay_ms, "deletion {id} goes on later");
            }
        }
    }

    /// Waits a little for the database to come back; false when the lease leaves no more time.
    pub(super) async fn pause(&self) -> bool {
        if self.held.remaining() < WRITE_TIME {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => true,
            () = self.held.lost() => false,
            () = self.held.interrupted() => false,
        }
    }

    fn abandon(&self, error: &db::Error) {
        let id = self.claim.id;
        tracing::error!(%id, %error, "cannot write down what became of deletion {id}; its lease will free it");
    }
}
