//! The sequence that numbers what operators did (PostgreSQL). Logical replication copies rows and not the state of
//! sequences, so that after a move to the copy it begins with numbers that are taken.

use super::Ledger;
use crate::db::{self, Db, Dialect, Sql, Words};

#[derive(Debug)]
pub(super) struct Statements {
    behind: Sql,
    mend: Sql,
}

impl Statements {
    pub(super) fn render(words: &Words) -> Self {
        let behind =
            words.pick(include_str!("sequence.behind.postgres.sql"), "-- look at sequences\nselect 0 as behind");
        let mend = words.pick(include_str!("sequence.mend.postgres.sql"), "-- mend sequences\nselect 0 as mended");
        Self { behind: words.render(behind), mend: words.render(mend) }
    }
}

impl Ledger {
    /// Whether the sequence is behind. Not, if the role may not look at it.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn sequence_is_behind(&self, db: &Db) -> Result<bool, db::Error> {
        let row = self.sql.sequence.behind.bind([]).one(&db.conn).await?;
        match (self.dialect, row) {
            (Dialect::Postgres, Some(row)) => row.get("behind"),
            (Dialect::Postgres, None) | (Dialect::Sqlite, _) => Ok(false),
        }
    }

    /// Moves the sequence behind the last number that is taken.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses.
    pub async fn mend_sequence(&self, db: &Db) -> Result<(), db::Error> {
        if self.sequence_is_behind(db).await? {
            self.sql.sequence.mend.bind([]).all(&db.conn).await?;
        }
        Ok(())
    }
}
