//! The ledger: every SQL statement on Sexton's own tables.
//!
//! It is the truth about deletions. Each statement that moves one takes its states from [`crate::state`]; each write
//! of a worker filters on `state = 'running' and fence = …`, so that a worker that lost its lease changes nothing;
//! all times are the database's. Functions that share a caller's transaction take a
//! `ConnectionTrait`, those that own one take a [`Db`].

mod breaker;
mod deletions;
mod operators;
mod partitions;
mod resources;
mod statements;
mod sweep_state;
mod wake;

pub use breaker::{Cause, OpenBreaker};
pub use deletions::{
    ActionRecord, AttemptRecord, Claim, Confirmation, Confirmations, Due, FailedAttempt, Finish, Followed, Lease,
    Phase, Pick, Record, Rescued, RowOutcome, Settlement,
};
pub(crate) use deletions::{COPIED, cancelled_by};
pub use operators::{Action, DeadLetter, Filter, FinishedAt, LaneStatus, Moment, Pause, Scope, Span, Status};
pub use resources::Drift;
use statements::Statements;
pub use sweep_state::{MANY_CUT_SHORT, MANY_STALLED, Progress, Streak, SweepHealth, SweepRun, SweepState};
pub use wake::DUE_CHANNEL;
pub(crate) use wake::notify;

use std::{collections::HashSet, sync::Arc};

use serde_json::json;

use crate::db::{self, Db, Dialect, Words, quote};

/// Where Sexton's tables are.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) dialect: Dialect,
    pub(crate) deletion: String,
    pub(crate) done: String,
    pub(crate) attempt: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) child: String,
    pub(crate) wait: String,
    pub(crate) secret: String,
    pub(crate) sweep: String,
    pub(crate) control: String,
    pub(crate) breaker: String,
    /// SQLite only: see [`crate::guard`].
    pub(crate) deleting: String,
    pub(crate) schema: Option<String>,
    /// What texts of statements on these tables may say.
    pub(crate) words: Words,
    sql: Arc<Statements>,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The tables are not there.
    #[error("the database has no ledger ({searched}): run `sexton migrate` first")]
    NotMigrated {
        /// Where they were looked for.
        searched: String,
    },
    /// The tables are those of an earlier release.
    #[error("the ledger is older than this program and lacks {}: run `sexton migrate` first", .missing.join(", "))]
    Outdated {
        /// The migrations that were not applied.
        missing: Vec<String>,
    },
    /// The database did not answer.
    #[error("cannot look for the ledger: {0}")]
    Database(#[from] db::Error),
}

impl Ledger {
    /// Finds the ledger in the schemas of the role's search path.
    ///
    /// # Errors
    /// [`OpenError::NotMigrated`] when it is in none of them.
    pub async fn open(db: &Db) -> Result<Self, OpenError> {
        let words = Words::new(db.dialect);
        let find = words.pick(
            "-- look for the ledger
             select n.nspname::text as schema
             from jsonb_array_elements_text(@schemas::jsonb) with ordinality s(schema, place)
             join pg_namespace n on n.nspname = s.schema
             join pg_class c on c.relnamespace = n.oid and c.relname = 'sexton_deletion'
             order by s.place limit 1",
            "-- look for the ledger
             select null as schema from sqlite_schema where type = 'table' and name = 'sexton_deletion'",
        );
        let schemas = json!(db.search_path.0).to_string();
        let Some(found) = words.render(find).bind([("schemas", schemas.into())]).one(&db.conn).await? else {
            let searched = match db.dialect {
                Dialect::Postgres => format!("searched the schemas {}", db.search_path.0.join(", ")),
                Dialect::Sqlite => "no table sexton_deletion".to_owned(),
            };
            return Err(OpenError::NotMigrated { searched });
        };
        Ok(Self::in_schema(db.dialect, found.get("schema")?))
    }

    /// Makes sure that all of `migrations` (their names) were applied. A role that may not read the list of them is let
    /// through; a ledger that is newer is accepted, because a release removes nothing that the one before reads.
    ///
    /// # Errors
    /// [`OpenError::Outdated`] when one is missing, [`OpenError::Database`] when the database does not answer.
    pub async fn require(&self, db: &Db, migrations: impl Iterator<Item = String>) -> Result<(), OpenError> {
        let applied = self.words.render("-- read which migrations were applied\nselect version from {migration}");
        let rows = match applied.bind([]).all(&db.conn).await {
            Ok(rows) => rows,
            Err(error) if error.refusal().is_some() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let applied = rows.iter().map(|row| row.get("version")).collect::<Result<HashSet<String>, _>>()?;
        let missing: Vec<String> = migrations.filter(|name| !applied.contains(name)).collect();
        if missing.is_empty() { Ok(()) } else { Err(OpenError::Outdated { missing }) }
    }

    fn in_schema(dialect: Dialect, schema: Option<String>) -> Self {
        let table = |name: &str| match &schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(name)),
            None => quote(name),
        };
        let words = statements::words(dialect, table);
        Self {
            sql: Arc::new(Statements::render(&words)),
            words,
            dialect,
            deletion: table("sexton_deletion"),
            done: table("sexton_deletion_done"),
            attempt: table("sexton_attempt"),
            action: table("sexton_action"),
            resource: table("sexton_resource"),
            child: table("sexton_child"),
            wait: table("sexton_wait"),
            secret: table("sexton_secret"),
            sweep: table("sexton_sweep"),
            control: table("sexton_control"),
            breaker: table("sexton_breaker"),
            deleting: table("sexton_deleting"),
            schema,
        }
    }
}

/// The ids of the objects that [`recordset`](crate::db::recordset) reads, to write after `d.id`: besides the join, which alone is not enough
/// of a hint. When autovacuum finds the ledger empty, the planner takes it for empty until it is analyzed again, and
/// joins a burst of new deletions by going through all of them for each record (measured: 161 ms a batch with 10,000).
fn among(n: usize) -> String {
    format!("= any (array(select (value ->> 'id')::uuid from jsonb_array_elements(${n}::jsonb)))")
}
