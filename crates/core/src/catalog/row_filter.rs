//! Which of some keys have a row that meets a condition.

use sea_orm::ConnectionTrait;

use super::{key::Key, rows::Rows};
use crate::db::{self, Dialect, RowLocks, Sql};

/// Which rows of a table are wanted.
pub(crate) struct Among<'a> {
    /// A relation with the table's columns: the table itself, or a query in parentheses.
    pub(crate) source: &'a str,
    /// A condition on its alias `t`.
    pub(crate) condition: &'a str,
    /// Whether the rows are locked until the transaction ends.
    pub(crate) locks: RowLocks,
}

impl Rows {
    /// The statement for [`Self::filter_keys`]: on PostgreSQL for all keys at once, on SQLite for one.
    pub(super) fn filter(&self, among: &Among<'_>) -> Sql {
        let words = self.words().with_verbatim([("source", among.source)]);
        let words = words.with([("condition", among.condition.to_owned()), ("locks", among.locks.clause("t"))]);
        let filter = words.pick(
            "-- see which rows meet a condition
             select {key} as key
             from {source} t join {keys} on {key_equals}
             where {condition}
             order by {key_columns} {locks}",
            "-- see whether a row meets a condition
             select 1 from {source} t where {key_is_bound} and {condition}",
        );
        words.render(filter)
    }

    /// Those of `keys` whose row the statement finds, in the order of the keys in the database.
    pub(super) async fn filter_keys(
        &self,
        conn: &impl ConnectionTrait,
        keys: &[Key],
        filter: &Sql,
    ) -> Result<Vec<Key>, db::Error> {
        let mut found = Vec::new();
        match self.dialect {
            Dialect::Postgres => {
                let values = [("keys", Key::records(keys).to_string().into())];
                for row in filter.bind(values).all(conn).await? {
                    found.extend(self.parse_key(&row.get::<String>("key")?));
                }
            }
            Dialect::Sqlite => {
                for key in keys {
                    if filter.bind_all(key.values()).one(conn).await?.is_some() {
                        found.push(key.clone());
                    }
                }
            }
        }
        Ok(found)
    }

    /// Those of `keys` whose row is there and meets the condition, in the order of the keys in the database.
    ///
    /// # Errors
    /// [`db::Error`] when the database does not answer or refuses, also when a lock was not to be had in time.
    pub(crate) async fn rows_among(
        &self,
        conn: &impl ConnectionTrait,
        keys: &[Key],
        among: &Among<'_>,
    ) -> Result<Vec<Key>, db::Error> {
        self.filter_keys(conn, keys, &self.filter(among)).await
    }
}
