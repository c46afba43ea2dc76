//! Claiming: pending → running, fence + 1, attempts + 1, under a lease.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::{Confirmations, Ledger, Phase};
use crate::{
    catalog::literal,
    db::{Db, Dialect, kill_point, millis},
    ids::{DeletionId, Fence},
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
    pub marker_rule: usize,
    pub targets: Vec<String>,
    pub confirmations: Confirmations,
    pub payload: Values,
    /// Whether no external call was ever made before this claim.
    pub uncalled: bool,
    /// Time since the first attempt when it was claimed, by the database's clock.
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
        lanes: &[String],
        worker: &str,
        lease: Duration,
        rescued: bool,
    ) -> Result<Vec<Claim>, DbErr> {
        let values = |first: Value| {
            let lanes = serde_json::Value::from(lanes.to_vec()).to_string();
            [first, lanes.into(), Value::from(i32::from(rescued)), worker.into(), millis(lease).into()]
        };
        match self.dialect {
            Dialect::Postgres => {
                let (candidates, first) = match pick {
                    Pick::Hinted(ids) => self.hinted(ids),
                    Pick::Due { limit, overdue } => (self.due_postgres(limit), millis(overdue).into()),
                };
                let sql = format!(
                    "with {candidates}, {} update {} d set {} from chosen where d.id = chosen.id returning {}, chosen.uncalled",
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

    /// The hinted deletions that may be claimed, as the query `due`, and the value of its `$1`.
    fn hinted(&self, ids: &[DeletionId]) -> (String, Value) {
        let d = self.dialect;
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let sql = format!(
            "due as (
                select {CANDIDATE} from {} d
                where d.id in (select {} from {} wanted) and d.state in ({}) and d.run_at <= {}
                   and d.lane in {} and (d.rescues = 0 or $3 = 1)
                order by d.id {}
             )",
            self.deletion,
            d.cast("value", "uuid"),
            d.json_texts(1),
            Event::Claimed.sql_from(),
            d.now_once(),
            d.json_texts(2),
            d.skip_locked("d"),
        );
        (sql, serde_json::Value::from(ids).to_string().into())
    }

    /// What makes a deletion of `lane` (an SQL expression) a candidate; `$1` is for how long it must have been due.
    fn due_in(&self, lane: &str) -> String {
        let due = format!("(select {})", self.dialect.in_ms("-$1"));
        let pending = Event::Claimed.sql_from();
        format!("d.state in ({pending}) and d.lane = {lane} and d.run_at <= {due} and (d.rescues = 0 or $3 = 1)")
    }

    /// The lanes with anything due share `limit`; of each the oldest are taken.
    fn due_postgres(&self, limit: usize) -> String {
        let (table, lanes, due) = (&self.deletion, self.dialect.json_texts(2), self.due_in("lane.value"));
        format!(
            "open as (
                select lane.value from {lanes} lane where exists (select 1 from {table} d where {due})
             ),
             due as (
                select one.id, one.rescues, one.uncalled from open lane cross join lateral (
                    select {CANDIDATE} from {table} d where {due} order by d.run_at, d.id
                    limit (select ceil({limit}::numeric / greatest(count(*), 1)) from open) {}
                ) one
             )",
            self.dialect.skip_locked("d"),
        )
    }

    /// The same without lateral joins: the shares are put together from one query a lane.
    fn due_sqlite(&self, limit: usize, open: &[String]) -> String {
        let share = limit.div_ceil(open.len().max(1));
        let of_lane = |lane: &String| {
            let (table, due) = (&self.deletion, self.due_in(&literal(lane)));
            format!(
                "select * from (select {CANDIDATE} from {table} d where {due} order by d.run_at, d.id limit {share})"
            )
        };
        let none = format!("select {CANDIDATE} from {} d where false", self.deletion);
        let all: Vec<_> = [none].into_iter().chain(open.iter().map(of_lane)).collect();
        format!("due as ({})", all.join(" union all "))
    }

    /// The lanes of `$2` with anything due (SQLite).
    async fn lanes_with_due(&self, conn: &impl ConnectionTrait, values: [Value; 5]) -> Result<Vec<String>, DbErr> {
        let (lanes, due) = (self.dialect.json_texts(2), self.due_in("lane.value"));
        let sql = format!(
            "select lane.value as lane from {lanes} lane
             where exists (select 1 from {} d where {due}) and $4 <> '' and $5 > 0",
            self.deletion
        );
        let rows = conn.query_all_raw(self.dialect.statement(sql, values)).await?;
        rows.iter().map(|row| row.try_get("", "lane")).collect()
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
            "{id} as id, resource, key, phase, fence, attempts, rescues, marker_rule, {}, {}, {}, {} as age_ms, {now_ms} as now_ms",
            json("targets"),
            json("confirmations"),
            json("payload"),
            d.ms_since(&format!("{of}first_attempt_at")),
        )
    }
}

const CANDIDATE: &str = "d.id, d.rescues, d.called_at is null as uncalled";

/// Of `due`, as the query `chosen`: at most one that was rescued before, and no more than were asked for. Which ones stay
/// behind is left to chance, so that no lane is always the last.
fn chosen(pick: Pick<'_>) -> String {
    let limit = match pick {
        Pick::Hinted(_) => String::new(),
        Pick::Due { limit, .. } => format!("order by random() limit {limit}"),
    };
    format!(
        "chosen as (
            select id, uncalled from (
                select id, uncalled from due where rescues = 0
                union all
                select id, uncalled from (select id, uncalled from due where rescues > 0 and $3 = 1 order by id limit 1) one
            ) few {limit}
         )"
    )
}

fn claim(row: &QueryResult) -> Result<Claim, DbErr> {
    let json_error = |e: serde_json::Error| DbErr::Json(e.to_string());
    let count = |name: &str| -> Result<u32, DbErr> {
        let number: i32 = row.try_get("", name)?;
        Ok(u32::try_from(number).unwrap_or_default())
    };
    let id: String = row.try_get("", "id")?;
    let phase: String = row.try_get("", "phase")?;
    let age: i64 = row.try_get("", "age_ms")?;
    // A smallint on PostgreSQL, an integer on SQLite.
    let rule =
        row.try_get::<i16>("", "marker_rule").map(i64::from).or_else(|_| row.try_get::<i64>("", "marker_rule"))?;
    Ok(Claim {
        id: id.parse().map_err(|e: uuid::Error| DbErr::Type(e.to_string()))?,
        resource: row.try_get("", "resource")?,
        key: row.try_get("", "key")?,
        phase: phase.parse().map_err(DbErr::Type)?,
        fence: Fence(row.try_get("", "fence")?),
        attempts: count("attempts")?,
        rescues: count("rescues")?,
        marker_rule: usize::try_from(rule).unwrap_or_default(),
        targets: serde_json::from_str(&row.try_get::<String>("", "targets")?).map_err(json_error)?,
        confirmations: serde_json::from_str(&row.try_get::<String>("", "confirmations")?).map_err(json_error)?,
        payload: serde_json::from_str(&row.try_get::<String>("", "payload")?).map_err(json_error)?,
        uncalled: row.try_get("", "uncalled")?,
        age: Duration::from_millis(u64::try_from(age).unwrap_or_default()),
        claimed_at_ms: row.try_get("", "now_ms")?,
    })
}
