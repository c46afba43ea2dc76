//! Which deletions belong together, because their rows are parent and child.

use sea_orm::ConnectionTrait;

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
        let children_to_restore = "-- find the children's deletions to restore
            select {text:c.id} as id
            from {deletion} p
            join {wait} w on w.deletion_id = p.id
            join {deletion} c on c.id = w.child_id and c.batch_id = p.batch_id
            where p.id = {uuid:@id}
            order by c.id desc";
        let waiting_for = words
            .pick(include_str!("relatives.waiting_for.postgres.sql"), include_str!("relatives.waiting_for.sqlite.sql"));
        let finished_child = "-- find a completed deletion of a child
            select {text:c.id} as id
            from {deletion} p
            join {done} c on c.batch_id = p.batch_id and c.parent_id = p.id
            where p.id = {uuid:@id} and c.state = {completed}
            limit 1";
        Self {
            children_to_restore: words.render_for(children_to_restore, &["id"]),
            waiting_for: words.render_for(waiting_for, &["id"]),
            finished_child: words.render_for(finished_child, &["id"]),
        }
    }
}

impl Ledger {
    /// The children's deletions that the same request made and that the deletion waits for.
    pub(crate) async fn children_to_restore(
        &self,
        transaction: &impl ConnectionTrait,
        deletion: DeletionId,
    ) -> Result<Vec<DeletionId>, db::Error> {
        ids(transaction, &self.sql.relatives.children_to_restore, deletion).await
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

    /// A child's deletion that the same request made and that is completed.
    pub(crate) async fn finished_child(
        &self,
        transaction: &impl ConnectionTrait,
        deletion: DeletionId,
    ) -> Result<Option<DeletionId>, db::Error> {
        Ok(ids(transaction, &self.sql.relatives.finished_child, deletion).await?.into_iter().next())
    }

    /// `$1` is the deletion.
    pub(crate) fn children_to_restore_statement(&self) -> &str {
        self.sql.relatives.children_to_restore.text()
    }

    /// `$1` is the deletion.
    pub(crate) fn waiting_for_statement(&self) -> &str {
        self.sql.relatives.waiting_for.text()
    }

    /// `$1` is the deletion.
    pub(crate) fn finished_child_statement(&self) -> &str {
        self.sql.relatives.finished_child.text()
    }
}

async fn ids(conn: &impl ConnectionTrait, sql: &Sql, of: DeletionId) -> Result<Vec<DeletionId>, db::Error> {
    let rows = sql.bind([("id", of.to_string().into())]).all(conn).await?;
    rows.iter().map(|row: &Row| row.parse("id")).collect()
}
