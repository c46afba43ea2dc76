//! A column: its type, and how its value becomes text that compares equal exactly when the value is unchanged.

use std::sync::Arc;

use crate::{
    config::ColumnValue,
    db::{Dialect, literal, quote},
};

/// The types a key column may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// Whole numbers of up to 64 bits.
    Integer,
    /// UUID; on SQLite text or a blob of 16 bytes, as drivers differ.
    Uuid,
    /// Text.
    Text,
}

/// PostgreSQL's name for `character(n)` whatever its length. The blanks with which a value is filled up mean nothing
/// (§8.3).
const PADDED: &str = "bpchar";

/// A column as the database describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as a cast would name it.
    pub type_name: String,
    /// The type below a domain; the same as `type_name` otherwise.
    pub base_type: String,
    /// Whether it refuses null.
    pub not_null: bool,
    /// Whether the database computes it.
    pub generated: bool,
    /// The expression by which it is computed when it is read (PostgreSQL 18, virtual generated columns). The rows that
    /// a trigger gets as a table have no value of it.
    pub(crate) computed_as: Option<String>,
    /// The collation by which different texts are equal in it (nondeterministic, `NOCASE`); none where only the same
    /// text is. On SQLite it is known of columns of a unique constraint only.
    pub(super) loose_collation: Option<String>,
    /// The function that prints a value whose text depends on settings; none on SQLite, and before `sexton migrate`.
    pub(super) text_function: Option<Arc<str>>,
    /// The zone of times without one, if the configuration names it.
    pub(super) zone: Option<String>,
    pub(super) dialect: Dialect,
}

/// Types whose values JSON prints in one way whatever the settings of the session are. Not floats
/// (`extra_float_digits`), bytea, intervals, and what may hold them or times with a zone: ranges, arrays, composite
/// types.
const PRINTED_ALIKE: [&str; 9] = [
    "boolean",
    "numeric",
    "date",
    "timestamp without time zone",
    "time without time zone",
    "jsonb",
    "character",
    "name",
    "oid",
];

/// The current time in whole milliseconds.
const NOW_POSTGRES: &str = "date_trunc('milliseconds', clock_timestamp())";

impl Column {
    /// The dialect of its database.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn zone(&self) -> &str {
        self.zone.as_deref().unwrap_or("UTC")
    }

    /// The type as a key; none if it cannot be one.
    #[must_use]
    pub fn key_type(&self) -> Option<KeyType> {
        let base = self.base_type.to_ascii_lowercase();
        match self.dialect {
            Dialect::Postgres => match base.as_str() {
                "smallint" | "integer" | "bigint" => Some(KeyType::Integer),
                "uuid" => Some(KeyType::Uuid),
                "text" | "character varying" | PADDED => Some(KeyType::Text),
                _ => None,
            },
            // SQLite's rules for a declared type (Datatypes, §3.1), with UUIDs first.
            Dialect::Sqlite if base.contains("uuid") => Some(KeyType::Uuid),
            Dialect::Sqlite if base.contains("int") => Some(KeyType::Integer),
            Dialect::Sqlite if ["char", "clob", "text"].iter().any(|t| base.contains(t)) => Some(KeyType::Text),
            Dialect::Sqlite => None,
        }
    }

    /// Whether its values are filled up with blanks that mean nothing.
    #[must_use]
    pub fn is_padded(&self) -> bool {
        match self.dialect {
            Dialect::Postgres => self.base_type == PADDED,
            Dialect::Sqlite => false,
        }
    }

    /// Whether it holds JSON; SQLite has no type for it, so any text may.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let base = self.base_type.to_ascii_lowercase();
        match self.dialect {
            Dialect::Postgres => base == "json" || base == "jsonb",
            Dialect::Sqlite => base.contains("json") || self.key_type() == Some(KeyType::Text) || base.is_empty(),
        }
    }

    /// Whether it can hold the current time.
    #[must_use]
    pub fn is_time(&self) -> bool {
        let base = self.base_type.to_ascii_lowercase();
        match self.dialect {
            Dialect::Postgres => base.starts_with("timestamp"),
            Dialect::Sqlite => ["time", "date", "text", "char"].iter().any(|t| base.contains(t)),
        }
    }

    /// `alias."name"`.
    #[must_use]
    pub fn of(&self, alias: &str) -> String {
        format!("{alias}.{}", quote(&self.name))
    }

    /// The value as text, null if it is null: the same text for the same value whatever the session's settings are.
    #[must_use]
    pub fn text(&self, alias: &str) -> String {
        let column = self.of(alias);
        match self.dialect {
            Dialect::Postgres => match self.base_type.as_str() {
                // Of `character(n)`, JSON would have the blanks with which it is filled up.
                // A document of the type `json` as it was written: it may hold what cannot be read (22P05).
                "smallint" | "integer" | "bigint" | "uuid" | "text" | "character varying" | "json" | PADDED => {
                    format!("{column}::text")
                }
                // Printed with an offset it would differ from session to session.
                "timestamp with time zone" => format!("(to_jsonb({column} at time zone 'UTC') #>> '{{}}')"),
                base => match &self.text_function {
                    Some(function) if !PRINTED_ALIKE.contains(&base) => format!("{function}({column})"),
                    _ => format!("(to_jsonb({column}) #>> '{{}}')"),
                },
            },
            Dialect::Sqlite if self.key_type() == Some(KeyType::Uuid) => {
                // Drivers write a blob of 16 bytes or text with or without hyphens; one value has one text.
                let hex =
                    format!("case typeof({column}) when 'blob' then hex({column}) else replace({column}, '-', '') end");
                let part = |from: u8, length: u8| format!("substr({hex}, {from}, {length})");
                let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ");
                format!("case length({hex}) when 32 then lower({parts}) else cast({column} as text) end")
            }
            Dialect::Sqlite => {
                format!("case when typeof({column}) = 'blob' then lower(hex({column})) else cast({column} as text) end")
            }
        }
    }

    /// The value that `text` (an SQL expression giving what [`Self::text`] gave) stands for.
    #[must_use]
    pub fn from_text(&self, text: &str) -> String {
        match self.dialect {
            Dialect::Postgres if self.base_type == "timestamp with time zone" => {
                format!("(({text})::timestamp at time zone 'UTC')")
            }
            Dialect::Postgres => format!("({text})::{}", self.type_name),
            Dialect::Sqlite => text.to_owned(),
        }
    }

    /// `alias."name" = text` for a bound text, typed so that an index on the column is used.
    #[must_use]
    pub(crate) fn equals_text(&self, kind: KeyType, alias: &str, text: &str) -> String {
        let name = self.of(alias);
        match (self.dialect, kind) {
            (Dialect::Postgres, _) => format!("{name} = {text}::text::{}", self.base_type),
            (Dialect::Sqlite, KeyType::Uuid) => {
                let simple = format!("replace({text}, '-', '')");
                format!("{name} in ({text}, upper({text}), {simple}, upper({simple}), unhex({simple}))")
            }
            (Dialect::Sqlite, KeyType::Integer) => format!("{name} = cast({text} as integer)"),
            (Dialect::Sqlite, KeyType::Text) => format!("{name} = {text}"),
        }
    }

    /// A configured value as a value of this column.
    #[must_use]
    pub fn value(&self, value: &ColumnValue) -> String {
        match (self.dialect, value) {
            (Dialect::Postgres, value) => self.from_text(&literal(&value.to_string())),
            // SQLite has no booleans, and takes 'true' for a text.
            (Dialect::Sqlite, ColumnValue::Bool(value)) => i32::from(*value).to_string(),
            (Dialect::Sqlite, ColumnValue::Integer(value)) => value.to_string(),
            (Dialect::Sqlite, ColumnValue::Text(value)) => literal(value),
        }
    }

    /// The time in this column as [`Dialect::instant`] has it, null if what is there is none.
    #[must_use]
    pub(crate) fn instant(&self, alias: &str) -> String {
        self.instant_of(&self.of(alias))
    }

    /// The same for a value of this column. A time without a zone is one in the configured zone, else in UTC, whatever
    /// the session says.
    #[must_use]
    pub(crate) fn instant_of(&self, value: &str) -> String {
        match self.dialect {
            Dialect::Postgres if self.base_type == "timestamp without time zone" => {
                format!("({value} at time zone {})", literal(self.zone()))
            }
            dialect => dialect.instant(value),
        }
    }

    /// The current time as a value of this column, in whole milliseconds: many drivers and ORMs read no more, and would
    /// write back another value than they read.
    #[must_use]
    pub fn now(&self) -> String {
        match self.dialect {
            Dialect::Postgres if self.base_type == "timestamp without time zone" => {
                format!("({NOW_POSTGRES} at time zone {})::{}", literal(self.zone()), self.type_name)
            }
            Dialect::Postgres => format!("{NOW_POSTGRES}::{}", self.type_name),
            Dialect::Sqlite => self.dialect.now().to_owned(),
        }
    }
}
