//! Deleting what the ledger knows of a deletion's children once it has ended.

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Sql, Words},
    ids::DeletionId,
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    waits: Sql,
    marks: Sql,
    /// SQLite only.
    hand_over_marks: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let waits = "-- forget for which children deletions waited
            delete from {wait} where deletion_id {any_uuid:@deletions}";
        let marks = "-- forget which children were marked
            delete from {child} where deletion_id {any_uuid:@deletions}";
        let hand_over_marks = "-- hand over the marks of children
            update {child} set deletion_id = @to where deletion_id = @from";
        Self {
            waits: words.render_for(waits, &["deletions"]),
            marks: words.render_for(marks, &["deletions"]),
            hand_over_marks: words.render(hand_over_marks),
        }
    }
}

impl Ledger {
    /// Forgets for which children's deletions these waited. The rows that were marked with theirs stay marked.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn forget_waits(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
    ) -> Result<(), db::Error> {
        let values = [("deletions", json!(deletions).to_string().into())];
        self.sql.forget.waits.bind(values).execute(transaction).await.map(drop)
    }

    /// Forgets for which children's deletions these waited, and which rows were marked with theirs.
    ///
    /// # Errors
    /// As [`Self::forget_waits`].
    pub async fn forget_children(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
    ) -> Result<(), db::Error> {
        self.forget_waits(transaction, deletions).await?;
        let values = [("deletions", json!(deletions).to_string().into())];
        self.sql.forget.marks.bind(values).execute(transaction).await.map(drop)
    }

    /// Hands over the marks of children to the deletion that takes the place of a superseded one (SQLite; on PostgreSQL
    /// phase 1 is one statement).
    pub(crate) async fn move_children(
        &self,
        transaction: &impl ConnectionTrait,
        from: DeletionId,
        to: DeletionId,
    ) -> Result<(), db::Error> {
        let values = [("from", from.to_string().into()), ("to", to.to_string().into())];
        self.sql.forget.hand_over_marks.bind(values).execute(transaction).await?;
        self.forget_waits(transaction, &[from]).await
    }

    /// `$1` is an array of ids.
    pub(crate) fn forget_waits_statement(&self) -> &str {
        self.sql.forget.waits.text()
    }

    /// `$1` is an array of ids.
    pub(crate) fn forget_marks_statement(&self) -> &str {
        self.sql.forget.marks.text()
    }
}
