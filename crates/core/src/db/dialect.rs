//! Where PostgreSQL and SQLite differ in a word, not in a design.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

/// The SQL of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL 12 or newer.
    Postgres,
    /// SQLite 3.35 or newer, embedded.
    Sqlite,
}

/// SQLite's times: UTC text that sorts, with milliseconds.
const SQLITE_TIME: &str = "'%Y-%m-%dT%H:%M:%fZ'";

impl Dialect {
    /// The dialect of a connection. MySQL is not supported and taken for PostgreSQL; connecting refuses it earlier.
    pub fn of(conn: &impl ConnectionTrait) -> Self {
        if conn.get_database_backend() == DbBackend::Sqlite { Self::Sqlite } else { Self::Postgres }
    }

    /// A statement with bound values; placeholders are `$1`, `$2` in both dialects.
    pub fn statement(self, sql: impl Into<String>, values: impl IntoIterator<Item = Value>) -> Statement {
        let backend = match self {
            Self::Postgres => DbBackend::Postgres,
            Self::Sqlite => DbBackend::Sqlite,
        };
        Statement::from_sql_and_values(backend, sql.into(), values)
    }

    /// The time at which the expression is evaluated. Not `now()`: a caller's transaction may be minutes old.
    #[must_use]
    pub const fn now(self) -> &'static str {
        match self {
            Self::Postgres => "clock_timestamp()",
            Self::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        }
    }

    /// [`Self::now`] in a form that an index condition can use: volatile functions cannot, a subquery is evaluated
    /// once.
    #[must_use]
    pub const fn now_once(self) -> &'static str {
        match self {
            Self::Postgres => "(select clock_timestamp())",
            Self::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        }
    }

    /// The time `ms` (an SQL expression, milliseconds, may be negative) from now.
    #[must_use]
    pub fn in_ms(self, ms: &str) -> String {
        match self {
            Self::Postgres => format!("(clock_timestamp() + ({ms}) * interval '1 millisecond')"),
            Self::Sqlite => format!("strftime({SQLITE_TIME}, 'now', printf('%+.3f seconds', ({ms}) / 1000.0))"),
        }
    }

    /// Milliseconds from the time `from` (an SQL expression) to now; null if `from` is.
    #[must_use]
    pub fn ms_since(self, from: &str) -> String {
        match self {
            Self::Postgres => {
                format!("(extract(epoch from clock_timestamp() - {from}) * 1000)::bigint")
            }
            Self::Sqlite => {
                format!("cast(round((julianday('now') - julianday({from})) * 86400000) as integer)")
            }
        }
    }

    /// A time that an application wrote (an SQL expression) as something that compares; on SQLite a number, and null if
    /// what is there is no time.
    #[must_use]
    pub fn instant(self, time: &str) -> String {
        match self {
            Self::Postgres => format!("{time}::timestamptz"),
            // A day alone says that it was over by its end; whole numbers are seconds or milliseconds.
            Self::Sqlite => format!(
                "(case when typeof({time}) = 'integer' and {time} > 100000000000 then julianday({time} / 1000, 'unixepoch')
                    when typeof({time}) = 'integer' then julianday({time}, 'unixepoch')
                    when length({time}) = 10 then julianday({time}) + 1 else julianday({time}) end)"
            ),
        }
    }

    /// The moment that many milliseconds ago, to compare with [`Self::instant`].
    #[must_use]
    pub fn instant_ago(self, ms: i64) -> String {
        match self {
            Self::Postgres => format!("(clock_timestamp() - {ms} * interval '1 millisecond')"),
            Self::Sqlite => format!("(julianday('now') - {ms} / 86400000.0)"),
        }
    }

    /// The text of a marker in the spelling in which markers are compared. Of a time its milliseconds count: ORMs write
    /// back fewer digits than they read, and SQLite keeps the spelling of the last writer. `text` is what a column's
    /// text or the ledger has, as an SQL expression; what is no time stays as it is.
    #[must_use]
    pub fn comparable_marker(self, text: &str) -> String {
        match self {
            // JSON's way of printing times has a fixed width up to the fraction, and no zone.
            Self::Postgres => format!(
                "(case when {text} like '____-__-__T__:__:__%' then left({text} || case when strpos({text}, '.') > 0 \
                 then '000' else '.000' end, 23) else {text} end)"
            ),
            // The fraction is cut off and not rounded, as ORMs do. Prisma writes milliseconds of the Unix epoch.
            Self::Sqlite => format!(
                "(case when {text} glob '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T ][0-9][0-9]:*' \
                 then coalesce(strftime('%Y-%m-%dT%H:%M:%S', {text}) || '.' || case when substr({text}, 20, 1) = '.' \
                 then substr(rtrim(substr({text}, 21, 3), 'Z+-: ') || '000', 1, 3) else '000' end, {text}) \
                 when length({text}) between 12 and 14 and {text} not glob '*[^0-9]*' \
                 then strftime('%Y-%m-%dT%H:%M:%f', {text} / 1000.0, 'unixepoch') else {text} end)"
            ),
        }
    }

    /// What [`Self::instant`] gives, as text in RFC 3339, UTC, with milliseconds.
    #[must_use]
    pub fn instant_text(self, instant: &str) -> String {
        match self {
            Self::Postgres => self.iso(instant),
            Self::Sqlite => format!("strftime({SQLITE_TIME}, {instant})"),
        }
    }

    /// A time as text in RFC 3339, UTC, with milliseconds.
    #[must_use]
    pub fn iso(self, time: &str) -> String {
        match self {
            Self::Postgres => format!(r#"to_char({time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#),
            Self::Sqlite => time.to_owned(),
        }
    }

    /// `expr::type_name`, or `expr` where there are no types.
    #[must_use]
    pub fn cast(self, expr: &str, type_name: &str) -> String {
        match self {
            Self::Postgres => format!("{expr}::{type_name}"),
            Self::Sqlite => expr.to_owned(),
        }
    }

    /// The texts of a JSON array (an SQL expression), as a set of rows with the column `value`.
    #[must_use]
    pub fn texts(self, array: &str) -> String {
        match self {
            Self::Postgres => format!("(select value from jsonb_array_elements_text({array}::jsonb))"),
            Self::Sqlite => format!("(select value from json_each({array}))"),
        }
    }

    /// `= any (…)` or `in (…)` the texts of a JSON array (an SQL expression). As an array it makes an index condition
    /// even for a planner that knows nothing of the table yet; a set it may join with the whole table.
    #[must_use]
    pub fn is_any_of(self, array: &str, type_name: &str) -> String {
        match self {
            Self::Postgres => {
                format!("= any (array(select value::{type_name} from jsonb_array_elements_text({array}::jsonb)))")
            }
            Self::Sqlite => format!("in (select value from json_each({array}))"),
        }
    }

    /// Locks the rows of `alias` that a query returns and passes over those that are locked. SQLite has one writer.
    #[must_use]
    pub fn skip_locked(self, alias: &str) -> String {
        match self {
            Self::Postgres => format!("for update of {alias} skip locked"),
            Self::Sqlite => String::new(),
        }
    }
}

/// An identifier in quotes, safe whatever it contains (PostgreSQL §4.1.1, SQLite "Keywords").
#[must_use]
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text as an SQL literal. PostgreSQL reads backslashes as they are (`standard_conforming_strings`, §4.1.2.1).
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_quoted() {
        assert_eq!(quote(r#"a"; drop table x; --"#), r#""a""; drop table x; --""#);
    }
}
