//! Breakers: targets that are left alone, as all processes know it.
//!
//! They are kept in the ledger and not in Redis: one that waits for a human must outlive a Redis that is emptied, and
//! processes without Redis share them as well. They change seldom, and are read once a second.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Value};
use serde::Serialize;

use super::{Ledger, notify};
use crate::{
    db::{self, Db, millis},
    ids::Lane,
};

/// Why a target is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Too many of its calls failed.
    Failures,
    /// It refuses our credentials.
    Unauthorized,
    /// Too many first calls were answered "gone": somebody has to look.
    Gone,
    /// It asked for patience.
    Throttled,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Failures, Self::Unauthorized, Self::Gone, Self::Throttled];

    /// As in the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Unauthorized => "unauthorized",
            Self::Gone => "gone",
            Self::Throttled => "throttled",
        }
    }
}

/// A target that is left alone; the field names are part of the contract of `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenBreaker {
    /// `resource.target`.
    pub lane: Lane,
    /// Why.
    pub cause: Cause,
    /// What was seen.
    pub reason: String,
    /// Since when (RFC 3339, UTC).
    pub since: String,
    /// Probes so far.
    pub probes: i32,
    /// Milliseconds until it may be probed, or until it is called again when it is throttled; none while it waits for an
    /// operator.
    pub left_ms: Option<i64>,
}

impl Ledger {
    /// The targets that are left alone now. Those whose throttling ended are not among them.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn breakers(&self, conn: &impl ConnectionTrait) -> Result<Vec<OpenBreaker>, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "select lane, cause, reason, {} as since, probes, -({}) as left_ms from {}
             where cause <> 'throttled' or until > {} order by lane",
            d.iso("since"),
            d.ms_since("until"),
            self.breaker,
            d.now()
        );
        let rows = conn.query_all_raw(d.statement(sql, [])).await?;
        rows.iter()
            .map(|row| {
                let cause: String = row.try_get("", "cause")?;
                let known = Cause::ALL.into_iter().find(|known| known.as_str() == cause);
                Ok(OpenBreaker {
                    lane: Lane::from_ledger(row.try_get("", "lane")?),
                    cause: known
                        .ok_or_else(|| db::Error::unreadable(format!("`{cause}` is not the cause of a breaker")))?,
                    reason: row.try_get("", "reason")?,
                    since: row.try_get("", "since")?,
                    probes: row.try_get("", "probes")?,
                    left_ms: row.try_get("", "left_ms")?,
                })
            })
            .collect()
    }

    /// Opens the breaker of `lane`, to be probed after `first_probe` (never, if none: until an operator resumes it).
    /// False if it was open already. Throttling gives way to it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn open_breaker(
        &self,
        db: &Db,
        lane: &Lane,
        cause: Cause,
        reason: &str,
        first_probe: Option<Duration>,
    ) -> Result<bool, db::Error> {
        let d = self.dialect;
        let until = first_probe.map_or_else(|| "null".to_owned(), |after| d.in_ms(&millis(after).to_string()));
        let sql = format!(
            "insert into {} as b (lane, cause, reason, until) values ($1, $2, $3, {until})
             on conflict (lane) do update set cause = excluded.cause, reason = excluded.reason, until = excluded.until,
                since = {}, probes = 0
             where b.cause = 'throttled' or (excluded.cause = 'gone' and b.cause <> 'gone')",
            self.breaker,
            d.now()
        );
        self.change_breaker(db, sql, [lane.as_str().into(), cause.as_str().into(), reason.into()]).await
    }

    /// Leaves `lane` alone for `time`, as its target asked. Changes nothing if its breaker is open, or it is left alone for
    /// longer anyway.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn throttle(&self, db: &Db, lane: &Lane, reason: &str, time: Duration) -> Result<bool, db::Error> {
        let d = self.dialect;
        let sql = format!(
            "insert into {} as b (lane, cause, reason, until) values ($1, 'throttled', $2, {})
             on conflict (lane) do update set reason = excluded.reason, until = excluded.until,
                since = case when b.until < {now} then {now} else b.since end
             where b.cause = 'throttled' and b.until < excluded.until",
            self.breaker,
            d.in_ms("$3"),
            now = d.now()
        );
        self.change_breaker(db, sql, [lane.as_str().into(), reason.into(), millis(time).into()]).await
    }

    /// Takes the right to probe `lane`, which one process has until the next probe: that comes after `interval`, doubled
    /// with each probe so far, but not later than after `most`.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn take_probe(
        &self,
        db: &Db,
        lane: &Lane,
        interval: Duration,
        most: Duration,
    ) -> Result<bool, db::Error> {
        let d = self.dialect;
        let shift = "(1 << case when probes < 20 then probes + 1 else 20 end)";
        let least = if d == crate::db::Dialect::Postgres { "least" } else { "min" };
        let sql = format!(
            "update {} set probes = probes + 1, until = {}
             where lane = $1 and cause in ('failures', 'unauthorized') and until <= {}",
            self.breaker,
            d.in_ms(&format!("{least}({} * {shift}, {})", d.param(2, "bigint"), d.param(3, "bigint"))),
            d.now()
        );
        let values = [lane.as_str().into(), millis(interval).into(), millis(most).into()];
        Ok(db.conn.execute_raw(d.statement(sql, values)).await?.rows_affected() > 0)
    }

    /// Closes the breaker of `lane` after a good probe. One that waits for an operator stays open.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn close_breaker(&self, db: &Db, lane: &Lane) -> Result<bool, db::Error> {
        let sql = format!("delete from {} where lane = $1 and cause <> 'gone'", self.breaker);
        self.change_breaker(db, sql, [lane.as_str().into()]).await
    }

    async fn change_breaker<const N: usize>(
        &self,
        db: &Db,
        sql: String,
        values: [Value; N],
    ) -> Result<bool, db::Error> {
        let changed = db.conn.execute_raw(self.dialect.statement(sql, values)).await?.rows_affected() > 0;
        if changed {
            notify(&db.conn, self.dialect).await?;
        }
        Ok(changed)
    }
}
