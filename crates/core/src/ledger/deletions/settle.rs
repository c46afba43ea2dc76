//! Writing back what an attempt came to when it did not finish the deletion: retry, snooze, dead letter, changed row.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use serde_json::json;

use crate::{
    db::{self, Db, Dialect, Row, Sql, Words, kill_point, millis},
    ids::{DeletionId, Fence, Lane},
    ledger::{Confirmations, Ledger, Phase},
    outcome::DeadKind,
    state::Event,
    template::Values,
};

/// A failed attempt, recorded for on-call. Never a body, never a URL with values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAttempt {
    /// The target, or `row` when the database refused.
    pub target: String,
    /// The class of the failure.
    pub outcome: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// A short reason code.
    pub reason: String,
    /// How long the call took.
    pub duration: Duration,
}

/// The last failure of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// Its class: that of the call's outcome, or the kind of dead letter.
    pub class: String,
    /// What on-call is told.
    pub text: String,
}

/// What becomes of a claimed deletion that is not finished.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The deletion.
    pub id: DeletionId,
    /// The claim under which it was worked on.
    pub fence: Fence,
    /// What happened: one of the events that `running` allows, other than `Finished`.
    pub event: Event,
    /// The phase that it is in from now on.
    pub phase: Phase,
    /// How long from now it is due.
    pub delay: Duration,
    /// Whether the attempt is given back, because none was made.
    pub give_back: bool,
    /// Whether it is known that no external call was ever made, so that it may be restored.
    pub uncalled: bool,
    /// The lane in which it waits.
    pub lane: Lane,
    /// All confirmations so far.
    pub confirmations: Confirmations,
    /// The targets whose "gone" is no surprise: they may have acted on a call whose answer was lost.
    pub gone_expected: BTreeSet<String>,
    /// The row's values, if they were read anew.
    pub payload: Option<Values>,
    /// What failed, if anything did.
    pub error: Option<LastError>,
    /// Why it is dead, if it is.
    pub dead: Option<DeadKind>,
    /// How long the next DELETE of its row may take, if the last one took too long.
    pub delete_limit: Option<Duration>,
    /// The failed attempt, if one was made.
    pub attempt: Option<FailedAttempt>,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    write: Sql,
    /// SQLite only; on PostgreSQL it is a part of `write`.
    record_attempt: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let write = words.pick(include_str!("settle.write.postgres.sql"), include_str!("settle.write.sqlite.sql"));
        Self {
            write: words.render(write),
            record_attempt: words.render(include_str!("settle.record_attempt.sqlite.sql")),
        }
    }
}

impl Ledger {
    /// Writes settlements in one statement (PostgreSQL) and one commit. Returns the deletions that were written; the
    /// others are no longer ours (the lease was lost), and nothing of them was changed.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing is written then.
    pub async fn settle(
        &self,
        db: &Db,
        settlements: &[Settlement],
        worker: &str,
    ) -> Result<HashSet<DeletionId>, db::Error> {
        let Statements { write, record_attempt } = &self.sql.settle;
        let records: Vec<_> = settlements.iter().map(record).collect();
        match self.dialect {
            Dialect::Postgres => {
                let values = [("settlements", json!(records).to_string().into()), ("worker", worker.into())];
                kill_point("settle::before");
                let rows = write.bind(values).all(&db.conn).await?;
                kill_point("settle::committed");
                rows.iter().map(|row: &Row| row.parse("id")).collect()
            }
            Dialect::Sqlite => {
                let transaction = db.begin().await?;
                let mut written = HashSet::new();
                for (settlement, record) in settlements.iter().zip(records) {
                    let record = record.to_string();
                    if write.bind([("settlement", record.as_str().into())]).execute(&transaction).await? == 0 {
                        continue;
                    }
                    written.insert(settlement.id);
                    if settlement.attempt.is_some() {
                        let values = [("settlement", record.into()), ("worker", worker.into())];
                        record_attempt.bind(values).execute(&transaction).await?;
                    }
                }
                kill_point("settle::before");
                transaction.commit().await?;
                kill_point("settle::committed");
                Ok(written)
            }
        }
    }
}

/// When the last answer came that is still to be judged; RFC 3339, as the ledger of each database keeps times.
fn held_at(confirmations: &Confirmations) -> Option<&str> {
    let doubted = confirmations.values().filter(|confirmation| confirmation.doubted);
    doubted.map(|confirmation| confirmation.at.as_str()).max()
}

fn record(settlement: &Settlement) -> serde_json::Value {
    let attempt = settlement.attempt.as_ref();
    json!({
        "id": settlement.id,
        "fence": settlement.fence,
        "state": settlement.event.to(),
        "phase": settlement.phase,
        "delay_ms": millis(settlement.delay),
        "give_back": i32::from(settlement.give_back),
        "uncalled": settlement.uncalled,
        "lane": settlement.lane,
        "confirmations": settlement.confirmations,
        "gone_expected": settlement.gone_expected,
        "held_at": held_at(&settlement.confirmations),
        "payload": settlement.payload,
        "error": settlement.error.as_ref().map(|error| &error.text),
        "error_kind": settlement.error.as_ref().map(|error| &error.class),
        "dead_kind": settlement.dead.map(DeadKind::as_str),
        "delete_limit_ms": settlement.delete_limit.map(millis),
        "target": attempt.map(|a| &a.target),
        "outcome": attempt.map(|a| &a.outcome),
        "status": attempt.and_then(|a| a.status),
        "failure": attempt.map(|a| &a.reason),
        "duration_ms": attempt.map(|a| millis(a.duration)),
    })
}
