//! Reading what is due, without locking or writing anything.

use std::time::Duration;

use serde_json::json;

use crate::{
    db::{self, Db, Row, Sql, Words},
    hint::Hint,
    ids::{Fence, Lane},
    ledger::Ledger,
};

/// A due deletion, after which the next read of its lane continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The hint to push.
    pub hint: Hint,
    /// Since when it is due, as the database prints it; for [`Ledger::due_in_lane`] only.
    pub run_at: String,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    first_page: Sql,
    next_page: Sql,
    next_due: Sql,
    idle: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let beyond = "and (d.run_at, d.id) > ({timestamptz:@run_at}, {uuid:@id})";
        let page =
            |beyond: &str| words.clone().with([("beyond", words.expand(beyond))]).render(include_str!("due.page.sql"));
        let next_due = "-- see when the next deletion is due
            select -{ms_since:min(one.run_at)} as ms
            from (select {oldest_in_lane} as run_at from {texts:@lanes} lane) one";
        Self {
            first_page: page(""),
            next_page: page(beyond),
            next_due: words.render(next_due),
            idle: words.render(include_str!("due.idle.sql")),
        }
    }
}

/// When the first pending deletion of `lane.value` is due. It is read off the index, which `exists (… run_at <= …)` is
/// not: the planner expects to hit on a due row soon, and reads the table.
pub(in crate::ledger) const OLDEST_IN_LANE: &str = "(
    select d.run_at from {deletion} d where d.state in ({from:Claimed}) and d.lane = lane.value
    order by d.run_at, d.id limit 1)";

impl Ledger {
    /// The oldest due deletions of a lane, at most `limit`, that come after `after`. Rescued ones are not among them,
    /// because each process takes those one at a time ([`list_rescued`](Self::list_rescued)).
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn due_in_lane(
        &self,
        db: &Db,
        lane: &Lane,
        after: Option<&Due>,
        limit: usize,
    ) -> Result<Vec<Due>, db::Error> {
        let mut values =
            vec![("lane", lane.as_str().into()), ("limit", i64::try_from(limit).unwrap_or(i64::MAX).into())];
        let sql = match after {
            None => &self.sql.due.first_page,
            Some(after) => {
                values.push(("run_at", after.run_at.as_str().into()));
                values.push(("id", after.hint.id().to_string().into()));
                &self.sql.due.next_page
            }
        };
        let due = |row: &Row| {
            let hint = Hint::new(row.parse("id")?, Fence(row.get("fence")?));
            Ok(Due { hint, run_at: row.get("run_at")? })
        };
        sql.bind_all(values).all(&db.conn).await?.iter().map(due).collect()
    }

    /// Time until the next deletion of `lanes` is due; zero if one is, none if there is none.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn next_due_in(&self, db: &Db, lanes: &[Lane]) -> Result<Option<Duration>, db::Error> {
        if lanes.is_empty() {
            return Ok(None);
        }
        let row = self.sql.due.next_due.bind([("lanes", json!(lanes).to_string().into())]).one(&db.conn).await?;
        let ms: Option<i64> = row.map(|row| row.get("ms")).transpose()?.flatten();
        Ok(ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default())))
    }

    /// Whether nothing is running in `lanes` and nothing will be due without time passing. Backoffs and snoozes count
    /// as due; grace and `delete_after` do not.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn is_idle(&self, db: &Db, lanes: &[Lane]) -> Result<bool, db::Error> {
        let row = self.sql.due.idle.bind([("lanes", json!(lanes).to_string().into())]).one(&db.conn).await?;
        Ok(row.map(|row| row.integer("busy")).transpose()?.unwrap_or_default() == 0)
    }
}
