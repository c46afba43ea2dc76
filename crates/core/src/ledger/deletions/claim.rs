//! Claiming: pending → running, fence + 1, attempts + 1, under a lease.

use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::candidates::chosen;
use crate::{
    db::{self, Db, Dialect, kill_point, millis},
    ids::{DeletionId, Fence, Lane},
    ledger::{Confirmations, Ledger, Phase},
    state::Event,
    template::Values,
};

/// A deletion that this process may work on until its lease ends.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the column of the same name")]
pub struct Claim {
    pub id: DeletionId,
    pub resource: String,
    pub key: String,
    pub phase: Phase,
    pub fence: Fence,
    pub attempts: u32,
    pub rescues: u32,
    /// None if it was recorded when the row was gone, so that it carried no marker of ours.
    pub marker_rule: Option<usize>,
    pub targets: Vec<String>,
    pub confirmations: Confirmations,
    pub payload: Values,
    /// Payloads of rows that had the key before and whose twins are still to be deleted.
    pub former: Vec<Values>,
    /// Who requested it.
    pub requested_by: String,
    /// Whether no external call was ever made before this claim.
    pub uncalled: bool,
    /// Time since the first attempt when it was claimed, pauses left out, by the database's clock.
    pub age: Duration,
    /// When it was claimed by the database's clock, in milliseconds of the Unix epoch.
    pub claimed_at_ms: i64,
}

/// Which deletions to claim.
#[derive(Debug, Clone, Copy)]
pub enum Pick<'a> {
    /// These, as far as they are due.
    Hinted(&'a [DeletionId]),
    /// The oldest that have been due for at least this long, the lanes taking equal shares of so many.
    Due {
        /// At most this many in all.
        limit: usize,
        /// Due for at least this long.
        overdue: Duration,
    },
}

impl Ledger {
    /// Claims what `pick` says, for `worker` and for the time of `lease`, in one statement and one commit.
    ///
    /// * `lanes`: only deletions in these lanes; a paused or unknown lane is not among them.
    /// * `rescued`: whether one deletion that was rescued before may be among them. At most one such deletion should be
    ///   in flight in a process, so that one that kills its worker does not drag its neighbours along.
    ///
    /// Deletions that are not due, not pending, in another lane or locked are passed over: their hints were stale.
    ///
    /// # Errors
    /// Whatever the database says; nothing is claimed then.
    pub async fn claim(
        &self,
        db: &Db,
        pick: Pick<'_>,
        lanes: &[Lane],
        worker: &str,
        lease: Duration,
        rescued: bool,
    ) -> Result<Vec<Claim>, db::Error> {
        let values = |first: Value| {
            let lanes = serde_json::json!(lanes).to_string();
            [first, lanes.into(), Value::from(i32::from(rescued)), worker.into(), millis(lease).into()]
        };
        match self.dialect {
            Dialect::Postgres => {
                let (candidates, first) = match pick {
                    Pick::Hinted(ids) => self.hinted(ids),
                    Pick::Due { limit, overdue } => (self.due_postgres(limit), millis(overdue).into()),
                };
                let sql = format!(
                    // By an array and not by a join, which a planner that knows nothing of the table yet does the long way.
                    "with {candidates}, {} update {} d set {} where d.id = any (array(select chosen.id from chosen))
                     returning {}, d.id = any (array(select chosen.id from chosen where chosen.uncalled)) as uncalled",
                    chosen(pick),
                    self.deletion,
                    self.claimed(),
                    self.claim_columns()
                );
                kill_point("claim::before");
                let rows = db.conn.query_all_raw(self.dialect.statement(sql, values(first))).await?;
                kill_point("claim::committed");
                rows.iter().map(claim).collect()
            }
            Dialect::Sqlite => {
                // RETURNING gives new values only, so what was null before is read first, under the write lock.
                let transaction = db.begin().await?;
                let (candidates, first) = match pick {
                    Pick::Hinted(ids) => self.hinted(ids),
                    Pick::Due { limit, overdue } => {
                        let overdue: Value = millis(overdue).into();
                        let open = self.lanes_with_due(&transaction, values(overdue.clone())).await?;
                        (self.due_sqlite(limit, &open), overdue)
                    }
                };
                let values = values(first);
                let sql = format!(
                    "with {candidates}, {} select id, uncalled from chosen where $4 <> '' and $5 > 0",
                    chosen(pick)
                );
                let rows = transaction.query_all_raw(self.dialect.statement(sql, values.clone())).await?;
                let mut claims = Vec::new();
                for row in rows {
                    let sql = format!(
                        "update {} as d set {} where d.id = $1 returning {}, $2 as uncalled",
                        self.deletion,
                        self.claimed().replace("$5", "$3"),
                        self.claim_columns()
                    );
                    let values = [
                        row.try_get::<String>("", "id")?.into(),
                        row.try_get::<bool>("", "uncalled")?.into(),
                        values[4].clone(),
                        values[3].clone(),
                    ];
                    let rows = transaction.query_all_raw(self.dialect.statement(sql, values)).await?;
                    claims.extend(rows.iter().map(claim).collect::<Result<Vec<_>, _>>()?);
                }
                kill_point("claim::before");
                transaction.commit().await?;
                kill_point("claim::committed");
                Ok(claims)
            }
        }
    }

    fn claimed(&self) -> String {
        let (d, now) = (self.dialect, self.dialect.now());
        format!(
            "state = {}, fence = d.fence + 1, attempts = d.attempts + 1, worker = $4, lease_until = {},
             first_attempt_at = coalesce(d.first_attempt_at, {now}),
             called_at = case when d.phase = 'confirm' then coalesce(d.called_at, {now}) else d.called_at end",
            Event::Claimed.sql_to(),
            d.in_ms("$5"),
        )
    }

    fn claim_columns(&self) -> String {
        let d = self.dialect;
        // PostgreSQL's `returning` sees `chosen` as well, SQLite's does not even know the alias.
        let of = if d == Dialect::Postgres { "d." } else { "" };
        let id = d.cast(&format!("{of}id"), "text");
        let json = |column: &str| format!("{} as {column}", d.cast(column, "text"));
        let now_ms = match d {
            Dialect::Postgres => "(extract(epoch from clock_timestamp()) * 1000)::bigint",
            Dialect::Sqlite => "cast(round((julianday('now') - 2440587.5) * 86400000) as integer)",
        };
        format!(
            "{id} as id, resource, key, phase, fence, attempts, rescues, requested_by, marker_rule, marker_column is not null as marked, {}, {}, {}, {}, ({} - {paused}) as age_ms, {now_ms} as now_ms",
            json("targets"),
            json("confirmations"),
            json("payload"),
            json("former"),
            d.ms_since(&format!("{of}first_attempt_at")),
            paused = self.paused_ms(&format!("{of}resource"), &format!("{of}first_attempt_at")),
        )
    }
}

fn claim(row: &QueryResult) -> Result<Claim, db::Error> {
    let json_error = |e: serde_json::Error| db::Error::unreadable(e.to_string());
    let count = |name: &str| -> Result<u32, db::Error> {
        let number: i32 = row.try_get("", name)?;
        Ok(u32::try_from(number).unwrap_or_default())
    };
    let id: String = row.try_get("", "id")?;
    let phase: String = row.try_get("", "phase")?;
    let age: i64 = row.try_get("", "age_ms")?;
    // A smallint on PostgreSQL, an integer on SQLite.
    let rule =
        row.try_get::<i16>("", "marker_rule").map(i64::from).or_else(|_| row.try_get::<i64>("", "marker_rule"))?;
    let marked: bool = row.try_get("", "marked")?;
    Ok(Claim {
        id: id.parse().map_err(|e: uuid::Error| db::Error::unreadable(e.to_string()))?,
        resource: row.try_get("", "resource")?,
        key: row.try_get("", "key")?,
        phase: phase.parse().map_err(db::Error::unreadable)?,
        fence: Fence(row.try_get("", "fence")?),
        attempts: count("attempts")?,
        rescues: count("rescues")?,
        marker_rule: marked.then(|| usize::try_from(rule).unwrap_or_default()),
        targets: serde_json::from_str(&row.try_get::<String>("", "targets")?).map_err(json_error)?,
        confirmations: serde_json::from_str(&row.try_get::<String>("", "confirmations")?).map_err(json_error)?,
        payload: serde_json::from_str(&row.try_get::<String>("", "payload")?).map_err(json_error)?,
        former: serde_json::from_str(&row.try_get::<String>("", "former")?).map_err(json_error)?,
        requested_by: row.try_get("", "requested_by")?,
        uncalled: row.try_get("", "uncalled")?,
        age: Duration::from_millis(u64::try_from(age).unwrap_or_default()),
        claimed_at_ms: row.try_get("", "now_ms")?,
    })
}
