//! Rendered statements: binding values by name, and running them.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, Statement, Value};

use super::{Dialect, Error, Row};

/// A rendered statement.
#[derive(Debug, Clone)]
pub struct Sql {
    pub(super) dialect: Dialect,
    /// What it does, to be read after "cannot".
    pub(super) purpose: Arc<str>,
    pub(super) sql: Arc<str>,
    /// The names of the values, in the order of their numbers.
    pub(super) names: Arc<[String]>,
}

impl Sql {
    /// The text as the database gets it, with values as `$1`, `$2` in both dialects.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.sql
    }

    /// The statement with its values, each under its name. A value that the statement has no place for in this dialect
    /// is left out.
    ///
    /// # Panics
    /// If a value is missing: which values a statement has is known when the program is written.
    #[must_use]
    pub fn bind<const N: usize>(&self, values: [(&str, Value); N]) -> Query {
        self.bind_all(Vec::from(values))
    }

    /// As [`Self::bind`], for a number of values that depends on the table.
    ///
    /// # Panics
    /// As [`Self::bind`].
    #[must_use]
    pub fn bind_all<N: AsRef<str>>(&self, mut values: Vec<(N, Value)>) -> Query {
        let ids = values.iter().filter(|(name, _)| matches!(name.as_ref(), "id" | "deletion" | "batch"));
        let about = ids.filter_map(|(name, value)| Some(format!("{} {}", name.as_ref(), text_of(value)?))).next();
        let bound = self.names.iter().map(|name| {
            let position = values.iter().position(|(given, _)| given.as_ref() == name);
            let Some(position) = position else { panic!("no value @{name} to {}", self.purpose) };
            std::mem::replace(&mut values[position].1, Value::Bool(None))
        });
        let statement = self.dialect.statement(&*self.sql, bound.collect::<Vec<_>>());
        Query { statement, purpose: Arc::clone(&self.purpose), about }
    }

    /// Runs a text without values, which may hold several statements.
    ///
    /// # Errors
    /// [`Error`], with what the text does.
    pub async fn run_script(&self, conn: &impl ConnectionTrait) -> Result<(), Error> {
        run_script(conn, &self.purpose, &self.sql).await
    }
}

/// Runs a text that is made elsewhere and has no values; it may hold several statements.
///
/// * `doing`: what the text does, to be read after "cannot".
///
/// # Errors
/// [`Error`], with what the text does.
pub async fn run_script(conn: &impl ConnectionTrait, doing: &str, sql: &str) -> Result<(), Error> {
    conn.execute_unprepared(sql).await.map(drop).map_err(|source| Error::new(doing, None, source))
}

/// A statement with its values, to be run once.
#[derive(Debug, Clone)]
pub struct Query {
    pub(super) statement: Statement,
    purpose: Arc<str>,
    /// Which deletion or batch it is about.
    about: Option<String>,
}

impl Query {
    /// All rows.
    ///
    /// # Errors
    /// [`Error`], with what the statement does and, if one was bound, the id.
    pub async fn all(self, conn: &impl ConnectionTrait) -> Result<Vec<Row>, Error> {
        let Self { statement, purpose, about } = self;
        match conn.query_all_raw(statement).await {
            Ok(rows) => Ok(rows.into_iter().map(|row| Row::new(row, Arc::clone(&purpose))).collect()),
            Err(source) => Err(Error::new(&purpose, about, source)),
        }
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub async fn one(self, conn: &impl ConnectionTrait) -> Result<Option<Row>, Error> {
        let Self { statement, purpose, about } = self;
        match conn.query_one_raw(statement).await {
            Ok(row) => Ok(row.map(|row| Row::new(row, purpose))),
            Err(source) => Err(Error::new(&purpose, about, source)),
        }
    }

    /// Runs the statement; how many rows it changed.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub async fn execute(self, conn: &impl ConnectionTrait) -> Result<u64, Error> {
        let Self { statement, purpose, about } = self;
        match conn.execute_raw(statement).await {
            Ok(result) => Ok(result.rows_affected()),
            Err(source) => Err(Error::new(&purpose, about, source)),
        }
    }

    pub(super) fn into_parts(self) -> (Statement, Arc<str>, Option<String>) {
        (self.statement, self.purpose, self.about)
    }
}

/// An id as it was bound.
fn text_of(value: &Value) -> Option<&str> {
    if let Value::String(Some(text)) = value { Some(text) } else { None }
}
