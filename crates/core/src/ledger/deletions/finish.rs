//! Finishing: a deletion all of whose targets confirmed moves to `sexton_deletion_done`, the proof of what happened.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde::Serialize;
use serde_json::json;

use crate::{
    db::{self, Row, Sql, Words},
    ids::{DeletionId, Fence},
    ledger::{Confirmations, Ledger},
};

/// What became of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum RowOutcome {
    /// Sexton deleted it.
    Deleted,
    /// It was gone already.
    AlreadyGone,
    /// It stays, marked (`then = "keep"`).
    Kept,
}

impl RowOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deleted, Self::AlreadyGone, Self::Kept];

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

impl From<RowOutcome> for &'static str {
    fn from(outcome: RowOutcome) -> Self {
        outcome.as_str()
    }
}

impl std::str::FromStr for RowOutcome {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let outcome = Self::ALL.into_iter().find(|outcome| outcome.as_str() == name);
        outcome.ok_or_else(|| format!("`{name}` is not what becomes of a row"))
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
    /// How many children were deleted with it in the same transaction.
    pub children: usize,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    /// Moves on PostgreSQL, and copies on SQLite.
    finish: Sql,
    count_children: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let finish = words.pick(include_str!("finish.move.postgres.sql"), include_str!("finish.copy.sqlite.sql"));
        let count = "-- count deleted children
            update {deletion} set children_deleted = children_deleted + @children where id = {uuid:@id}";
        Self { finish: words.render(finish), count_children: words.render(count) }
    }
}

impl Ledger {
    /// Finishes deletions within the transaction that deletes their rows. Returns those that were ours to finish.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
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
        let query = self.sql.finish.finish.bind([("finished", json!(records).to_string().into())]);
        let rows = query.all(transaction).await?;
        let finished = rows.iter().map(|row: &Row| row.parse("id")).collect::<Result<_, _>>()?;
        if !self.dialect.can_move_rows() {
            self.delete_copied(transaction, &finished).await?;
        }
        Ok(finished)
    }

    /// Adds to the number of children that were deleted already.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn count_children(
        &self,
        transaction: &impl ConnectionTrait,
        deletion: DeletionId,
        children: usize,
    ) -> Result<(), db::Error> {
        let children = i32::try_from(children).unwrap_or(i32::MAX);
        let values = [("id", deletion.to_string().into()), ("children", children.into())];
        self.sql.finish.count_children.bind(values).execute(transaction).await.map(drop)
    }
}
