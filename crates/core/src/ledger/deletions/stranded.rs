//! Deletions in lanes that a configuration does not have: their target or their resource has left it.
//!
//! No process claims from such a lane. If the resource is still configured, the deletion goes to the lane of the
//! resource, where a worker finds what is missing. Otherwise it is dead after a while. A lane that is paused or whose
//! breaker is open has a process that knows it.

use std::time::Duration;

use sea_orm::ConnectionTrait;

use crate::{
    db::{self, Db, Row, Sql, Words, kill_point, millis},
    ids::{DeletionId, Lane},
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    lanes: Sql,
    take_in: Sql,
    abandon: Sql,
}

/// The pending deletions of a lane that have been due for a while and that no process waits with.
const STRANDED: &str = "
    select d.id from {deletion} d
    where d.state in ({from:Abandoned}) and d.lane = @lane and d.run_at < {in_ms:-@overdue_ms}
        and not exists (select 1 from {breaker} b where b.lane = d.lane)
        and not exists (
            select 1 from {control} c
            where c.resumed_at is null and (c.scope = d.lane or c.scope = d.resource))
    order by d.run_at, d.id
    limit @limit
    {skip_locked:d}";

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let lanes = include_str!("stranded.lanes.sql");
        let take_in = "-- let deletions wait in the lane of their resource
            with stranded as materialized ({stranded})
            update {deletion} set lane = resource where id in (select stranded.id from stranded)
            returning {text:id} as id";
        let abandon = include_str!("stranded.abandon.sql");
        let words = words.clone().with([("stranded", words.expand(STRANDED))]);
        Self { lanes: words.render(lanes), take_in: words.render(take_in), abandon: words.render(abandon) }
    }
}

/// Deletions that no process claims.
#[derive(Debug, Clone, Copy)]
pub struct Stranded<'a> {
    /// Their lane.
    pub lane: &'a Lane,
    /// They have been due for at least this long.
    pub overdue: Duration,
    /// At most this many.
    pub limit: u32,
}

impl Ledger {
    /// The lanes in which anything is pending: one look at the index for each.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn pending_lanes(&self, conn: &impl ConnectionTrait) -> Result<Vec<Lane>, db::Error> {
        let lane = |row: &Row| Ok(Lane::from_ledger(row.get("lane")?));
        self.sql.stranded.lanes.bind([]).all(conn).await?.iter().map(lane).collect()
    }

    /// Moves deletions to the lane of their resource. Returns them.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn take_in_stranded(&self, db: &Db, which: Stranded<'_>) -> Result<Vec<DeletionId>, db::Error> {
        self.change_stranded(db, &self.sql.stranded.take_in, which).await
    }

    /// Ends deletions as dead. Returns them.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn abandon_stranded(&self, db: &Db, which: Stranded<'_>) -> Result<Vec<DeletionId>, db::Error> {
        self.change_stranded(db, &self.sql.stranded.abandon, which).await
    }

    async fn change_stranded(&self, db: &Db, change: &Sql, which: Stranded<'_>) -> Result<Vec<DeletionId>, db::Error> {
        let Stranded { lane, overdue, limit } = which;
        let values = [
            ("lane", lane.as_str().into()),
            ("overdue_ms", millis(overdue).into()),
            ("limit", i64::from(limit).into()),
        ];
        kill_point("stranded::before");
        let changed = change.bind(values).all(&db.conn).await?;
        kill_point("stranded::committed");
        changed.iter().map(|row: &Row| row.parse("id")).collect()
    }
}
