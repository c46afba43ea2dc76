//! What follows from what was seen of a deletion's twins.

use sexton_core::{
    catalog::Table,
    config::Target,
    db,
    ids::Lane,
    ledger::FinishedAt,
    outcome::Outcome,
    sweep::verify::{Redeletion, belongs_to_another_row, redelete},
};

use super::{
    checkpoint::{TwinFinding, VerifyCheckpoint},
    lanes::LaneTarget,
    observe::{Candidate, TwinObservation},
    run::{OnReturn, VerifyRun},
};
use crate::gate::{CallReport, GoneEvidence};

/// After this many looks in a row without an answer, a lane is shut until the next pass. While its target is away,
/// looks are lost: a deletion is looked at only once.
const MOST_UNANSWERED: u32 = 3;

impl<'a> VerifyRun<'a> {
    /// Notes what was seen of one deletion; `before` is the deletion before it in the page.
    pub(super) async fn note_observations(
        &mut self,
        checkpoint: &mut VerifyCheckpoint,
        candidate: &Candidate,
        observations: Vec<(Lane, TwinObservation)>,
        before: Option<&FinishedAt>,
    ) -> Result<(), db::Error> {
        let mut returned = Vec::new();
        // A twin that was there when it was last seen is taken to be there until a look says otherwise.
        let mut unseen = Vec::new();
        for (lane, observation) in observations {
            match observation {
                // The look was under way when an earlier one shut the lane.
                _ if self.observer.is_shut(&lane) => unseen.push(lane),
                TwinObservation::LaneShut(outcome) => {
                    if let Some(before) = before.filter(|_| !candidate.was_looked_at()) {
                        checkpoint.reach(&lane, before);
                    }
                    self.shut_lane(candidate, &lane, outcome).await;
                    unseen.push(lane);
                }
                TwinObservation::Gone => {
                    checkpoint.figures.looked += 1;
                    checkpoint.figures.gone += 1;
                    self.unanswered.remove(&lane);
                }
                TwinObservation::There => {
                    checkpoint.figures.looked += 1;
                    self.unanswered.remove(&lane);
                    returned.push(lane);
                }
                TwinObservation::Unverifiable => checkpoint.figures.unverifiable += 1,
                TwinObservation::Unanswered(reason) => {
                    self.note_unanswered(checkpoint, candidate, &lane, &reason);
                    unseen.push(lane);
                }
                TwinObservation::Abandoned => {}
            }
        }
        if !returned.is_empty() {
            self.note_returned(checkpoint, candidate, &returned).await?;
        }
        for lane in unseen {
            if let Some(before) = candidate.before.get(&lane) {
                remember(checkpoint, candidate, vec![lane], *before);
            }
        }
        Ok(())
    }

    fn note_unanswered(&mut self, checkpoint: &mut VerifyCheckpoint, candidate: &Candidate, lane: &Lane, reason: &str) {
        tracing::debug!(id = %candidate.completed.id, %lane, reason, "a look had no answer");
        checkpoint.count_unanswered(lane, reason);
        let in_a_row = self.unanswered.entry(lane.clone()).or_default();
        *in_a_row += 1;
        if *in_a_row >= MOST_UNANSWERED {
            self.observer.shut(lane);
            if !candidate.was_looked_at() {
                checkpoint.reach(lane, &candidate.completed.finished);
            }
        }
    }

    /// Shuts a lane for the rest of the run. If its target asked for patience, the gates of all processes hear of it.
    async fn shut_lane(&mut self, candidate: &Candidate, lane: &Lane, outcome: Option<Outcome>) {
        if let Some(outcome) = &outcome {
            let id = candidate.completed.id;
            let called = CallReport { lane, id, outcome, gone_evidence: GoneEvidence::Known, probe: false };
            self.gates.note_call(self.context.store, &called).await;
        }
        self.observer.shut(lane);
    }

    /// Deletes twins that are there again, or remembers them.
    async fn note_returned(
        &mut self,
        checkpoint: &mut VerifyCheckpoint,
        candidate: &Candidate,
        lanes: &[Lane],
    ) -> Result<(), db::Error> {
        let (completed, store) = (&candidate.completed, self.context.store);
        let Returned { table, lanes, targets, owned } = self.sort_by_owner(candidate, lanes).await?;
        if !owned.is_empty() {
            remember(checkpoint, candidate, owned, TwinFinding::Owned);
        }
        let Some(table) = table else { return Ok(()) };
        let count = lanes.len() as u64;
        let redeletion = match self.returned {
            OnReturn::Delete => Some(redelete(store, table, completed, &targets).await?),
            OnReturn::Count => None,
        };
        match redeletion {
            Some(Redeletion::Recorded(by)) => {
                let (id, names) = (completed.id, lanes.join(", "));
                tracing::warn!(
                    %id,
                    %by,
                    "what deletion {id} deleted is there again in {names}; deletion {by} deletes it"
                );
                checkpoint.count_returned(TwinFinding::Returned, targets.len());
                checkpoint.figures.deleted_again += count;
                checkpoint.progress.wanted += count;
                checkpoint.progress.done += count;
            }
            Some(Redeletion::AlreadyOpen) => remember(checkpoint, candidate, lanes, TwinFinding::Owned),
            Some(Redeletion::Unsure | Redeletion::Recurring) => {
                checkpoint.figures.unsure += count;
                remember(checkpoint, candidate, lanes, TwinFinding::Returned);
            }
            None => remember(checkpoint, candidate, lanes, TwinFinding::Returned),
        }
        Ok(())
    }

    /// Sorts twins that are there into those that another row has by now, and those that returned.
    async fn sort_by_owner(&mut self, candidate: &Candidate, lanes: &[Lane]) -> Result<Returned<'a>, db::Error> {
        let (completed, db) = (&candidate.completed, &self.context.store.db);
        let mut returned = Returned { table: None, lanes: Vec::new(), targets: Vec::new(), owned: Vec::new() };
        for lane in lanes {
            let Some(LaneTarget { table, target }) = self.lanes.get(lane).copied() else { continue };
            let is_owned = if self.opaque.contains(&table.name) {
                None
            } else {
                belongs_to_another_row(db, table, completed, target).await?
            };
            if is_owned.is_none() {
                self.opaque.insert(table.name.clone());
            }
            if is_owned == Some(true) {
                returned.owned.push(lane.clone());
            } else {
                returned.lanes.push(lane.clone());
                returned.targets.push(target);
                returned.table = Some(table);
            }
        }
        Ok(returned)
    }
}

/// Twins of one deletion that are there.
struct Returned<'a> {
    /// The deletion's table, if any twin returned.
    table: Option<&'a Table>,
    /// The lanes and targets of those that returned.
    lanes: Vec<Lane>,
    targets: Vec<&'a Target>,
    /// The lanes of those that another row has by now.
    owned: Vec<Lane>,
}

/// Remembers twins that are there and not deleted, and logs them if that is news.
fn remember(checkpoint: &mut VerifyCheckpoint, candidate: &Candidate, lanes: Vec<Lane>, found: TwinFinding) {
    let (id, names) = (candidate.completed.id, lanes.join(", "));
    match found {
        _ if lanes.iter().all(|lane| candidate.before.get(lane) == Some(&found)) => {}
        TwinFinding::Owned => {
            tracing::info!(%id, "what deletion {id} deleted is there in {names}, as another row's by now")
        }
        TwinFinding::Returned => tracing::warn!(%id, "what deletion {id} deleted is there again in {names}"),
    }
    checkpoint.count_returned(found, lanes.len());
    checkpoint.remember(&candidate.completed, lanes, found);
}
