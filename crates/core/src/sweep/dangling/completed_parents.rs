//! Completed deletions of parents whose rows are gone, and opening one for the children that are still there.

use std::collections::HashSet;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Db, NextPage, Pages, Row, Sql, Words},
    ids::{DeletionId, ResourceName},
    ledger::{FinishedAt, Ledger, after_last},
    template::Values,
};

/// A completed deletion whose row is gone and whose key is known.
#[derive(Debug, Clone)]
pub struct CompletedParent {
    /// When it finished, and its id.
    pub finished: FinishedAt,
    /// The resource's name.
    pub resource: String,
    /// The row's key.
    pub key: String,
    /// What it kept of the row.
    pub refs: Values,
}

/// A deletion of a parent, made of one that is completed: its worker deals with the children that it finds.
#[derive(Debug)]
pub struct ParentReopening<'a> {
    /// The one that is completed.
    pub parent: &'a CompletedParent,
    /// The columns by which children name the row.
    pub values: &'a Values,
    /// A way of marking after which rows are deleted.
    pub rule: usize,
    /// Who requests it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
}

struct Statements {
    page: Pages,
    with_keys: Sql,
    open_keys: Sql,
    reopen: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let words = words.clone().with([
            ("completed_parent", words.expand(COLUMNS)),
            ("is_completed_parent", words.expand(IS_COMPLETED_PARENT)),
        ]);
        let with_keys = "-- read the completed deletions of some keys
            select {completed_parent}, d.finished_at >= {timestamptz:@since} as recent
            from {done} d
            where d.resource = @resource and d.key {any_text:@keys} and {is_completed_parent}";
        let open_keys = "-- see which keys have open deletions
            select key from {deletion} where resource = @resource and key {any_text:@keys}";
        let page = include_str!("completed_parents.page.sql");
        Self {
            page: Pages::render(&words, page, &after_last("d.finished_at", "d.id")),
            with_keys: words.render(with_keys),
            open_keys: words.render(open_keys),
            reopen: words.render(include_str!("completed_parents.reopen.sql")),
        }
    }
}

const COLUMNS: &str = "
    {text:d.id} as id, {text:d.finished_at} as at, d.resource, d.key, coalesce({text:d.refs}, '{}') as refs";

const IS_COMPLETED_PARENT: &str = "d.state = {completed} and d.row_outcome <> {row_outcome:Kept} and d.key is not null";

impl Ledger {
    /// The next completed deletions of rows of `resources` that finished since `since` (as the database writes times).
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn completed_parents(
        &self,
        db: &Db,
        resources: &[&ResourceName],
        since: &str,
        next: NextPage<'_, FinishedAt>,
    ) -> Result<Vec<CompletedParent>, db::Error> {
        let values = vec![("since", since.into()), ("resources", json!(resources).to_string().into())];
        let page = self.statements::<Statements>().page.after(next.after.map(FinishedAt::named), next.limit, values);
        page.read_giving_way(db).await?.iter().map(completed_parent).collect()
    }

    /// The completed deletions of the rows of a resource with these keys; and whether they finished since `since`.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn completed_parents_with_keys(
        &self,
        db: &Db,
        resource: &ResourceName,
        keys: &[String],
        since: &str,
    ) -> Result<Vec<(CompletedParent, bool)>, db::Error> {
        let query = self.statements::<Statements>().with_keys.bind([
            ("resource", resource.as_str().into()),
            ("keys", json!(keys).to_string().into()),
            ("since", since.into()),
        ]);
        let rows = query.read_giving_way(db).await?;
        rows.iter().map(|row| Ok((completed_parent(row)?, row.get("recent")?))).collect()
    }

    /// Those of the keys whose rows have an open or dead deletion.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn keys_with_open_deletions(
        &self,
        db: &Db,
        resource: &ResourceName,
        keys: &[String],
    ) -> Result<HashSet<String>, db::Error> {
        let values = [("resource", resource.as_str().into()), ("keys", json!(keys).to_string().into())];
        let rows = self.statements::<Statements>().open_keys.bind(values).read_giving_way(db).await?;
        rows.iter().map(|row| row.get("key")).collect()
    }

    /// Opens a deletion of the parent in the phase in which no target is called any more. Returns the new deletion, or
    /// none if the row has an open or dead one by now.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; the caller rolls back.
    pub async fn reopen_parent(
        &self,
        conn: &impl ConnectionTrait,
        reopening: &ParentReopening<'_>,
    ) -> Result<Option<DeletionId>, db::Error> {
        let FinishedAt { at, id: completed } = &reopening.parent.finished;
        let id = DeletionId::new();
        let query = self.statements::<Statements>().reopen.bind([
            ("id", id.to_string().into()),
            ("rule", i64::try_from(reopening.rule).unwrap_or(i64::MAX).into()),
            ("values", json!(reopening.values).to_string().into()),
            ("by", reopening.by.into()),
            ("reason", reopening.reason.into()),
            ("completed", completed.as_str().into()),
            ("finished_at", at.as_str().into()),
        ]);
        Ok(query.one(conn).await?.map(|_| id))
    }
}

fn completed_parent(row: &Row) -> Result<CompletedParent, db::Error> {
    Ok(CompletedParent {
        finished: FinishedAt::read(row)?,
        resource: row.get("resource")?,
        key: row.get("key")?,
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
