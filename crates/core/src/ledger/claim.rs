//! Claiming: pending → running, fence + 1, attempts + 1, under a lease.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::{Confirmations, Ledger, Phase};
use crate::{
    db::{Db, Dialect, kill_point},
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
        let (candidates, first) = self.candidates(pick, lanes);
        let ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let values = [
            first,
            serde_json::Value::from(lanes.to_vec()).to_string().into(),
            Value::from(i32::from(rescued)),
            worker.into(),
            ms.into(),
        ];
        let chosen = format!(
            "due as ({candidates}),
             chosen as (
                select id, uncalled from due where rescues = 0
                union all
                select id, uncalled from (select id, uncalled from due where rescues > 0 and $3 = 1 order by id limit 1) one
             )"
        );
        match self.dialect {
            Dialect::Postgres => {
                let sql = format!(
                    "with {chosen} update {} d set {} from chosen where d.id = chosen.id returning {}, chosen.uncalled",
                    self.deletion,
                    self.claimed(),
                    self.claim_columns()
                );
                kill_point("claim::before");
                let rows = db.conn.query_all_raw(self.dialect.statement(sql, values)).await?;
                kill_point("claim::committed");
                rows.iter().map(claim).collect()
            }
            Dialect::Sqlite => {
                // RETURNING gives new values only, so what was null before is read first, under the write lock.
                let transaction = db.begin().await?;
                let sql = format!("with {chosen} select id, uncalled from chosen where $4 <> '' and $5 > 0");
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

    /// The query for candidates, and the value of its `$1`.
    fn candidates(&self, pick: Pick<'_>, lanes: &[String]) -> (String, Value) {
        let (d, table) = (self.dialect, &self.deletion);
        let columns = "d.id, d.rescues, d.called_at is null as uncalled";
        let pending = Event::Claimed.sql_from();
        let lock = d.skip_locked("d");
        match pick {
            Pick::Hinted(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                let wanted = d.cast("value", "uuid");
                let sql = format!(
                    "select {columns} from {table} d
                     where d.id in (select {wanted} from {} wanted) and d.state in ({pending})
                       and d.run_at <= {} and d.lane in {} and (d.rescues = 0 or $3 = 1)
                     order by d.id {lock}",
                    d.json_texts(1),
                    d.now_once(),
                    d.json_texts(2),
                );
                (sql, serde_json::Value::from(ids).to_string().into())
            }
            Pick::Due { limit, overdue } => {
                let share = limit.div_ceil(lanes.len().max(1));
                let overdue = i64::try_from(overdue.as_millis()).unwrap_or(i64::MAX);
                let due = format!("(select {})", d.in_ms("-$1"));
                let of_lane = |lane: &str| {
                    format!(
                        "select {columns}, d.run_at from {table} d
                         where d.state in ({pending}) and d.lane = {lane} and d.run_at <= {due}
                           and (d.rescues = 0 or $3 = 1)
                         order by d.run_at, d.id limit {share} {lock}"
                    )
                };
                let sql = match d {
                    Dialect::Postgres => format!(
                        "select one.id, one.rescues, one.uncalled from {} lane cross join lateral ({}) one",
                        d.json_texts(2),
                        of_lane("lane.value")
                    ),
                    // No lateral joins: the lanes' shares are put together from one query a lane.
                    Dialect::Sqlite => {
                        let lane = |n| format!("select * from ({})", of_lane(&format!("json_extract($2, '$[{n}]')")));
                        let all: Vec<_> = (0..lanes.len()).map(lane).collect();
                        format!("select id, rescues, uncalled from ({})", all.join(" union all "))
                    }
                };
                (sql, overdue.into())
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
        let id = d.cast("d.id", "text");
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
            d.ms_since("d.first_attempt_at").replace("d.", if d == Dialect::Sqlite { "" } else { "d." }),
        )
    }
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
