//! Moving a deletion to `sexton_deletion_done`: the proof of what happened.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Dialect, recordset},
    ids::{DeletionId, Fence},
    ledger::{Confirmations, Ledger, among},
    state::Event,
};

/// What became of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOutcome {
    /// Sexton deleted it.
    Deleted,
    /// Somebody else had deleted it.
    AlreadyGone,
    /// It stays, marked (`then = "keep"`).
    Kept,
}

impl RowOutcome {
    /// As in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::AlreadyGone => "already_gone",
            Self::Kept => "kept",
        }
    }
}

/// A deletion all of whose targets have confirmed.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The deletion.
    pub id: DeletionId,
    /// The claim under which it was worked on.
    pub fence: Fence,
    /// All confirmations.
    pub confirmations: Confirmations,
    /// What became of the row.
    pub row: RowOutcome,
    /// How many children went with it in the same transaction.
    pub children: usize,
}

/// The columns that both tables have, in the order in which they are copied.
pub(crate) const COPIED: &str = "id, resource, key, fence, attempts, rescues, called_at, batch_id, parent_id, marker_column, \
                      marker_value, targets, requested_at, requested_by, reason, last_error, last_error_kind, trace_context";

impl Ledger {
    /// Locks those of the claims that are still ours, until the transaction ends.
    ///
    /// # Errors
    /// Whatever the database says. It waits for locks (the caller limits for how long): a deletion whose lease is being
    /// renewed at this moment is still ours.
    pub async fn lock_ours(
        &self,
        transaction: &impl ConnectionTrait,
        claims: &[(DeletionId, Fence)],
    ) -> Result<HashSet<DeletionId>, db::Error> {
        let records: Vec<_> = claims.iter().map(|(id, fence)| json!({ "id": id, "fence": fence })).collect();
        let sql = match self.dialect {
            Dialect::Postgres => format!(
                "select d.id::text as id from {} d join {} on x.id = d.id and x.fence = d.fence
                 where d.id {} and d.state in ({}) order by d.id for update of d",
                self.deletion,
                recordset(1, "id uuid, fence bigint"),
                among(1),
                Event::Finished.sql_from()
            ),
            Dialect::Sqlite => format!(
                "select d.id as id from {} d join json_each($1) x
                 on d.id = json_extract(x.value, '$.id') and d.fence = json_extract(x.value, '$.fence')
                 where d.state in ({})",
                self.deletion,
                Event::Finished.sql_from()
            ),
        };
        let records = serde_json::Value::from(records).to_string();
        let rows = transaction.query_all_raw(self.dialect.statement(sql, [records.into()])).await?;
        ids(&rows)
    }

    /// Finishes deletions within the transaction that deletes their rows. Returns those that were ours to finish.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub async fn finish(
        &self,
        transaction: &impl ConnectionTrait,
        finished: &[Finish],
    ) -> Result<HashSet<DeletionId>, db::Error> {
        let record = |f: &Finish| {
            json!({
                "id": f.id, "fence": f.fence, "confirmations": f.confirmations, "row_outcome": f.row.as_str(),
                "children": f.children,
            })
        };
        let records: Vec<_> = finished.iter().map(record).collect();
        let records = serde_json::Value::from(records).to_string();
        let (from, to) = (Event::Finished.sql_from(), Event::Finished.sql_to());
        let rows = match self.dialect {
            Dialect::Postgres => {
                let sql = format!(
                    "with gone as (
                        delete from {} d using {}
                        where d.id = x.id and d.id {} and d.fence = x.fence and d.state in ({from})
                        returning d.*, x.confirmations as confirmed, x.row_outcome, d.children_deleted + x.children as children
                     )
                     insert into {} ({COPIED}, key_hash, confirmations, row_outcome, children_deleted, state, refs)
                     select {}, confirmed, row_outcome, children, {to}, {} from gone returning id::text as id",
                    self.deletion,
                    recordset(1, "id uuid, fence bigint, confirmations jsonb, row_outcome text, children int"),
                    among(1),
                    self.done,
                    self.copied("gone"),
                    self.refs("gone"),
                );
                transaction.query_all_raw(self.dialect.statement(sql, [records.into()])).await?
            }
            Dialect::Sqlite => {
                let x = |name: &str| format!("json_extract(x.value, '$.{name}')");
                let sql = format!(
                    "insert into {} ({COPIED}, key_hash, confirmations, row_outcome, children_deleted, state, refs)
                     select {}, {}, {}, d.children_deleted + {}, {to}, {} from {} d join json_each($1) x
                     on d.id = {} and d.fence = {} where d.state in ({from}) returning id",
                    self.done,
                    self.copied("d"),
                    x("confirmations"),
                    x("row_outcome"),
                    x("children"),
                    self.refs("d"),
                    self.deletion,
                    x("id"),
                    x("fence"),
                );
                let rows = transaction.query_all_raw(self.dialect.statement(sql, [records.into()])).await?;
                self.forget(transaction, &ids(&rows)?).await?;
                rows
            }
        };
        ids(&rows)
    }

    /// Cancels deletions within a transaction: moves those whose state allows `event` to the finished ones.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub async fn cancel(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
        event: Event,
    ) -> Result<HashSet<DeletionId>, db::Error> {
        self.archive(transaction, deletions, event, "cancelled_by", &cancelled_by(event)).await
    }

    /// Completes deletions whose rows the same transaction deleted in phase 1, because there was nothing to call; each
    /// with the number of children that went with the row.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub async fn complete_at_once(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[(DeletionId, usize)],
    ) -> Result<HashSet<DeletionId>, db::Error> {
        for (id, children) in deletions.iter().filter(|(_, children)| *children > 0) {
            self.count_children(transaction, *id, *children).await?;
        }
        let ids: Vec<_> = deletions.iter().map(|(id, _)| *id).collect();
        let outcome = RowOutcome::Deleted.as_str();
        self.archive(transaction, &ids, Event::DeletedAtOnce, "row_outcome", outcome).await
    }

    /// Adds to the number of children that went already.
    ///
    /// # Errors
    /// Whatever the database says; the caller rolls back.
    pub async fn count_children(
        &self,
        transaction: &impl ConnectionTrait,
        deletion: DeletionId,
        children: usize,
    ) -> Result<(), db::Error> {
        let d = self.dialect;
        let sql = format!(
            "update {} set children_deleted = children_deleted + $2 where id = {}",
            self.deletion,
            d.param(1, "uuid")
        );
        let children = i32::try_from(children).unwrap_or(i32::MAX);
        transaction
            .execute_raw(d.statement(sql, [deletion.to_string().into(), children.into()]))
            .await
            .map(drop)
            .map_err(Into::into)
    }

    /// Moves those deletions whose state allows `event` to the finished ones, with `why` in the column that says so.
    async fn archive(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
        event: Event,
        column: &str,
        why: &str,
    ) -> Result<HashSet<DeletionId>, db::Error> {
        let d = self.dialect;
        let wanted: Vec<_> = deletions.iter().map(ToString::to_string).collect();
        let wanted = serde_json::Value::from(wanted).to_string();
        let sql = self.archive_statement(event, column);
        let rows = transaction.query_all_raw(d.statement(sql, [wanted.into(), why.into()])).await?;
        let archived = ids(&rows)?;
        if d == Dialect::Sqlite {
            self.forget(transaction, &archived).await?;
        }
        Ok(archived)
    }

    /// `$1` is an array of ids, and `$2` goes into `column`.
    pub(crate) fn archive_statement(&self, event: Event, column: &str) -> String {
        let d = self.dialect;
        let (from, to) = (event.sql_from(), event.sql_to());
        let (done, deletion, ids_in) = (&self.done, &self.deletion, d.json_texts(1));
        let copied = self.copied(if d == Dialect::Postgres { "gone" } else { "d" });
        match d {
            Dialect::Postgres => format!(
                "with ours as materialized (
                    select d.id from {deletion} d where d.id in (select value::uuid from {ids_in} wanted)
                    and d.state in ({from}) order by d.id for update of d
                 ),
                 gone as (delete from {deletion} d using ours where d.id = ours.id and d.state in ({from}) returning d.*)
                 insert into {done} ({COPIED}, key_hash, children_deleted, confirmations, state, {column})
                 select {copied}, children_deleted, confirmations, {to}, $2 from gone returning id::text as id"
            ),
            Dialect::Sqlite => format!(
                "insert into {done} ({COPIED}, key_hash, children_deleted, confirmations, state, {column})
                 select {copied}, children_deleted, confirmations, {to}, $2 from {deletion} d
                 where d.id in (select value from {ids_in} wanted) and d.state in ({from}) returning id"
            ),
        }
    }

    /// Hides keys that are not to be kept and deletes what was copied (SQLite; PostgreSQL moves in one statement).
    async fn forget(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &HashSet<DeletionId>,
    ) -> Result<(), db::Error> {
        let d = self.dialect;
        self.hide_keys(transaction, deletions).await?;
        let sql = format!("delete from {} where id in (select value from {} wanted)", self.deletion, d.json_texts(1));
        let gone: Vec<_> = deletions.iter().map(ToString::to_string).collect();
        transaction
            .execute_raw(d.statement(sql, [serde_json::Value::from(gone).to_string().into()]))
            .await
            .map(drop)
            .map_err(Into::into)
    }
}

/// The event as `cancelled_by` has it.
pub(crate) fn cancelled_by(event: Event) -> String {
    format!("{event:?}").to_lowercase()
}

pub(in crate::ledger) fn ids(rows: &[sea_orm::QueryResult]) -> Result<HashSet<DeletionId>, db::Error> {
    let ids = rows.iter().map(|row| row.try_get::<String>("", "id"));
    ids.map(|id| id?.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))).collect()
}
