//! What a database error means for us.

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// The database cannot be reached or refuses us. The message has no password in it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one.
    #[error("database.url is not a database URL: expected postgres://user@host/name or sqlite://file.db?mode=rwc")]
    Url,
    /// No connection.
    #[error("cannot connect to the database at {place}: {source}")]
    Unreachable {
        /// Host, port and database name.
        place: String,
        /// What the driver said.
        source: Box<DbErr>,
    },
}

/// A constraint that the database refused to break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE, or SQLite's extended result code.
    pub code: String,
    /// The constraint, if the database names it.
    pub constraint: Option<String>,
    /// The table with the constraint, if the database names it.
    pub table: Option<String>,
}

impl Refusal {
    /// Whether another row still references the row (SQLSTATE 23503 and 23001; SQLite 787 and 1811).
    #[must_use]
    pub fn is_foreign_key(&self) -> bool {
        matches!(self.code.as_str(), "23503" | "23001" | "787" | "1811")
    }

    /// Whether a lock was not to be had in time, or the statement took too long, or somebody else went first: worth
    /// another try soon (SQLSTATE 55P03, 57014, 40001, 40P01; SQLite BUSY and LOCKED).
    #[must_use]
    pub fn is_contention(&self) -> bool {
        matches!(self.code.as_str(), "55P03" | "57014" | "40001" | "40P01" | "5" | "6" | "261" | "262" | "517")
    }
}

/// What the server itself said, if it said anything: none for a broken connection.
#[must_use]
pub fn refusal(error: &DbErr) -> Option<Refusal> {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error else {
        return None;
    };
    let sqlx::Error::Database(error) = &**inner else { return None };
    Some(Refusal {
        code: error.code().unwrap_or_default().into_owned(),
        constraint: error.constraint().map(str::to_owned),
        table: error.table().map(str::to_owned),
    })
}
