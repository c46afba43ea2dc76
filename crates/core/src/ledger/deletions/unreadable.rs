//! Deletions that no worker can claim, because the database cannot give what the ledger has of them.

use crate::{
    db::{self, Db, Sql, Words, kill_point},
    ids::DeletionId,
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    end: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let end = "-- end a deletion that cannot be read
            update {deletion}
            set state = {to:Unreadable}, dead_kind = {dead_kind:Unreadable}, dead_at = {now},
                last_error_kind = {dead_kind:Unreadable}, last_error = @why
            where id = {uuid:@id} and state in ({from:Unreadable})
            returning resource";
        Self { end: words.render(end) }
    }
}

impl Ledger {
    /// Makes a dead letter of a pending deletion that cannot be read. Returns its resource; none if it is not pending.
    ///
    /// * `why`: for on-call.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn end_unreadable(&self, db: &Db, id: DeletionId, why: &str) -> Result<Option<String>, db::Error> {
        kill_point("unreadable::before");
        let values = [("id", id.to_string().into()), ("why", why.into())];
        let ended = self.sql.unreadable.end.bind(values).one(&db.conn).await?;
        kill_point("unreadable::committed");
        ended.map(|row| row.get("resource")).transpose()
    }
}
