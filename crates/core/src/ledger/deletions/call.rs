//! Calls that must not be repeated: which one is in flight is committed before it begins.
//!
//! A worker that vanishes in mid-call leaves the name of the target behind, and the rescue makes the deletion
//! `unknown_outcome` instead of calling a second time. A clear answer clears it, in one statement with what is
//! confirmed.

use crate::{
    db::{self, Db, Sql, Words, kill_point},
    ledger::{Confirmations, Lease, Ledger},
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    begin: Sql,
    end: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let begin = "-- note that a call begins
            update {deletion} set calling = @target
            where id = {uuid:@id} and fence = @fence and state in ({from:Finished}) and lease_until > {now}";
        let end = "-- note that a call is answered
            update {deletion} set calling = null, confirmations = {jsonb:@confirmations}
            where id = {uuid:@id} and fence = @fence and state in ({from:Finished})";
        Self { begin: words.render(begin), end: words.render(end) }
    }
}

impl Ledger {
    /// Notes that `target` is about to be called. False if the deletion is not ours any more, by the database's clock:
    /// nothing may be called then.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; it is unknown whether it was noted.
    pub async fn begin_call(&self, db: &Db, lease: Lease, target: &str) -> Result<bool, db::Error> {
        let values = [("id", lease.id.to_string().into()), ("fence", lease.fence.0.into()), ("target", target.into())];
        kill_point("calling::before");
        let written = self.sql.call.begin.bind(values).execute(&db.conn).await?;
        kill_point("calling::committed");
        Ok(written == 1)
    }

    /// Notes that the call is answered, and what is confirmed by now. False if the deletion is not ours any more.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; it is unknown whether it was noted.
    pub async fn end_call(&self, db: &Db, lease: Lease, confirmations: &Confirmations) -> Result<bool, db::Error> {
        let confirmations =
            serde_json::to_string(confirmations).map_err(|error| db::Error::other("write confirmations", error))?;
        let values = [
            ("id", lease.id.to_string().into()),
            ("fence", lease.fence.0.into()),
            ("confirmations", confirmations.into()),
        ];
        kill_point("answered::before");
        let written = self.sql.call.end.bind(values).execute(&db.conn).await?;
        kill_point("answered::committed");
        Ok(written == 1)
    }
}
