//! Renewing leases: one statement a process.

use std::{collections::HashSet, time::Duration};

use serde::Serialize;
use serde_json::json;

use crate::{
    db::{self, Db, Sql, Words, millis},
    ids::{DeletionId, Fence},
    ledger::{Claim, Ledger},
};

/// What became of leases that were to be renewed; those that are in neither set are lost.
#[derive(Debug, Default)]
pub struct Renewal {
    /// These last for the whole duration again.
    pub renewed: HashSet<DeletionId>,
    /// These are still ours, but a transaction has locked them: the next renewal may find them free.
    pub locked: HashSet<DeletionId>,
}

/// What a claim is known by: the deletion, and which of its claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// The deletion.
    pub id: DeletionId,
    /// Its fence since it was claimed. A later claim has a higher one.
    pub fence: Fence,
}

impl Claim {
    /// The lease under which it is held.
    #[must_use]
    pub const fn lease(&self) -> Lease {
        Lease { id: self.id, fence: self.fence }
    }
}

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
    /// Renews `leases`: each lasts for `duration` from now on. It waits for no lock. Those that are lost must be
    /// abandoned.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; no lease is renewed then.
    pub async fn renew(&self, db: &Db, leases: &[Lease], duration: Duration) -> Result<Renewal, db::Error> {
        let values = [("leases", json!(leases).to_string().into()), ("lease_ms", millis(duration).into())];
        let mut renewal = Renewal::default();
        for row in self.sql.lease.renew.bind(values).all(&db.conn).await? {
            let of = if row.get("renewed")? { &mut renewal.renewed } else { &mut renewal.locked };
            of.insert(row.parse("id")?);
        }
        Ok(renewal)
    }
}
