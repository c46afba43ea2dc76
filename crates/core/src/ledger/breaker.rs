//! Breakers: targets that no process calls for now.
//!
//! They are kept in the ledger and not in Redis: one that waits for a human must outlive a Redis that is emptied, and
//! processes without Redis share them as well. They change seldom, and are read once a second.

use std::{str::FromStr, time::Duration};

use sea_orm::ConnectionTrait;
use serde::Serialize;

use super::{Ledger, deletions::held::with_is_doubted};
use crate::{
    db::{self, Db, Dialect, Query, Row, Sql, Words, millis},
    ids::Lane,
};

/// Throttling ends this long after the target need not be spared any more, even if no call showed that it answers.
pub const THROTTLE_ENDS: Duration = Duration::from_secs(30);

/// Why a target is not called for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Too many of its calls failed.
    Failures,
    /// It refuses our credentials.
    Unauthorized,
    /// Too many calls were answered "gone" unexpectedly: an operator has to look.
    Gone,
    /// It asked for patience.
    Throttled,
}

impl FromStr for Cause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cause = Self::ALL.into_iter().find(|cause| cause.as_str() == text);
        cause.ok_or_else(|| format!("`{text}` is not the cause of a breaker"))
    }
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

/// Why and for how long a breaker is opened.
#[derive(Debug, Clone, Copy)]
pub struct BreakerOpening<'a> {
    /// What opens it.
    pub cause: Cause,
    /// The same for people.
    pub reason: &'a str,
    /// Time until the first probe; none: it stays open until an operator resumes the lane.
    pub first_probe: Option<Duration>,
}

/// A target that is not called for now; the field names are part of the contract of `--json`.
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
    /// Milliseconds until it may be probed, or until it is called again when it is throttled; none while it waits for
    /// an operator.
    pub left_ms: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Statements {
    list: Sql,
    open: Sql,
    throttle: Sql,
    take_probe: Sql,
    close: Sql,
    withdraw: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        let list = "-- list breakers
            select lane, cause, reason, {iso:since} as since, probes, -({ms_since:until}) as left_ms from {breaker}
            where cause <> {cause:Throttled} or until > {in_ms:-@ends_ms}
            order by lane";
        let close = "-- close a breaker
            delete from {breaker} where lane = @lane and cause <> {cause:Gone}";
        let withdraw = "-- close a breaker that nothing speaks for any more
            delete from {breaker} where lane = @lane and cause = {cause:Gone} and since <= {in_ms:-@settled_ms}
                and not exists (
                    select 1 from {deletion} d
                    where d.held_at is not null and d.resource = @resource and {is_doubted:@target})";
        let least = |dialect, values: &str| match dialect {
            Dialect::Postgres => format!("least({values})"),
            Dialect::Sqlite => format!("min({values})"),
        };
        let words = with_is_doubted(words);
        let words = words.with_function("least", least).with_function("bigint", |d, x| d.cast(x, "bigint"));
        Self {
            list: words.render(list),
            open: words.render(include_str!("breaker.open.sql")),
            throttle: words.render(include_str!("breaker.throttle.sql")),
            take_probe: words.render(include_str!("breaker.take_probe.sql")),
            close: words.render(close),
            withdraw: words.render(withdraw),
        }
    }
}

impl Ledger {
    /// The targets that are not called for now. Those whose throttling ended [a while](THROTTLE_ENDS) ago are not among
    /// them.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn breakers(&self, conn: &impl ConnectionTrait) -> Result<Vec<OpenBreaker>, db::Error> {
        let breaker = |row: &Row| {
            Ok(OpenBreaker {
                lane: Lane::from_ledger(row.get("lane")?),
                cause: row.parse("cause")?,
                reason: row.get("reason")?,
                since: row.get("since")?,
                probes: row.get("probes")?,
                left_ms: row.get("left_ms")?,
            })
        };
        self.sql
            .breaker
            .list
            .bind([("ends_ms", millis(THROTTLE_ENDS).into())])
            .all(conn)
            .await?
            .iter()
            .map(breaker)
            .collect()
    }

    /// Opens the breaker of `lane`. False if it was open already. Throttling gives way to it.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn open_breaker(&self, db: &Db, lane: &Lane, opening: BreakerOpening<'_>) -> Result<bool, db::Error> {
        let BreakerOpening { cause, reason, first_probe } = opening;
        let open = self.sql.breaker.open.bind([
            ("lane", lane.as_str().into()),
            ("cause", cause.as_str().into()),
            ("reason", reason.into()),
            ("first_probe_ms", first_probe.map(millis).into()),
        ]);
        self.change_breaker(db, open).await
    }

    /// Keeps calls from `lane` for `time`, as its target asked. Changes nothing if its breaker is open, or if it is
    /// throttled for longer already.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn throttle(&self, db: &Db, lane: &Lane, reason: &str, time: Duration) -> Result<bool, db::Error> {
        let throttle = self.sql.breaker.throttle.bind([
            ("lane", lane.as_str().into()),
            ("reason", reason.into()),
            ("time_ms", millis(time).into()),
            ("ends_ms", millis(THROTTLE_ENDS).into()),
        ]);
        self.change_breaker(db, throttle).await
    }

    /// Takes the right to probe `lane`, which one process has until the next probe: that comes after `interval`,
    /// doubled with each probe so far, but not later than after `most`.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn take_probe(
        &self,
        db: &Db,
        lane: &Lane,
        interval: Duration,
        most: Duration,
    ) -> Result<bool, db::Error> {
        let take = self.sql.breaker.take_probe.bind([
            ("lane", lane.as_str().into()),
            ("interval_ms", millis(interval).into()),
            ("most_ms", millis(most).into()),
        ]);
        Ok(take.execute(&db.conn).await? > 0)
    }

    /// Closes the breaker of `lane` after a good probe. One that waits for an operator stays open.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn close_breaker(&self, db: &Db, lane: &Lane) -> Result<bool, db::Error> {
        self.change_breaker(db, self.sql.breaker.close.bind([("lane", lane.as_str().into())])).await
    }

    /// Closes the breaker of `lane` if it is open because of answers "gone" and nothing is held any more: each of them
    /// was explained. It must have been open for `settled`, so that what was answered is written down.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn withdraw_breaker(&self, db: &Db, lane: &Lane, settled: Duration) -> Result<bool, db::Error> {
        let Some((resource, target)) = lane.split_once('.') else { return Ok(false) };
        let values = [
            ("lane", lane.as_str().into()),
            ("resource", resource.into()),
            ("target", target.into()),
            ("settled_ms", millis(settled).into()),
        ];
        self.change_breaker(db, self.sql.breaker.withdraw.bind(values)).await
    }

    async fn change_breaker(&self, db: &Db, change: Query) -> Result<bool, db::Error> {
        let changed = change.execute(&db.conn).await? > 0;
        if changed {
            self.notify(&db.conn).await?;
        }
        Ok(changed)
    }
}
