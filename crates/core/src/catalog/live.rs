//! Which rows are live, and which of some keys have a row at all.

use sea_orm::ConnectionTrait;

use super::{
    key::Key,
    rows::Rows,
    table::{Rule, Table},
};
use crate::db::{self, Dialect, recordset};

/// Rows of which only some are looked at.
pub(crate) struct Among<'a> {
    /// A relation with the table's columns: the table itself, or a query in parentheses.
    pub(crate) source: &'a str,
    /// A condition on its alias `t`.
    pub(crate) condition: &'a str,
    /// Whether the rows are locked until the transaction ends.
    pub(crate) lock: Lock,
}

/// What is done about the locks of rows that are read; SQLite has one writer and no locks of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    /// None is taken.
    None,
    /// They are taken, and waited for.
    Wait,
    /// They are taken, and rows that somebody else has locked are left out.
    Skip,
    /// The same, but rows may be referenced anew meanwhile, and those that just were are not left out.
    SkipNoKey,
}

impl Rows {
    /// Those of `keys` whose row is there and meets the condition, in the order of the keys in the database.
    ///
    /// # Errors
    /// Whatever the database says.
    pub(crate) async fn rows_among(
        &self,
        conn: &impl ConnectionTrait,
        keys: &[Key],
        among: &Among<'_>,
    ) -> Result<Vec<Key>, db::Error> {
        let Among { source, condition, lock } = among;
        let mut found = Vec::new();
        match self.dialect {
            Dialect::Postgres => {
                let sql = format!(
                    "select {} as key from {source} t join {} on {} where {condition} order by {}{}",
                    self.key_text("t"),
                    recordset(1, &self.key_record()),
                    self.key_equals("t", "x"),
                    self.key_columns("t"),
                    match lock {
                        Lock::None => "",
                        Lock::Wait => " for update of t",
                        Lock::Skip => " for update of t skip locked",
                        Lock::SkipNoKey => " for no key update of t skip locked",
                    },
                );
                let values = [Key::records(keys).to_string().into()];
                for row in conn.query_all_raw(self.dialect.statement(sql, values)).await? {
                    found.extend(self.parse_key(&row.try_get::<String>("", "key")?));
                }
            }
            Dialect::Sqlite => {
                for key in keys {
                    let mut values = Vec::new();
                    let matches = self.key_matches("t", key, &mut values);
                    let sql = format!("select 1 from {source} t where {matches} and {condition}");
                    if conn.query_one_raw(self.dialect.statement(sql, values)).await?.is_some() {
                        found.push(key.clone());
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Table {
    /// The condition that a row carries no marker, on the alias of the table. A disjunction and no `case`, so that an
    /// index on the marker can be used.
    #[must_use]
    pub fn live(&self, alias: &str) -> String {
        let live = |rule: &Rule| match &rule.value {
            None => format!("{} is null", rule.column.of(alias)),
            // Null is a value like any other here, too.
            Some(value) => {
                let column = rule.column.of(alias);
                format!("({column} <> {} or {column} is null)", rule.column.value(value))
            }
        };
        let mut earlier = String::new();
        let mut any = Vec::new();
        for rule in &self.rules {
            let Some((column, value)) = &rule.when else {
                any.push(format!("({}{earlier})", live(rule)));
                continue;
            };
            let (column, value) = (column.of(alias), column.value(value));
            any.push(format!("({}{earlier} and {column} = {value})", live(rule)));
            earlier.push_str(&format!(" and ({column} <> {value} or {column} is null)"));
        }
        format!("({})", any.join(" or "))
    }

    /// The condition that a row carries its marker, on the alias of the table. Not `not`: where the column that decides on
    /// the marker is null, [`Self::live`] may be null.
    #[must_use]
    pub fn marked(&self, alias: &str) -> String {
        format!("({} is not true)", self.live(alias))
    }

    /// Those of `keys` whose row is there, live or marked.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn existing(&self, conn: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        self.rows_among(conn, keys, &Among { source: &self.sql, condition: "true", lock: Lock::None }).await
    }

    /// Those of `keys` whose row is there and carries no marker.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn live_among(&self, conn: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        self.rows_among(conn, keys, &Among { source: &self.sql, condition: &self.live("t"), lock: Lock::None }).await
    }

    /// Those of `keys` whose row is there and carries its marker.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn marked_among(&self, conn: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Key>, db::Error> {
        self.rows_among(conn, keys, &Among { source: &self.sql, condition: &self.marked("t"), lock: Lock::None }).await
    }
}
