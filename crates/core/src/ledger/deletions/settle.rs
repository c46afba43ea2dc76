//! Writing back what an attempt came to, when the deletion goes on living: retry, snooze, dead letter, changed row.

use std::{collections::HashSet, time::Duration};

use sea_orm::{ConnectionTrait, Value};
use serde::Serialize;
use serde_json::json;

use crate::{
    db::{self, Db, Dialect, kill_point, millis, recordset},
    ids::{DeletionId, Fence, Lane},
    ledger::{Confirmations, Ledger, among},
    outcome::DeadKind,
    state::Event,
    template::Values,
};

/// Which half of its life a deletion is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Targets are asked.
    Confirm,
    /// They confirmed; the row is deleted later (`delete_after`).
    Remove,
}

impl Phase {
    /// As in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Remove => "remove",
        }
    }
}

impl std::str::FromStr for Phase {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "confirm" => Ok(Self::Confirm),
            "remove" => Ok(Self::Remove),
            other => Err(format!("`{other}` is not a phase of a deletion")),
        }
    }
}

/// A failed attempt, kept for on-call. Never a body, never a URL with values.
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

/// What becomes of a claimed deletion that is not finished.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The deletion.
    pub id: DeletionId,
    /// The claim under which it was worked on.
    pub fence: Fence,
    /// What happened: one of the events that `running` allows, other than `Finished`.
    pub event: Event,
    /// The phase it goes on in.
    pub phase: Phase,
    /// When it is due again.
    pub delay: Duration,
    /// Whether the attempt is given back, because none was made.
    pub give_back: bool,
    /// Whether it is known that no external call was ever made, so that it may be restored again.
    pub uncalled: bool,
    /// The lane it waits in.
    pub lane: Lane,
    /// All confirmations so far.
    pub confirmations: Confirmations,
    /// The row's values, if they were read anew.
    pub payload: Option<Values>,
    /// The class of the failure and what on-call is told.
    pub error: Option<(String, String)>,
    /// Why it is dead, if it is.
    pub dead: Option<DeadKind>,
    /// The failed attempt, if one was made.
    pub attempt: Option<FailedAttempt>,
}

impl Ledger {
    /// Writes settlements in one statement and one commit. Returns the deletions that were written; the others are no
    /// longer ours (the lease was lost), and nothing of them was changed.
    ///
    /// # Errors
    /// Whatever the database says; nothing is written then.
    pub async fn settle(
        &self,
        db: &Db,
        settlements: &[Settlement],
        worker: &str,
    ) -> Result<HashSet<DeletionId>, db::Error> {
        let records: Vec<_> = settlements.iter().map(record).collect();
        match self.dialect {
            Dialect::Postgres => {
                let sql = self.settle_postgres();
                let values = [serde_json::Value::from(records).to_string().into(), worker.into()];
                kill_point("settle::before");
                let rows = db.conn.query_all_raw(self.dialect.statement(sql, values)).await?;
                kill_point("settle::committed");
                let ids = rows.iter().map(|row| row.try_get::<String>("", "id"));
                ids.map(|id| id?.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))).collect()
            }
            Dialect::Sqlite => {
                let transaction = db.begin().await?;
                let (update, insert) = self.settle_sqlite();
                let mut written = HashSet::new();
                for (settlement, record) in settlements.iter().zip(records) {
                    let values: [Value; 2] = [record.to_string().into(), worker.into()];
                    let update = self.dialect.statement(&update, [values[0].clone()]);
                    if transaction.execute_raw(update).await?.rows_affected() == 0 {
                        continue;
                    }
                    written.insert(settlement.id);
                    if settlement.attempt.is_some() {
                        transaction.execute_raw(self.dialect.statement(&insert, values)).await?;
                    }
                }
                kill_point("settle::before");
                transaction.commit().await?;
                kill_point("settle::committed");
                Ok(written)
            }
        }
    }

    fn settle_postgres(&self) -> String {
        format!(
            // Locked in the order of their ids, as renewing does: see there.
            "with x as (select * from {records}),
             ours as materialized (
                select d.id from {deletion} d join x on x.id = d.id and x.fence = d.fence
                where d.id {among} and d.state in ({running}) order by d.id for update of d
             ),
             written as (
                update {deletion} d set state = x.state, phase = x.phase,
                    run_at = clock_timestamp() + x.delay_ms * interval '1 millisecond',
                    attempts = greatest(d.attempts - x.give_back, 0),
                    rescues = case when x.give_back = 0 then 0 else d.rescues end,
                    called_at = case when x.uncalled then null else d.called_at end,
                    lane = x.lane, confirmations = x.confirmations, payload = coalesce(x.payload, d.payload),
                    marker_value = case when x.payload is null then d.marker_value else x.payload ->> d.marker_column end,
                    last_error = coalesce(x.error, d.last_error),
                    last_error_kind = coalesce(x.error_kind, d.last_error_kind),
                    dead_kind = x.dead_kind, dead_at = case when x.dead_kind is not null then clock_timestamp() end,
                    lease_until = null, worker = null, calling = null
                from x join ours on ours.id = x.id where d.id = x.id and d.id {among} and d.fence = x.fence and d.state in ({running})
                returning d.id, d.fence
             ),
             tried as (
                insert into {attempt} (deletion_id, fence, target, outcome, status, reason, duration_ms, worker)
                select x.id, x.fence, x.target, x.outcome, x.status, x.failure, x.duration_ms, $2
                from x join written on written.id = x.id where x.target is not null
                on conflict do nothing
             )
             select id::text as id from written",
            among = among(1),
            records = recordset(
                1,
                "id uuid, fence bigint, state text, phase text, delay_ms bigint, give_back int, uncalled bool, lane text, \
                 confirmations jsonb, payload jsonb, error text, error_kind text, dead_kind text, target text, \
                 outcome text, status smallint, failure text, duration_ms bigint"
            ),
            deletion = self.deletion,
            running = Event::Failed.sql_from(),
            attempt = self.attempt,
        )
    }

    fn settle_sqlite(&self) -> (String, String) {
        let x = |name: &str| format!("json_extract($1, '$.{name}')");
        let update = format!(
            "update {} set state = {}, phase = {}, run_at = {}, attempts = max(attempts - {give_back}, 0),
                rescues = case when {give_back} = 0 then 0 else rescues end,
                called_at = case when {} then null else called_at end,
                lane = {}, confirmations = {}, payload = coalesce({payload}, payload),
                marker_value = case when {payload} is null then marker_value else {payload} ->> marker_column end,
                last_error = coalesce({}, last_error), last_error_kind = coalesce({}, last_error_kind),
                dead_kind = {dead}, dead_at = case when {dead} is not null then {} end,
                lease_until = null, worker = null, calling = null
             where id = {} and fence = {} and state in ({})",
            self.deletion,
            x("state"),
            x("phase"),
            self.dialect.in_ms(&x("delay_ms")),
            x("uncalled"),
            x("lane"),
            x("confirmations"),
            x("error"),
            x("error_kind"),
            self.dialect.now(),
            x("id"),
            x("fence"),
            Event::Failed.sql_from(),
            payload = x("payload"),
            give_back = x("give_back"),
            dead = x("dead_kind"),
        );
        let insert = format!(
            "insert into {} (deletion_id, fence, target, outcome, status, reason, duration_ms, worker)
             values ({}, {}, {}, {}, {}, {}, {}, $2) on conflict do nothing",
            self.attempt,
            x("id"),
            x("fence"),
            x("target"),
            x("outcome"),
            x("status"),
            x("failure"),
            x("duration_ms"),
        );
        (update, insert)
    }
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
        "payload": settlement.payload,
        "error": settlement.error.as_ref().map(|e| &e.1),
        "error_kind": settlement.error.as_ref().map(|e| &e.0),
        "dead_kind": settlement.dead.map(DeadKind::as_str),
        "target": attempt.map(|a| &a.target),
        "outcome": attempt.map(|a| &a.outcome),
        "status": attempt.and_then(|a| a.status),
        "failure": attempt.map(|a| &a.reason),
        "duration_ms": attempt.map(|a| millis(a.duration)),
    })
}
