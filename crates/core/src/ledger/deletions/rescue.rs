//! Rescue: deletions whose worker vanished are pending once more, or dead if they keep killing their workers.

use serde_json::json;

use crate::{
    db::{self, Db, Row, Sql, Words, kill_point},
    ids::{DeletionId, Lane},
    ledger::Ledger,
    outcome::DeadKind,
};

/// A deletion whose lease had expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    /// The deletion.
    pub id: DeletionId,
    /// Its resource.
    pub resource: String,
    /// Leases in a row that expired, this one included.
    pub rescues: u32,
    /// Why it is dead, if it is.
    pub dead: Option<DeadKind>,
}

#[derive(Debug)]
pub(in crate::ledger) struct Statements {
    rescue: Sql,
    due: Sql,
}

impl Statements {
    pub(in crate::ledger) fn render(words: &Words) -> Self {
        let due = "-- read which rescued deletions are due
            select {text:d.id} as id from {deletion} d
            where d.state in ({from:Claimed}) and d.rescues > 0 and d.run_at <= {now_once} and d.lane {any_text:@lanes}
            order by d.run_at limit @limit";
        Self { rescue: words.render(include_str!("rescue.expired.sql")), due: words.render(due) }
    }
}

impl Ledger {
    /// Takes back at most `limit` deletions whose lease expired, by the database's clock.
    ///
    /// They are due at once, except that one with more than `max_rescues` rescues is dead as `poison`, and one whose
    /// call must not be repeated is dead as `unknown_outcome`.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses; nothing changed then.
    pub async fn rescue(&self, db: &Db, max_rescues: u32, limit: u32) -> Result<Vec<Rescued>, db::Error> {
        let max_rescues = i32::try_from(max_rescues).unwrap_or(i32::MAX);
        let query =
            self.sql.rescue.rescue.bind([("max_rescues", max_rescues.into()), ("limit", i64::from(limit).into())]);
        kill_point("rescue::before");
        let rows = query.all(&db.conn).await?;
        kill_point("rescue::committed");
        let rescued = |row: &Row| {
            Ok(Rescued {
                id: row.parse("id")?,
                resource: row.get("resource")?,
                rescues: row.count("rescues")?,
                dead: row.parse_opt("dead_kind")?,
            })
        };
        rows.iter().map(rescued).collect()
    }

    /// The deletions of `lanes` that were rescued and are due, the longest due first, at most `limit`: candidates for
    /// [`claim`](Self::claim), which takes one of them.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn list_rescued(&self, db: &Db, lanes: &[Lane], limit: u32) -> Result<Vec<DeletionId>, db::Error> {
        let values = [("lanes", json!(lanes).to_string().into()), ("limit", i64::from(limit).into())];
        self.sql.rescue.due.bind(values).all(&db.conn).await?.iter().map(|row: &Row| row.parse("id")).collect()
    }
}
