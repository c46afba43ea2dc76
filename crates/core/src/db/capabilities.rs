//! What one database can do and another cannot.
//!
//! Code asks here by name, or matches on [`Dialect`]; it does not compare with one database. Who adds a database
//! answers these questions, and the compiler names them and the matches.

use super::Dialect;

impl Dialect {
    /// All dialects.
    pub const ALL: [Self; 2] = [Self::Postgres, Self::Sqlite];

    /// Whether transactions lock single rows. Otherwise one transaction writes at a time, and there is nothing to lock
    /// first or to pass over.
    #[must_use]
    pub const fn has_row_locks(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether a transaction has settings of its own (`set local`): for how long it waits, what triggers are to know.
    #[must_use]
    pub const fn has_settings(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether a commit can wake sessions that listen (`listen`, `notify`).
    #[must_use]
    pub const fn has_notifications(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether roles have rights, so that ours may lack some.
    #[must_use]
    pub const fn has_roles(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether it has Sexton's [SQL functions](crate::sql_functions).
    #[must_use]
    pub const fn has_sql_functions(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether finished deletions are in partitions, a month each.
    #[must_use]
    pub const fn has_partitions(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether a trigger can fire once for all rows of a statement, and see them together.
    #[must_use]
    pub const fn has_statement_triggers(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether a column holds values of its own type alone. On SQLite a value has a type, and a column only prefers
    /// one (Datatypes, §3).
    #[must_use]
    pub const fn has_strict_types(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether a text can hold the character NUL (PostgreSQL §8.3: it cannot).
    #[must_use]
    pub const fn can_store_nul(self) -> bool {
        match self {
            Self::Postgres => false,
            Self::Sqlite => true,
        }
    }

    /// Whether a statement can compute SHA-256. Otherwise we hash keys and bind the hashes.
    #[must_use]
    pub const fn can_hash(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }

    /// Whether one statement can move rows to another table. Otherwise one copies them and another deletes them.
    #[must_use]
    pub const fn can_move_rows(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Sqlite => false,
        }
    }
}
