//! One deletion in full, finished or not: what `sexton show` tells.

use sea_orm::{ConnectionTrait, QueryResult};
use serde::Serialize;

use crate::{
    db::{self, Dialect},
    ids::{BatchId, DeletionId},
    ledger::{Confirmations, Ledger},
    state::State,
};

/// A deletion in full; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "each field is the column of the same name")]
pub struct Record {
    #[cfg_attr(feature = "openapi", schema(value_type = uuid::Uuid))]
    pub id: DeletionId,
    pub resource: String,
    pub key: Option<String>,
    pub key_hash: Option<String>,
    pub state: String,
    pub phase: Option<String>,
    pub lane: Option<String>,
    pub run_at: Option<String>,
    pub fence: i64,
    pub attempts: i32,
    pub rescues: i32,
    pub worker: Option<String>,
    pub lease_until: Option<String>,
    pub called_at: Option<String>,
    pub batch_id: String,
    pub targets: Vec<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, super::Confirmation>))]
    pub confirmations: Confirmations,
    pub requested_at: String,
    pub requested_by: String,
    pub reason: Option<String>,
    pub last_error: Option<String>,
    pub last_error_kind: Option<String>,
    pub dead_at: Option<String>,
    pub dead_kind: Option<String>,
    pub cancelled_by: Option<String>,
    pub finished_at: Option<String>,
    pub row_outcome: Option<String>,
    pub children_deleted: Option<i32>,
    pub failed_attempts: Vec<AttemptRecord>,
    pub actions: Vec<ActionRecord>,
}

/// A failed attempt.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "each field is the column of the same name")]
pub struct AttemptRecord {
    pub at: String,
    pub fence: i64,
    pub target: String,
    pub outcome: String,
    pub status: Option<i32>,
    pub reason: String,
    pub duration_ms: i64,
    pub worker: String,
}

/// An operator's action on the deletion.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(missing_docs, reason = "each field is the column of the same name")]
pub struct ActionRecord {
    pub at: String,
    pub who: String,
    pub action: String,
    pub reason: Option<String>,
}

impl Ledger {
    /// The deletion `id`, or none.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn record(&self, conn: &impl ConnectionTrait, id: DeletionId) -> Result<Option<Record>, db::Error> {
        let d = self.dialect;
        let by_id = format!("where id = {}", d.param(1, "uuid"));
        let row = match self.one(conn, &format!("{} {by_id}", self.open_columns()), id).await? {
            Some(row) => row,
            None => match self.one(conn, &format!("{} {by_id}", self.done_columns()), id).await? {
                Some(row) => row,
                None => return Ok(None),
            },
        };
        let mut record = record(id, &row)?;
        record.failed_attempts = self.attempts(conn, id).await?;
        record.actions = self.actions(conn, id).await?;
        Ok(Some(record))
    }

    /// The newest deletion of a row: an open or dead one, else the one that finished last.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn find(
        &self,
        conn: &impl ConnectionTrait,
        resource: &str,
        key: &str,
    ) -> Result<Option<DeletionId>, db::Error> {
        let mut values: Vec<sea_orm::Value> = vec![resource.into(), key.into()];
        if self.dialect == Dialect::Sqlite {
            values.push(self.key_hashes(conn, resource, &[key.to_owned()]).await?.concat().into());
        }
        let row = conn.query_one_raw(self.dialect.statement(self.find_statement(), values)).await?;
        let Some(row) = row else { return Ok(None) };
        let id: String = row.try_get("", "id")?;
        id.parse().map(Some).map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))
    }

    /// `$1` is the resource and `$2` the key; `$3` is the key's hash on SQLite, which cannot hash by itself.
    pub(crate) fn find_statement(&self) -> String {
        let id = self.dialect.cast("id", "text");
        let is_it = match self.dialect {
            Dialect::Postgres => self.is_kept_as("d", "$1", "$2"),
            Dialect::Sqlite => "(d.key = $2 or d.key_hash = $3)".to_owned(),
        };
        format!(
            "select id from (
                select {id} as id, requested_at from {} where resource = $1 and key = $2
                union all
                select {id} as id, requested_at from {} d where d.resource = $1 and {is_it}
             ) deletions order by requested_at desc, id desc limit 1",
            self.deletion, self.done
        )
    }

    /// The deletions of a request that are not cancelled, in the order of their ids.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn of_batch(&self, conn: &impl ConnectionTrait, batch: BatchId) -> Result<Vec<DeletionId>, db::Error> {
        let statement = self.dialect.statement(self.of_batch_statement(), [batch.to_string().into()]);
        let rows = conn.query_all_raw(statement).await?;
        let ids = rows.iter().map(|row| row.try_get::<String>("", "id"));
        ids.map(|id| id?.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))).collect()
    }

    /// `$1` is the batch.
    pub(crate) fn of_batch_statement(&self) -> String {
        let d = self.dialect;
        let (id, wanted) = (d.cast("id", "text"), d.param(1, "uuid"));
        format!(
            "select {id} as id from {} where batch_id = {wanted}
             union all
             select {id} from {} where batch_id = {wanted} and state = '{}' order by id",
            self.deletion,
            self.done,
            State::Completed,
        )
    }

    async fn one(
        &self,
        conn: &impl ConnectionTrait,
        sql: &str,
        id: DeletionId,
    ) -> Result<Option<QueryResult>, db::Error> {
        conn.query_one_raw(self.dialect.statement(sql, [id.to_string().into()])).await.map_err(Into::into)
    }

    fn open_columns(&self) -> String {
        let d = self.dialect;
        format!(
            "select {common}, phase, lane, {} as run_at, worker, {} as lease_until, {} as dead_at, dead_kind,
                null as key_hash, null as cancelled_by, null as finished_at, null as row_outcome, {} as children_deleted from {}",
            d.iso("run_at"),
            d.iso("lease_until"),
            d.iso("dead_at"),
            d.cast("null", "integer"),
            self.deletion,
            common = self.common_columns(),
        )
    }

    pub(in crate::ledger) fn done_columns(&self) -> String {
        format!(
            "select {common}, null as phase, null as lane, null as run_at, null as worker, null as lease_until,
                null as dead_at, null as dead_kind, key_hash, cancelled_by, {} as finished_at, row_outcome, children_deleted from {}",
            self.dialect.iso("finished_at"),
            self.done,
            common = self.common_columns(),
        )
    }

    fn common_columns(&self) -> String {
        let d = self.dialect;
        format!(
            "resource, key, state, fence, attempts, rescues, {} as called_at, {} as batch_id, {} as targets,
             {} as confirmations, {} as requested_at, requested_by, reason, last_error, last_error_kind",
            d.iso("called_at"),
            d.cast("batch_id", "text"),
            d.cast("targets", "text"),
            d.cast("confirmations", "text"),
            d.iso("requested_at"),
        )
    }

    /// The columns that [`attempt_record`] reads.
    pub(in crate::ledger) fn attempt_columns(&self) -> String {
        let d = self.dialect;
        format!(
            "select {} as deletion_id, {} as at, fence, target, outcome, {} as status, reason, duration_ms, worker from {}",
            d.cast("deletion_id", "text"),
            d.iso("at"),
            d.cast("status", "integer"),
            self.attempt,
        )
    }

    /// The columns that [`action_record`] reads.
    pub(in crate::ledger) fn action_columns(&self) -> String {
        let d = self.dialect;
        let (deletion, at) = (d.cast("deletion_id", "text"), d.iso("at"));
        format!("select {deletion} as deletion_id, {at} as at, who, action, reason from {}", self.action)
    }

    async fn attempts(&self, conn: &impl ConnectionTrait, id: DeletionId) -> Result<Vec<AttemptRecord>, db::Error> {
        let wanted = self.dialect.param(1, "uuid");
        let sql = format!(
            "{} where sexton_attempt.deletion_id = {wanted} order by fence, sexton_attempt.at limit 1000",
            self.attempt_columns()
        );
        let rows = conn.query_all_raw(self.dialect.statement(sql, [id.to_string().into()])).await?;
        rows.iter().map(attempt_record).collect()
    }

    async fn actions(&self, conn: &impl ConnectionTrait, id: DeletionId) -> Result<Vec<ActionRecord>, db::Error> {
        let wanted = self.dialect.param(1, "uuid");
        let sql =
            format!("{} where sexton_action.deletion_id = {wanted} order by sexton_action.id", self.action_columns());
        let rows = conn.query_all_raw(self.dialect.statement(sql, [id.to_string().into()])).await?;
        rows.iter().map(action_record).collect()
    }
}

pub(in crate::ledger) fn attempt_record(row: &QueryResult) -> Result<AttemptRecord, db::Error> {
    Ok(AttemptRecord {
        at: row.try_get("", "at")?,
        fence: row.try_get("", "fence")?,
        target: row.try_get("", "target")?,
        outcome: row.try_get("", "outcome")?,
        status: row.try_get("", "status")?,
        reason: row.try_get("", "reason")?,
        duration_ms: row.try_get("", "duration_ms")?,
        worker: row.try_get("", "worker")?,
    })
}

pub(in crate::ledger) fn action_record(row: &QueryResult) -> Result<ActionRecord, db::Error> {
    Ok(ActionRecord {
        at: row.try_get("", "at")?,
        who: row.try_get("", "who")?,
        action: row.try_get("", "action")?,
        reason: row.try_get("", "reason")?,
    })
}

pub(in crate::ledger) fn record(id: DeletionId, row: &QueryResult) -> Result<Record, db::Error> {
    let json_error = |e: serde_json::Error| db::Error::unreadable(e.to_string());
    Ok(Record {
        id,
        resource: row.try_get("", "resource")?,
        key: row.try_get("", "key")?,
        key_hash: row.try_get("", "key_hash")?,
        state: row.try_get("", "state")?,
        phase: row.try_get("", "phase")?,
        lane: row.try_get("", "lane")?,
        run_at: row.try_get("", "run_at")?,
        fence: row.try_get("", "fence")?,
        attempts: row.try_get("", "attempts")?,
        rescues: row.try_get("", "rescues")?,
        worker: row.try_get("", "worker")?,
        lease_until: row.try_get("", "lease_until")?,
        called_at: row.try_get("", "called_at")?,
        batch_id: row.try_get("", "batch_id")?,
        targets: serde_json::from_str(&row.try_get::<String>("", "targets")?).map_err(json_error)?,
        confirmations: serde_json::from_str(&row.try_get::<String>("", "confirmations")?).map_err(json_error)?,
        requested_at: row.try_get("", "requested_at")?,
        requested_by: row.try_get("", "requested_by")?,
        reason: row.try_get("", "reason")?,
        last_error: row.try_get("", "last_error")?,
        last_error_kind: row.try_get("", "last_error_kind")?,
        dead_at: row.try_get("", "dead_at")?,
        dead_kind: row.try_get("", "dead_kind")?,
        cancelled_by: row.try_get("", "cancelled_by")?,
        finished_at: row.try_get("", "finished_at")?,
        row_outcome: row.try_get("", "row_outcome")?,
        children_deleted: row.try_get("", "children_deleted")?,
        failed_attempts: Vec::new(),
        actions: Vec::new(),
    })
}
