//! Figures cheap enough for every few seconds, however large the backlog is.

use std::time::Duration;

use sea_orm::ConnectionTrait;

use crate::{
    db::{self, Db, Dialect},
    ids::Lane,
    ledger::{Ledger, states_before},
    state::{Event, State},
};

/// Ten thousand dead letters or more are one alarm; counting further would cost more the worse things are.
const MOST_COUNTED: u32 = 10_000;

impl Ledger {
    /// For each lane the age of its oldest due deletion; zero where nothing is due. One index entry a lane is read.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn oldest_due(&self, db: &Db, lanes: &[Lane]) -> Result<Vec<(Lane, Duration)>, db::Error> {
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let d = self.dialect;
        let names = match d {
            Dialect::Postgres => format!("{} lane", d.json_texts(1)),
            Dialect::Sqlite => "json_each($1) lane".to_owned(),
        };
        let first = format!(
            "(select min(d.run_at) from {} d where d.state in ({}) and d.lane = lane.value)",
            self.deletion,
            states_before(Event::Claimed)
        );
        let sql = format!("select lane.value as lane, {} as ms from {names}", d.ms_since(&first));
        let lanes = serde_json::json!(lanes).to_string();
        let rows = db.conn.query_all_raw(d.statement(sql, [lanes.into()])).await?;
        let age = |ms: Option<i64>| Duration::from_millis(ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default());
        rows.iter().map(|row| Ok((Lane::from_ledger(row.try_get("", "lane")?), age(row.try_get("", "ms")?)))).collect()
    }

    /// Dead letters by kind, counting no more than ten thousand in all.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn dead_by_kind(&self, db: &Db) -> Result<Vec<(String, i64)>, db::Error> {
        let sql = format!(
            "select dead_kind, count(*) as n from (
                select dead_kind from {} where state = '{}' limit {MOST_COUNTED}) dead group by dead_kind",
            self.deletion,
            State::Dead
        );
        let rows = db.conn.query_all_raw(self.dialect.statement(sql, [])).await?;
        rows.iter().map(|row| Ok((row.try_get("", "dead_kind")?, row.try_get("", "n")?))).collect()
    }
}
