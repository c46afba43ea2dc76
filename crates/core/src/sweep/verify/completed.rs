//! Completed deletions in the order in which they finished, and opening the deletion of twins that came back.

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Db, NextPage, Pages, Row, Sql, Words},
    ids::{DeletionId, Lane},
    ledger::{Confirmations, FinishedAt, Ledger, after_last},
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

/// The deletion of twins that came back, made of one that is completed.
#[derive(Debug, Clone)]
pub struct RedeletionRequest<'a> {
    /// The one that is completed.
    pub completed: &'a Completed,
    /// What is still confirmed: the other targets are called.
    pub confirmed: Confirmations,
    /// What they are called with.
    pub values: &'a Values,
    /// In which lane.
    pub lane: Lane,
    /// The way of marking by which it ends.
    pub rule: usize,
    /// Who requests it.
    pub by: &'a str,
    /// Why.
    pub reason: String,
}

struct Statements {
    finished: Pages,
    completed: Sql,
    redelete: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let finished = "-- read which deletions finished
            select {text:d.id} as id, {text:d.finished_at} as at
            from {done} d
            where d.finished_at >= {timestamptz:@since} and d.finished_at < {timestamptz:@until} {after}
            order by d.finished_at, d.id
            limit @limit";
        Self {
            finished: Pages::render(words, finished, &after_last("d.finished_at", "d.id")),
            completed: words.render(include_str!("completed.read.sql")),
            redelete: words.render(include_str!("completed.redelete.sql")),
        }
    }
}

impl Ledger {
    /// The next deletions that finished, however they did, from `since` until `until` (as the database writes times).
    /// They are read from the index alone.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn finished_in_order(
        &self,
        db: &Db,
        since: &str,
        until: &str,
        next: NextPage<'_, FinishedAt>,
    ) -> Result<Vec<FinishedAt>, db::Error> {
        let values = vec![("since", since.into()), ("until", until.into())];
        let page =
            self.statements::<Statements>().finished.after(next.after.map(FinishedAt::named), next.limit, values);
        page.read_giving_way(db).await?.iter().map(FinishedAt::read).collect()
    }

    /// Those of the deletions that are completed, in their order.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn completed(&self, db: &Db, which: &[FinishedAt]) -> Result<Vec<Completed>, db::Error> {
        let (Some(first), Some(last)) = (which.iter().min(), which.iter().max()) else { return Ok(Vec::new()) };
        let ids: Vec<&str> = which.iter().map(|one| one.id.as_str()).collect();
        let query = self.statements::<Statements>().completed.bind([
            ("deletions", json!(ids).to_string().into()),
            ("first", first.at.as_str().into()),
            ("last", last.at.as_str().into()),
        ]);
        query.read_giving_way(db).await?.iter().map(completed).collect()
    }

    /// Opens a deletion that calls targets of a completed one once more. Its row is gone, so it cannot be restored.
    /// Returns the new deletion, or none if the row has an open or dead one by now.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn record_redeletion(
        &self,
        conn: &impl ConnectionTrait,
        request: &RedeletionRequest<'_>,
    ) -> Result<Option<DeletionId>, db::Error> {
        let FinishedAt { at, id: completed } = &request.completed.finished;
        let id = DeletionId::new();
        let query = self.statements::<Statements>().redelete.bind([
            ("id", id.to_string().into()),
            ("lane", request.lane.as_str().into()),
            ("rule", i64::try_from(request.rule).unwrap_or(i64::MAX).into()),
            ("confirmed", json!(request.confirmed).to_string().into()),
            ("values", json!(request.values).to_string().into()),
            ("by", request.by.into()),
            ("reason", request.reason.as_str().into()),
            ("completed", completed.as_str().into()),
            ("finished_at", at.as_str().into()),
        ]);
        Ok(query.one(conn).await?.map(|_| id))
    }
}

fn completed(row: &Row) -> Result<Completed, db::Error> {
    Ok(Completed {
        finished: FinishedAt::read(row)?,
        id: row.parse("id")?,
        at: row.get("iso")?,
        resource: row.get("resource")?,
        key: row.get("key")?,
        kept: row.get("kept")?,
        requested_by: row.get("requested_by")?,
        confirmations: row.json("confirmations")?,
        refs: row.json("refs")?,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_have_no_unknown_words() {
        crate::ledger::Ledger::render_for_every_dialect::<super::Statements>();
    }
}
