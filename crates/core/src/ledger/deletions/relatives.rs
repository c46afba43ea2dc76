//! Which deletions belong together, because their rows are parent and child.

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::{
    db::{self, Row, Sql, Words},
    ids::DeletionId,
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    children_to_restore: Sql,
    waiting_for: Sql,
    finished_child: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let children_to_restore = words.pick(
            // The lateral joins look up rows by index, also by a planner that knows nothing of the tables.
            "-- find the children's deletions to restore
             select c.id::text as id
             from {texts:@ids} one
             cross join lateral (
                select p.id, p.batch_id from {deletion} p where p.id = one.value::uuid offset 0) p
             cross join lateral (select w.child_id from {wait} w where w.deletion_id = p.id offset 0) w
             cross join lateral (
                select c.id from {deletion} c where c.id = w.child_id and c.batch_id = p.batch_id offset 0) c
             order by c.id desc",
            "-- find the children's deletions to restore
             select c.id as id
             from {deletion} p
             join {wait} w on w.deletion_id = p.id
             join {deletion} c on c.id = w.child_id and c.batch_id = p.batch_id
             where p.id {any_uuid:@ids}
             order by c.id desc",
        );
        let waiting_for = words
            .pick(include_str!("relatives.waiting_for.postgres.sql"), include_str!("relatives.waiting_for.sqlite.sql"));
        let finished_child = "-- find a completed deletion of a child
            select {text:p.id} as parent, {text:c.id} as id
            from {deletion} p
            join {done} c on c.batch_id = p.batch_id and c.parent_id = p.id
            where p.id {any_uuid:@ids} and c.state = {completed}
            limit 1";
        Self {
            children_to_restore: words.render_for(children_to_restore, &["ids"]),
            waiting_for: words.render_for(waiting_for, &["id"]),
            finished_child: words.render_for(finished_child, &["ids"]),
        }
    }
}

impl Ledger {
    /// The children's deletions that the same requests made and that the deletions wait for.
    pub(crate) async fn children_to_restore(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
    ) -> Result<Vec<DeletionId>, db::Error> {
        let find = self.sql.relatives.children_to_restore.bind([("ids", json!(deletions).to_string().into())]);
        find.all(transaction).await?.iter().map(|row: &Row| row.parse("id")).collect()
    }

    /// The deletions that wait for this one, directly or not; the direct ones first.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn waiting_for(
        &self,
        conn: &impl ConnectionTrait,
        child: DeletionId,
    ) -> Result<Vec<DeletionId>, db::Error> {
        ids(conn, &self.sql.relatives.waiting_for, child).await
    }

    /// One of these deletions, and a completed deletion of a child that the same request made; none if there is no such
    /// child.
    pub(crate) async fn finished_child(
        &self,
        transaction: &impl ConnectionTrait,
        deletions: &[DeletionId],
    ) -> Result<Option<(DeletionId, DeletionId)>, db::Error> {
        let find = self.sql.relatives.finished_child.bind([("ids", json!(deletions).to_string().into())]);
        let found = find.one(transaction).await?;
        found.map(|row: Row| Ok((row.parse("parent")?, row.parse("id")?))).transpose()
    }

    /// `$1` is an array of ids.
    pub(crate) fn children_to_restore_statement(&self) -> &str {
        self.sql.relatives.children_to_restore.text()
    }

    /// `$1` is the deletion.
    pub(crate) fn waiting_for_statement(&self) -> &str {
        self.sql.relatives.waiting_for.text()
    }

    /// `$1` is an array of ids.
    pub(crate) fn finished_child_statement(&self) -> &str {
        self.sql.relatives.finished_child.text()
    }
}

async fn ids(conn: &impl ConnectionTrait, sql: &Sql, of: DeletionId) -> Result<Vec<DeletionId>, db::Error> {
    let rows = sql.bind([("id", of.to_string().into())]).all(conn).await?;
    rows.iter().map(|row: &Row| row.parse("id")).collect()
}
