//! Completed deletions in the order in which they finished, for those who look at their twins once more.

use sea_orm::{ConnectionTrait, QueryResult, Value};

use crate::{
    db::{self, Db},
    ids::{DeletionId, Lane},
    ledger::{Confirmations, FinishedAt, Ledger, Phase},
    state::State,
    template::Values,
};

/// A completed deletion and what it still knows.
#[derive(Debug, Clone)]
pub struct Completed {
    /// When it finished, and its id, as the order has them.
    pub finished: FinishedAt,
    /// The deletion.
    pub id: DeletionId,
    /// When it finished, RFC 3339.
    pub at: String,
    /// The resource's name.
    pub resource: String,
    /// The row's key, unless only its hash is kept.
    pub key: Option<String>,
    /// Whether the row stays, marked.
    pub kept: bool,
    /// Who requested it.
    pub requested_by: String,
    /// What its targets answered.
    pub confirmations: Confirmations,
    /// What it kept of the row; empty once that is scrubbed.
    pub refs: Values,
}

/// A completed deletion as it is taken up again.
#[derive(Debug, Clone)]
pub struct AskAgain<'a> {
    /// The one that is completed.
    pub completed: &'a Completed,
    /// What is still confirmed: the other targets are asked.
    pub confirmed: Confirmations,
    /// What they are asked with.
    pub values: &'a Values,
    /// In which lane.
    pub lane: Lane,
    /// The way of marking by which it ends.
    pub rule: usize,
    /// Who asks.
    pub by: &'a str,
    /// Why.
    pub reason: String,
}

impl FinishedAt {
    /// The deletion.
    #[must_use]
    pub fn deletion(&self) -> Option<DeletionId> {
        self.id.parse().ok()
    }
}

impl Ledger {
    /// The next of those that finished, however they did, from `since` until `until` (as the database writes times), at most
    /// `limit`. They are read from the index alone.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn finished_in_order(
        &self,
        db: &Db,
        since: &str,
        until: &str,
        after: Option<&FinishedAt>,
        limit: usize,
    ) -> Result<Vec<FinishedAt>, db::Error> {
        let d = self.dialect;
        let time = |n: usize| d.param(n, "text::timestamptz");
        let mut values: Vec<Value> = vec![since.into(), until.into()];
        let mut beyond = String::new();
        if let Some(FinishedAt { at, id }) = after {
            values.extend([at.as_str().into(), id.as_str().into()]);
            beyond = format!("and (d.finished_at, d.id) > ({}, {})", time(3), d.param(4, "text::uuid"));
        }
        let sql = format!(
            "select {} as id, {} as at from {} d where d.finished_at >= {} and d.finished_at < {} {beyond}
             order by d.finished_at, d.id limit {limit}",
            d.cast("d.id", "text"),
            d.cast("d.finished_at", "text"),
            self.done,
            time(1),
            time(2),
        );
        db.read_giving_way(sql, values).await?.iter().map(finished_at).collect()
    }

    /// Those of the deletions that are completed, in their order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn completed(&self, db: &Db, which: &[FinishedAt]) -> Result<Vec<Completed>, db::Error> {
        let (Some(first), Some(last)) = (which.iter().min(), which.iter().max()) else { return Ok(Vec::new()) };
        let d = self.dialect;
        let json = |column: &str| d.cast(&format!("d.{column}"), "text");
        let sql = format!(
            "select {} as id, {} as at, {} as iso, d.resource, d.key, d.row_outcome = 'kept' as kept, d.requested_by,
                {} as confirmations, coalesce({}, '{{}}') as refs
             from {} d where d.id {} and d.finished_at >= {} and d.finished_at <= {} and d.state = '{}'
             order by d.finished_at, d.id",
            d.cast("d.id", "text"),
            d.cast("d.finished_at", "text"),
            d.iso("d.finished_at"),
            json("confirmations"),
            json("refs"),
            self.done,
            d.any_of(1, "uuid"),
            // So that only the partitions are read that have them.
            d.param(2, "text::timestamptz"),
            d.param(3, "text::timestamptz"),
            State::Completed,
        );
        let ids: Vec<&str> = which.iter().map(|one| one.id.as_str()).collect();
        let ids = serde_json::Value::from(ids).to_string();
        let values = vec![ids.into(), first.at.as_str().into(), last.at.as_str().into()];
        db.read_giving_way(sql, values).await?.iter().map(read).collect()
    }

    /// Takes a completed deletion up again, so that a worker asks targets once more. Its row is gone, so it cannot be restored.
    /// Returns the new deletion, or none if the row has an open or dead one by now.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn ask_again(
        &self,
        conn: &impl ConnectionTrait,
        again: &AskAgain<'_>,
    ) -> Result<Option<DeletionId>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "insert into {} as d (id, resource, key, lane, state, phase, run_at, batch_id, marker_rule, marker_column, marker_value,
                targets, confirmations, payload, requested_by, reason, called_at)
             select {id}, f.resource, f.key, $2, '{pending}', '{confirm}', {now}, f.batch_id, {rule}, f.marker_column,
                f.marker_value, f.targets, {confirmations}, {payload}, $5, $6, {now}
             from {done} f where f.id = {done_id} and f.finished_at = {finished_at} and f.key is not null
             on conflict (resource, key) do nothing returning 1",
            self.deletion,
            id = d.param(1, "uuid"),
            pending = State::Pending,
            confirm = Phase::Confirm.as_str(),
            now = d.now(),
            confirmations = d.param(3, "jsonb"),
            payload = d.param(4, "jsonb"),
            done = self.done,
            rule = again.rule,
            done_id = d.param(7, "text::uuid"),
            finished_at = d.param(8, "text::timestamptz"),
        );
        let id = DeletionId::new();
        let text = |json: serde_json::Result<String>| json.map_err(|error| db::Error::unreadable(error.to_string()));
        let values: [Value; 8] = [
            id.to_string().into(),
            again.lane.as_str().into(),
            text(serde_json::to_string(&again.confirmed))?.into(),
            text(serde_json::to_string(again.values))?.into(),
            again.by.into(),
            again.reason.as_str().into(),
            again.completed.finished.id.as_str().into(),
            again.completed.finished.at.as_str().into(),
        ];
        Ok(conn.query_one_raw(d.statement(sql, values)).await?.map(|_| id))
    }
}

fn finished_at(row: &QueryResult) -> Result<FinishedAt, db::Error> {
    Ok(FinishedAt { at: row.try_get("", "at")?, id: row.try_get("", "id")? })
}

fn read(row: &QueryResult) -> Result<Completed, db::Error> {
    let finished = finished_at(row)?;
    let json = |error: serde_json::Error| db::Error::unreadable(error.to_string());
    let (confirmations, refs): (String, String) = (row.try_get("", "confirmations")?, row.try_get("", "refs")?);
    Ok(Completed {
        id: finished.id.parse().map_err(|error: uuid::Error| db::Error::unreadable(error.to_string()))?,
        finished,
        at: row.try_get("", "iso")?,
        resource: row.try_get("", "resource")?,
        key: row.try_get("", "key")?,
        kept: row.try_get("", "kept")?,
        requested_by: row.try_get("", "requested_by")?,
        confirmations: serde_json::from_str(&confirmations).map_err(json)?,
        refs: serde_json::from_str(&refs).map_err(json)?,
    })
}
