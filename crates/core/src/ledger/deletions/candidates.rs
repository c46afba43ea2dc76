//! Which deletions a claim may take. In each query `$1` is what was picked (hinted ids, or for how many milliseconds a
//! deletion must have been due), `$2` the lanes, and `$3` whether a rescued deletion may be among them.

use sea_orm::{ConnectionTrait, Value};

use crate::{
    db::{self, literal},
    ids::DeletionId,
    ledger::{Ledger, Pick},
    state::Event,
};

/// Whether a rescued deletion may be among those that are claimed.
const ALLOWED: &str = "and (d.rescues = 0 or $3 = 1)";

const CANDIDATE: &str = "d.id, d.rescues, d.called_at is null as uncalled";

/// Of `due`, as the query `chosen`: at most one that was rescued before, and no more than were asked for. Which ones stay
/// behind is left to chance, so that no lane is always the last.
pub(in crate::ledger) fn chosen(pick: Pick<'_>) -> String {
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

impl Ledger {
    /// The hinted deletions that may be claimed, as the query `due`, and the value of its `$1`.
    pub(in crate::ledger) fn hinted(&self, ids: &[DeletionId]) -> (String, Value) {
        let d = self.dialect;
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let sql = format!(
            "due as (
                select {CANDIDATE} from {} d
                where d.id {} and d.state in ({}) and d.run_at <= {}
                   and d.lane {} and (d.rescues = 0 or $3 = 1)
                order by d.id {}
             )",
            self.deletion,
            d.any_of(1, "uuid"),
            Event::Claimed.sql_from(),
            d.now_once(),
            d.any_of(2, "text"),
            d.skip_locked("d"),
        );
        (sql, serde_json::Value::from(ids).to_string().into())
    }

    /// What makes a deletion of `lane` (an SQL expression) a candidate; `$1` is for how long it must have been due.
    fn due_in(&self, lane: &str) -> String {
        let (pending, due) = (Event::Claimed.sql_from(), self.due());
        format!("d.state in ({pending}) and d.lane = {lane} and d.run_at <= {due} {ALLOWED}")
    }

    fn due(&self) -> String {
        format!("(select {})", self.dialect.in_ms("-$1"))
    }

    /// The lanes of `$2` with anything due.
    fn open_lanes(&self) -> String {
        let (lanes, oldest, due) = (self.dialect.json_texts(2), self.oldest_allowed(), self.due());
        format!("select lane.value as value from {lanes} lane where {oldest} <= {due}")
    }

    fn oldest_allowed(&self) -> String {
        format!(
            "(select d.run_at from {} d where d.state in ({}) and d.lane = lane.value {ALLOWED}
              order by d.run_at, d.id limit 1)",
            self.deletion,
            Event::Claimed.sql_from()
        )
    }

    /// The lanes with anything due share `limit`; of each the oldest are taken.
    pub(in crate::ledger) fn due_postgres(&self, limit: usize) -> String {
        let (table, open, due) = (&self.deletion, self.open_lanes(), self.due_in("lane.value"));
        format!(
            "open as ({open}),
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
    pub(in crate::ledger) fn due_sqlite(&self, limit: usize, open: &[String]) -> String {
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
    pub(in crate::ledger) async fn lanes_with_due(
        &self,
        conn: &impl ConnectionTrait,
        values: [Value; 5],
    ) -> Result<Vec<String>, db::Error> {
        let sql = format!("{} and $4 <> '' and $5 > 0", self.open_lanes());
        let rows = conn.query_all_raw(self.dialect.statement(sql, values)).await?;
        rows.iter().map(|row| row.try_get("", "value").map_err(db::Error::from)).collect()
    }
}
