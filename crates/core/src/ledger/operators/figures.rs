//! Figures cheap enough for every few seconds, however large the backlog is.

use std::time::Duration;

use serde_json::json;

use crate::{
    db::{self, Db, Row, Sql, Words},
    ids::Lane,
    ledger::Ledger,
};

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    oldest_due: Sql,
    dead_by_kind: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let oldest_due = "-- see for how long deletions have been due
            select lane.value as lane,
                {ms_since:(
                    select min(d.run_at) from {deletion} d where d.state in ({from:Claimed}) and d.lane = lane.value
                )} as ms
            from {texts:@lanes} lane";
        // Ten thousand are one alarm; counting further would cost more the worse things are.
        let dead_by_kind = "-- count dead letters
            select dead_kind, count(*) as n
            from (select dead_kind from {deletion} where state = {dead} limit 10000) dead
            group by dead_kind";
        Self { oldest_due: words.render(oldest_due), dead_by_kind: words.render(dead_by_kind) }
    }
}

impl Ledger {
    /// For each lane the age of its oldest due deletion; zero where nothing is due. One index entry a lane is read.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn oldest_due(&self, db: &Db, lanes: &[Lane]) -> Result<Vec<(Lane, Duration)>, db::Error> {
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let query = self.sql.figures.oldest_due.bind([("lanes", json!(lanes).to_string().into())]);
        let age = |row: &Row| {
            let ms: Option<i64> = row.get("ms")?;
            let ms = ms.and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default();
            Ok((Lane::from_ledger(row.get("lane")?), Duration::from_millis(ms)))
        };
        query.all(&db.conn).await?.iter().map(age).collect()
    }

    /// Dead letters by kind, counting no more than ten thousand in all.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn dead_by_kind(&self, db: &Db) -> Result<Vec<(String, i64)>, db::Error> {
        let rows = self.sql.figures.dead_by_kind.bind([]).all(&db.conn).await?;
        rows.iter().map(|row| Ok((row.get("dead_kind")?, row.get("n")?))).collect()
    }
}
