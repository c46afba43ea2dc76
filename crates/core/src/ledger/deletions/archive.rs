//! Moving deletions to `sexton_deletion_done` that end without a worker: cancelled ones, and those whose rows were
//! deleted in the transaction of the request.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Row, Sql, Words},
    ids::DeletionId,
    ledger::{Ledger, RowOutcome, state_after, states_before},
    state::{Cancellation, Event},
};

/// The values of statements that the SQL functions run, in their order.
const PARAMETERS: [&str; 2] = ["deletions", "why"];

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    restore: Sql,
    discard: Sql,
    supersede: Sql,
    complete_at_once: Sql,
    /// SQLite only; on PostgreSQL the others move in one statement.
    delete_copied: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let archive = |event, column: &str| {
            let text = words.pick(include_str!("archive.move.postgres.sql"), include_str!("archive.copy.sqlite.sql"));
            let words = words.clone().with([
                ("states_before", states_before(event)),
                ("state_after", state_after(event)),
                ("why", column.to_owned()),
            ]);
            words.render_for(text, &PARAMETERS)
        };
        let delete = "-- delete what was copied
            delete from {deletion} where id in (select value from {texts:@deletions} wanted)";
        Self {
            restore: archive(Event::Restored, "cancelled_by"),
            discard: archive(Event::Discarded, "cancelled_by"),
            supersede: archive(Event::Superseded, "cancelled_by"),
            complete_at_once: archive(Event::DeletedAtOnce, "row_outcome"),
            delete_copied: words.render(delete),
        }
    }

    const fn cancel(&self, cancellation: Cancellation) -> &Sql {
        match cancellation {
            Cancellation::Restored => &self.restore,
            Cancellation::Discarded => &self.discard,
            Cancellation::Superseded => &self.supersede,
        }
    }
}

impl Ledger {
    /// Cancels deletions within a transaction: moves those whose state allows it to the finished ones. Returns them.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn cancel(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
        cancellation: Cancellation,
    ) -> Result<HashSet<DeletionId>, db::Error> {
        self.archive(transaction, self.sql.archive.cancel(cancellation), deletions, cancellation.as_str()).await
    }

    /// Completes deletions whose rows the same transaction deleted in phase 1, because there was nothing to call; each
    /// with the number of children that were deleted with the row. Returns those that were completed.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn complete_at_once(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[(DeletionId, usize)],
    ) -> Result<HashSet<DeletionId>, db::Error> {
        for (id, children) in deletions.iter().filter(|(_, children)| *children > 0) {
            self.count_children(transaction, *id, *children).await?;
        }
        let ids: Vec<_> = deletions.iter().map(|(id, _)| *id).collect();
        self.archive(transaction, &self.sql.archive.complete_at_once, &ids, RowOutcome::Deleted.as_str()).await
    }

    /// `$1` is an array of ids, and `$2` what `cancelled_by` becomes.
    pub(crate) fn cancel_statement(&self, cancellation: Cancellation) -> &str {
        self.sql.archive.cancel(cancellation).text()
    }

    /// `$1` is an array of ids, and `$2` what `row_outcome` becomes.
    pub(crate) fn complete_at_once_statement(&self) -> &str {
        self.sql.archive.complete_at_once.text()
    }

    async fn archive(
        &self,
        transaction: &impl ConnectionTrait,
        sql: &Sql,
        deletions: &[DeletionId],
        why: &str,
    ) -> Result<HashSet<DeletionId>, db::Error> {
        let values = [("deletions", json!(deletions).to_string().into()), ("why", why.into())];
        let rows = sql.bind(values).all(transaction).await?;
        let archived = rows.iter().map(|row: &Row| row.parse("id")).collect::<Result<_, _>>()?;
        if !self.dialect.can_move_rows() {
            self.delete_copied(transaction, &archived).await?;
        }
        Ok(archived)
    }

    /// Hides keys that are not to be retained and deletes what was copied (SQLite).
    pub(super) async fn delete_copied(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &HashSet<DeletionId>,
    ) -> Result<(), db::Error> {
        self.hide_keys(transaction, deletions).await?;
        let values = [("deletions", json!(deletions).to_string().into())];
        self.sql.archive.delete_copied.bind(values).execute(transaction).await.map(drop)
    }
}
