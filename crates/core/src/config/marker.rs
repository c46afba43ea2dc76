//! How a row is marked as removed in phase 1, and what becomes of it once every target has confirmed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// A value as TOML writes it; the database turns it into the column's own type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnValue {
    /// `true`, `false`
    Bool(bool),
    /// `42`
    Integer(i64),
    /// `"Deleted"`
    Text(String),
}

impl std::fmt::Display for ColumnValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// What phase 1 writes: the current time (without `value`), or a status that clients may still see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// The column that is written.
    pub column: String,
    /// The value; the current time when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ColumnValue>,
    /// The zone of times in a column without one, as the IANA time zone database names it; UTC when left out
    /// (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// An entry of `marker_when`: rows whose `column` equals a value are marked in another way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkerWhen {
    /// The column that decides.
    pub column: String,
    /// The value it must have.
    pub equals: ColumnValue,
    /// How such a row is marked.
    pub marker: Marker,
    /// What becomes of such a row; the resource's own `then` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<AfterConfirmation>,
}

/// What becomes of a row once all its targets have confirmed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterConfirmation {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays, marked.
    Keep,
    /// It stays, marked, for this long, and is then deleted.
    #[serde(serialize_with = "duration::serialize")]
    DeleteAfter(Duration),
}

impl<'de> Deserialize<'de> for AfterConfirmation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum AfterConfirmationForm {
            Word(String),
            Table { delete_after: duration::Text },
        }
        const ACCEPTED: &str = "expected \"delete\", \"keep\" or { delete_after = \"30d\" }";
        match AfterConfirmationForm::deserialize(deserializer) {
            Ok(AfterConfirmationForm::Word(word)) if word == "delete" => Ok(Self::Delete),
            Ok(AfterConfirmationForm::Word(word)) if word == "keep" => Ok(Self::Keep),
            Ok(AfterConfirmationForm::Table { delete_after }) => Ok(Self::DeleteAfter(delete_after.0)),
            _ => Err(serde::de::Error::custom(ACCEPTED)),
        }
    }
}
