//! What the database says when something goes wrong, and what that means for us.
//!
//! SeaORM's `DbErr` stays in this module: all other modules have an [`Error`], which says what was being done.

use std::fmt::Display;

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::{SessionError, failover};

/// A statement failed, or its answer cannot be read. Says what was being done and, if it was about one deletion or
/// batch, to which.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Details>);

#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}{}: {}", said_about(.about.as_deref()), reason(.cause))]
struct Details {
    doing: String,
    about: Option<String>,
    // Not a `source`: who prints the sources of errors as well would say it twice.
    cause: DbErr,
}

/// What went wrong, in the words of the database itself and with its code, or in those of the driver. `DbErr` says it
/// with up to four headings before, and the driver adds a line of the server's program.
pub(super) fn reason(error: &DbErr) -> String {
    without_controls(&words(error))
}

fn words(error: &DbErr) -> String {
    let runtime = match error {
        DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime) => runtime,
        other => return other.to_string(),
    };
    match runtime {
        RuntimeErr::SqlxError(inner) => match &**inner {
            sqlx::Error::Database(error) => match error.code() {
                Some(code) => format!("{} ({code})", error.message()),
                None => error.message().to_owned(),
            },
            sqlx::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        },
        RuntimeErr::Internal(text) => text.clone(),
    }
}

fn said_about(about: Option<&str>) -> String {
    about.map_or_else(String::new, |about| format!(" ({about})"))
}

/// What the database or its driver said, on one line: a trigger or a value of a row may have put control characters
/// into it, and with them a line that Sexton did not write. The time is proportional to its length.
fn without_controls(said: &str) -> String {
    let mut shown = String::with_capacity(said.len());
    for character in said.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

impl Error {
    pub(super) fn new(doing: &str, about: Option<String>, source: DbErr) -> Self {
        if let Some(sqlstate) = sqlstate(&source) {
            failover::note(&sqlstate);
        }
        Self(Box::new(Details { doing: doing.to_owned(), about, cause: source }))
    }

    pub(super) fn into_source(self) -> DbErr {
        self.0.cause
    }

    /// What is in the database is nothing that this release can read or write.
    #[must_use]
    pub fn unreadable(why: impl Display) -> Self {
        Self::new("read what the database has", None, DbErr::Type(why.to_string()))
    }

    /// Something other than the database kept us from `doing` (to be read after "cannot").
    #[must_use]
    pub fn other(doing: &str, why: impl Display) -> Self {
        Self::new(doing, None, DbErr::Custom(why.to_string()))
    }

    /// What the server said about the statement. None for a broken connection. None also for a server that is starting,
    /// stopping or out of connections (SQLSTATE classes 08, 53 and 57P): that says nothing about any row.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        refusal(&self.0.cause)
    }

    /// The error with what the server said left out, because it may repeat values of the row: only the code, and the
    /// names of constraint and table. The whole error if it is about neither a statement nor a value.
    #[must_use]
    pub fn without_row_content(&self) -> String {
        let Some(Refusal { code, constraint, table }) = self.refusal() else {
            return if self.is_about_data() {
                format!("cannot {}{}: a value cannot be read", self.0.doing, said_about(self.0.about.as_deref()))
            } else {
                self.to_string()
            };
        };
        let constraint = constraint.map_or_else(String::new, |name| format!(", constraint {name}"));
        let table = table.map_or_else(String::new, |name| format!(", table {name}"));
        format!(
            "cannot {}{}: the database refused ({code}{constraint}{table})",
            self.0.doing,
            said_about(self.0.about.as_deref())
        )
    }

    /// Whether a value is the reason, one that the server cannot give (SQLSTATE class 22: bytes that are no UTF-8 in a
    /// database in SQL_ASCII, say) or that cannot be read here. Other rows may be read all the same.
    #[must_use]
    pub fn is_about_data(&self) -> bool {
        match &self.0.cause {
            DbErr::Type(_) | DbErr::Json(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => match &**inner {
                sqlx::Error::Database(error) => {
                    error.code().is_some_and(|code| code.len() == 5 && code.starts_with("22"))
                }
                sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether no connection was to be had, or it was lost, or the statement could not be run on it.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.0.cause, DbErr::Conn(_) | DbErr::ConnectionAcquire(_) | DbErr::Exec(_) | DbErr::Query(_))
    }
}

/// Beginning and ending transactions, and queries that SeaORM builds.
impl From<DbErr> for Error {
    fn from(source: DbErr) -> Self {
        Self::new("use the database", None, source)
    }
}

/// The database cannot be reached or refuses us. The message has no password in it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one.
    #[error(
        "database.url is not a database URL: expected postgres://user@host/name or sqlite://file.db?mode=rwc; in a \
         password `/`, `?`, `#` and `@` are percent-encoded"
    )]
    Url,
    /// No connection.
    #[error("cannot connect to the database at {address}: {reason}")]
    Unreachable {
        /// Host, port and database name.
        address: String,
        /// What the server or the driver said.
        reason: String,
    },
    /// The server answers, but its sessions are not what Sexton relies on.
    #[error("the database at {address} cannot be used: {source}")]
    Unfit {
        /// Host, port and database name.
        address: String,
        /// What is wrong with them.
        source: SessionError,
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
    /// Whether another row still references the row (SQLSTATE 23503 and 23001; SQLite 787).
    #[must_use]
    pub fn is_foreign_key(&self) -> bool {
        matches!(self.code.as_str(), "23503" | "23001" | "787")
    }

    /// Whether it is likely to be about all rows alike: rights, syntax, resources, the state of the server (by its
    /// SQLSTATE class; SQLite: all but CONSTRAINT and MISMATCH). A trigger may raise such a code for one row, too, so
    /// only several rows in sequence tell.
    #[must_use]
    pub fn is_general(&self) -> bool {
        const GENERAL: [&str; 14] =
            ["0A", "25", "26", "28", "2F", "34", "3D", "3F", "42", "54", "55", "57", "58", "XX"];
        match self.code.parse::<u32>() {
            Ok(code) if self.code.len() < 5 => !matches!(code & 0xff, 19 | 20),
            _ => GENERAL.iter().any(|class| self.code.starts_with(class)),
        }
    }

    /// Whether the statement took longer than it may (SQLSTATE 57014, which also says that an operator ended it).
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.code == "57014"
    }

    /// Whether a lock was not to be had in time, or the statement took too long, or another transaction went first:
    /// worth another try soon (SQLSTATE 55P03, 57014, 40001, 40P01; SQLite BUSY and LOCKED).
    #[must_use]
    pub fn is_contention(&self) -> bool {
        matches!(self.code.as_str(), "55P03" | "57014" | "40001" | "40P01" | "5" | "6" | "261" | "262" | "517")
    }
}

/// SQLite's code for what a trigger raised (SQLITE_CONSTRAINT_TRIGGER). Its own triggers for `on delete restrict` use
/// it too, and only their message tells.
const SQLITE_TRIGGER: &str = "1811";

/// The code that the server gave, whatever it is about.
fn sqlstate(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner))
    | DbErr::Query(RuntimeErr::SqlxError(inner))
    | DbErr::Conn(RuntimeErr::SqlxError(inner))) = error
    else {
        return None;
    };
    let sqlx::Error::Database(error) = &**inner else { return None };
    error.code().map(std::borrow::Cow::into_owned)
}

fn refusal(error: &DbErr) -> Option<Refusal> {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error else {
        return None;
    };
    let sqlx::Error::Database(error) = &**inner else { return None };
    let mut code = error.code().unwrap_or_default().into_owned();
    if code.len() == 5 && ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) {
        return None;
    }
    if code == SQLITE_TRIGGER && error.message() == "FOREIGN KEY constraint failed" {
        code = "787".to_owned();
    }
    Some(Refusal { code, constraint: error.constraint().map(str::to_owned), table: error.table().map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    #[test]
    fn control_characters_of_the_database_make_no_line() {
        let said = "refused\r\n2026-01-01T00:00:00Z  INFO sexton: all is well\u{1b}[2K\u{9b}";
        let shown = Error::other("delete the rows", said).to_string();
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert!(shown.contains("refused\\r\\n2026"), "{shown}");
        assert_linear(
            "log escaping: a database's message",
            |n| "\n\u{1b}a".repeat(n / 3),
            |said| without_controls(said),
        );
    }
}
