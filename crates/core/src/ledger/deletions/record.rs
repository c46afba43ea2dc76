//! Reading one deletion in full, finished or not, as `sexton show` and the API return it.

use sea_orm::ConnectionTrait;
use serde::Serialize;

use crate::{
    db::{self, Row, Sql, Words},
    ids::{BatchId, DeletionId, Lane},
    ledger::{Confirmations, Ledger, Phase, RowOutcome},
    state::{Cancellation, State},
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
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub state: State,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub phase: Option<Phase>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub lane: Option<Lane>,
    pub run_at: Option<String>,
    pub fence: i64,
    pub attempts: i32,
    pub rescues: i32,
    pub worker: Option<String>,
    pub lease_until: Option<String>,
    pub called_at: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub batch_id: BatchId,
    pub targets: Vec<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, super::Confirmation>))]
    pub confirmations: Confirmations,
    pub requested_at: String,
    pub requested_by: String,
    pub reason: Option<String>,
    pub last_error: Option<String>,
    pub last_error_kind: Option<String>,
    pub dead_at: Option<String>,
    // A text: a newer program may know kinds that this one does not.
    pub dead_kind: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub cancelled_by: Option<Cancellation>,
    pub finished_at: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub row_outcome: Option<RowOutcome>,
    pub children_deleted: Option<i32>,
    pub failed_attempts: Vec<AttemptRecord>,
    pub actions: Vec<ActionRecord>,
}

impl Record {
    /// The resource and the row's key, or the key's hash.
    #[must_use]
    pub fn describe(&self) -> String {
        let key = self.key.as_ref().or(self.key_hash.as_ref());
        format!("{} {}", self.resource, key.map_or("", String::as_str))
    }
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

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    open: Sql,
    done: Sql,
    attempts: Sql,
    actions: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let open = "-- read an open deletion
            select {open_columns} from {deletion} where id = {uuid:@id}";
        let done = "-- read a finished deletion
            select {done_columns} from {done} where id = {uuid:@id}";
        // The tables are named: `at` and `deletion_id` are texts that are selected.
        let attempts = "-- read the failed attempts of a deletion
            select {attempt_columns} from {attempt} where sexton_attempt.deletion_id = {uuid:@id}
            order by fence, sexton_attempt.at limit 1000";
        let actions = "-- read the actions on a deletion
            select {action_columns} from {action} where sexton_action.deletion_id = {uuid:@id}
            order by sexton_action.id";
        Self {
            open: words.render(open),
            done: words.render(done),
            attempts: words.render(attempts),
            actions: words.render(actions),
        }
    }
}

/// The words and these, the columns of what is shown of a deletion:
/// * `{open_columns}` and `{done_columns}`, which [`record`] reads, of the tables of open and finished deletions;
/// * `{attempt_columns}`, which [`attempt_record`] reads;
/// * `{action_columns}`, which [`action_record`] reads.
pub(in crate::ledger) fn words(words: Words) -> Words {
    let common = words.expand(COMMON_COLUMNS);
    let words = words.with([("common_columns", common)]);
    let columns = [
        ("open_columns", words.expand(OPEN_COLUMNS)),
        ("done_columns", words.expand(DONE_COLUMNS)),
        ("attempt_columns", words.expand(ATTEMPT_COLUMNS)),
        ("action_columns", words.expand(ACTION_COLUMNS)),
    ];
    words.with(columns)
}

const COMMON_COLUMNS: &str = "
    resource, key, state, fence, attempts, rescues, {iso:called_at} as called_at, {text:batch_id} as batch_id,
    {text:targets} as targets, {text:confirmations} as confirmations,
    {iso:requested_at} as requested_at, requested_by, reason, last_error, last_error_kind";

const OPEN_COLUMNS: &str = "
    {common_columns}, phase, lane, {iso:run_at} as run_at, worker, {iso:lease_until} as lease_until,
    {iso:dead_at} as dead_at, dead_kind,
    null as key_hash, null as cancelled_by, null as finished_at, null as row_outcome, {integer:null} as children_deleted";

const DONE_COLUMNS: &str = "
    {common_columns}, null as phase, null as lane, null as run_at, null as worker, null as lease_until,
    null as dead_at, null as dead_kind,
    key_hash, cancelled_by, {iso:finished_at} as finished_at, row_outcome, children_deleted";

const ATTEMPT_COLUMNS: &str = "
    {text:deletion_id} as deletion_id, {iso:at} as at, fence, target, outcome, {integer:status} as status, reason,
    duration_ms, worker";

const ACTION_COLUMNS: &str = "{text:deletion_id} as deletion_id, {iso:at} as at, who, action, reason";

impl Ledger {
    /// The deletion `id`, or none.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn record(&self, conn: &impl ConnectionTrait, id: DeletionId) -> Result<Option<Record>, db::Error> {
        let Statements { open, done, attempts, actions } = &self.sql.record;
        let by_id = |sql: &Sql| sql.bind([("id", id.to_string().into())]);
        let row = match by_id(open).one(conn).await? {
            Some(row) => Some(row),
            None => by_id(done).one(conn).await?,
        };
        let Some(row) = row else { return Ok(None) };
        let mut record = record(id, &row)?;
        record.failed_attempts =
            by_id(attempts).all(conn).await?.iter().map(attempt_record).collect::<Result<_, _>>()?;
        record.actions = by_id(actions).all(conn).await?.iter().map(action_record).collect::<Result<_, _>>()?;
        Ok(Some(record))
    }
}

pub(in crate::ledger) fn attempt_record(row: &Row) -> Result<AttemptRecord, db::Error> {
    Ok(AttemptRecord {
        at: row.get("at")?,
        fence: row.get("fence")?,
        target: row.get("target")?,
        outcome: row.get("outcome")?,
        status: row.get("status")?,
        reason: row.get("reason")?,
        duration_ms: row.get("duration_ms")?,
        worker: row.get("worker")?,
    })
}

pub(in crate::ledger) fn action_record(row: &Row) -> Result<ActionRecord, db::Error> {
    Ok(ActionRecord {
        at: row.get("at")?,
        who: row.get("who")?,
        action: row.get("action")?,
        reason: row.get("reason")?,
    })
}

pub(in crate::ledger) fn record(id: DeletionId, row: &Row) -> Result<Record, db::Error> {
    Ok(Record {
        id,
        resource: row.get("resource")?,
        key: row.get("key")?,
        key_hash: row.get("key_hash")?,
        state: row.parse("state")?,
        phase: row.parse_opt("phase")?,
        lane: row.parse_opt("lane")?,
        run_at: row.get("run_at")?,
        fence: row.get("fence")?,
        attempts: row.get("attempts")?,
        rescues: row.get("rescues")?,
        worker: row.get("worker")?,
        lease_until: row.get("lease_until")?,
        called_at: row.get("called_at")?,
        batch_id: row.parse("batch_id")?,
        targets: row.json("targets")?,
        confirmations: row.json("confirmations")?,
        requested_at: row.get("requested_at")?,
        requested_by: row.get("requested_by")?,
        reason: row.get("reason")?,
        last_error: row.get("last_error")?,
        last_error_kind: row.get("last_error_kind")?,
        dead_at: row.get("dead_at")?,
        dead_kind: row.get("dead_kind")?,
        cancelled_by: row.parse_opt("cancelled_by")?,
        finished_at: row.get("finished_at")?,
        row_outcome: row.parse_opt("row_outcome")?,
        children_deleted: row.get("children_deleted")?,
        failed_attempts: Vec::new(),
        actions: Vec::new(),
    })
}
