//! Calls that must not be repeated: which one is in flight is committed before it begins.
//!
//! A worker that vanishes in mid-call leaves the name of the target behind, and the rescue makes the deletion
//! `unknown_outcome` instead of calling again. A clear answer takes it away, in one statement with what is confirmed.

use sea_orm::{ConnectionTrait, Value};

use crate::{
    db::{self, Db, kill_point},
    ids::{DeletionId, Fence},
    ledger::{Confirmations, Ledger},
    state::Event,
};

impl Ledger {
    /// Notes that `target` is about to be called. False if the deletion is not ours any more, by the database's clock:
    /// nothing may be called then.
    ///
    /// # Errors
    /// Whatever the database says; it is unknown whether it was noted.
    pub async fn begin_call(&self, db: &Db, id: DeletionId, fence: Fence, target: &str) -> Result<bool, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "update {} set calling = $3 where id = {} and fence = $2 and state in ({}) and lease_until > {}",
            self.deletion,
            d.param(1, "uuid"),
            Event::Finished.sql_from(),
            d.now(),
        );
        let values: [Value; 3] = [id.to_string().into(), fence.0.into(), target.into()];
        kill_point("calling::before");
        let written = db.conn.execute_raw(d.statement(sql, values)).await?.rows_affected();
        kill_point("calling::committed");
        Ok(written == 1)
    }

    /// Notes that the call is answered, and what is confirmed by now. False if the deletion is not ours any more.
    ///
    /// # Errors
    /// Whatever the database says; it is unknown whether it was noted.
    pub async fn end_call(
        &self,
        db: &Db,
        id: DeletionId,
        fence: Fence,
        confirmations: &Confirmations,
    ) -> Result<bool, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "update {} set calling = null, confirmations = {} where id = {} and fence = $2 and state in ({})",
            self.deletion,
            d.param(3, "jsonb"),
            d.param(1, "uuid"),
            Event::Finished.sql_from(),
        );
        let confirmations =
            serde_json::to_string(confirmations).map_err(|error| db::Error::unreadable(error.to_string()))?;
        let values: [Value; 3] = [id.to_string().into(), fence.0.into(), confirmations.into()];
        kill_point("answered::before");
        let written = db.conn.execute_raw(d.statement(sql, values)).await?.rows_affected();
        kill_point("answered::committed");
        Ok(written == 1)
    }
}
