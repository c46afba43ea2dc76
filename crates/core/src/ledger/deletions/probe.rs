//! Which deletions to probe a target with: drawn across the lane, those first that never failed.

use crate::{
    db::{self, Db, Row, Sql, Words},
    ids::{DeletionId, Lane},
    ledger::Ledger,
};

/// A random time between the first and the last time since which a deletion of the lane is due.
const TIME_BETWEEN_POSTGRES: &str = "(
    select span.first + random() * (span.last - span.first)
    from (select
        (select d.run_at from {deletion} d where {in_lane} order by d.run_at, d.id limit 1) as first,
        (select d.run_at from {deletion} d where {in_lane} order by d.run_at desc, d.id desc limit 1) as last) span)";

const TIME_BETWEEN_SQLITE: &str = "(
    select strftime('%Y-%m-%dT%H:%M:%fZ', julianday(span.first)
        + (julianday(span.last) - julianday(span.first)) * (abs(random() % 1000000) / 1000000.0))
    from (select
        (select d.run_at from {deletion} d where {in_lane} order by d.run_at, d.id limit 1) as first,
        (select d.run_at from {deletion} d where {in_lane} order by d.run_at desc, d.id desc limit 1) as last) span)";

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    draw: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let in_lane = words.expand("d.state in ({from:Claimed}) and d.lane = @lane and d.run_at <= {now_once}");
        let words = words.clone().with([("in_lane", in_lane)]);
        let time_between = words.expand(words.pick(TIME_BETWEEN_POSTGRES, TIME_BETWEEN_SQLITE));
        let words = words.with([("time_between", time_between)]);
        Self { draw: words.render(include_str!("probe.sql")) }
    }
}

impl Ledger {
    /// Draws at most `limit` due deletions of `lane`, in the order in which they should be tried: those that were
    /// rescued last. Those that are held come after them.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn draw_probes(&self, db: &Db, lane: &Lane, limit: u32) -> Result<Vec<DeletionId>, db::Error> {
        let values = [("lane", lane.as_str().into()), ("limit", i64::from(limit).into())];
        self.sql.probe.draw.bind(values).all(&db.conn).await?.iter().map(|row: &Row| row.parse("id")).collect()
    }
}
