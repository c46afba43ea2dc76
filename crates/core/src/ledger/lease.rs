//! Renewing leases: one statement a process.

use std::{collections::HashSet, time::Duration};

use sea_orm::{ConnectionTrait, DbErr};
use serde_json::json;

use super::{Ledger, finish::ids, recordset};
use crate::{
    db::{Db, Dialect},
    ids::{DeletionId, Fence},
    state::Event,
};

/// A claim whose lease is to be renewed.
pub type Lease = (DeletionId, Fence);

impl Ledger {
    /// Renews `leases` for the time of `lease`. Returns those that are still ours; the others must be abandoned.
    ///
    /// # Errors
    /// Whatever the database says; no lease is renewed then.
    pub async fn renew(&self, db: &Db, leases: &[Lease], lease: Duration) -> Result<HashSet<DeletionId>, DbErr> {
        let records: Vec<_> = leases.iter().map(|(id, fence)| json!({ "id": id, "fence": fence })).collect();
        let records = serde_json::Value::from(records).to_string();
        let ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let until = self.dialect.in_ms("$2");
        let running = Event::Finished.sql_from();
        let sql = match self.dialect {
            Dialect::Postgres => format!(
                "update {} d set lease_until = {until} from {}
                 where d.id = x.id and d.fence = x.fence and d.state in ({running}) returning d.id::text as id",
                self.deletion,
                recordset(1, "id uuid, fence bigint"),
            ),
            Dialect::Sqlite => format!(
                "update {} set lease_until = {until}
                 where state in ({running}) and (id, fence) in (
                    select json_extract(value, '$.id'), json_extract(value, '$.fence') from json_each($1))
                 returning id",
                self.deletion,
            ),
        };
        let rows = db.conn.query_all_raw(self.dialect.statement(sql, [records.into(), ms.into()])).await?;
        ids(&rows)
    }
}
