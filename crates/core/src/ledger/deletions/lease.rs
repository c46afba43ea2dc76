//! Renewing leases: one statement a process.

use std::{collections::HashSet, time::Duration};

use serde_json::json;

use crate::{
    db::{self, Db, Row, Sql, Words, millis},
    ids::{DeletionId, Fence},
    ledger::Ledger,
};

/// A claim whose lease is to be renewed.
pub type Lease = (DeletionId, Fence);

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    renew: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let renew = words.pick(include_str!("lease.renew.postgres.sql"), include_str!("lease.renew.sqlite.sql"));
        Self { renew: words.render(renew) }
    }
}

impl Ledger {
    /// Renews `leases` for the time of `lease`. Returns those that are still ours; the others must be abandoned.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; no lease is renewed then.
    pub async fn renew(&self, db: &Db, leases: &[Lease], lease: Duration) -> Result<HashSet<DeletionId>, db::Error> {
        let leases: Vec<_> = leases.iter().map(|(id, fence)| json!({ "id": id, "fence": fence })).collect();
        let values = [("leases", json!(leases).to_string().into()), ("lease_ms", millis(lease).into())];
        let renewed = self.sql.lease.renew.bind(values).all(&db.conn).await?;
        renewed.iter().map(|row: &Row| row.parse("id")).collect()
    }
}
