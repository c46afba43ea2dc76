//! Renewing leases: one statement a process.

use std::{collections::HashSet, time::Duration};

use sea_orm::ConnectionTrait;
use serde_json::json;

use super::finish::ids;
use crate::{
    db::{self, Db, Dialect, millis, recordset},
    ids::{DeletionId, Fence},
    ledger::{Ledger, among},
    state::Event,
};

/// A claim whose lease is to be renewed.
pub type Lease = (DeletionId, Fence);

impl Ledger {
    /// Renews `leases` for the time of `lease`. Returns those that are still ours; the others must be abandoned.
    ///
    /// # Errors
    /// Whatever the database says; no lease is renewed then.
    pub async fn renew(&self, db: &Db, leases: &[Lease], lease: Duration) -> Result<HashSet<DeletionId>, db::Error> {
        let records: Vec<_> = leases.iter().map(|(id, fence)| json!({ "id": id, "fence": fence })).collect();
        let records = serde_json::Value::from(records).to_string();
        let ms = millis(lease);
        let until = self.dialect.in_ms("$2");
        let running = Event::Finished.sql_from();
        let sql = match self.dialect {
            Dialect::Postgres => format!(
                // Locked in the order of their ids, as settling does: two statements of one process must not wait for
                // each other.
                "with ours as materialized (
                    select d.id from {table} d join {leases} on x.id = d.id and x.fence = d.fence
                    where d.id {among} and d.state in ({running}) order by d.id for update of d
                 )
                 update {table} d set lease_until = {until} where d.id = any (array(select id from ours)) returning d.id::text as id",
                table = self.deletion,
                leases = recordset(1, "id uuid, fence bigint"),
                among = among(1),
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
