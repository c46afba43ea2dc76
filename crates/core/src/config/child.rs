//! `[[resources.NAME.children]]`: rows that must not outlive their parent.

use serde::{Deserialize, Serialize};

/// Which rows are children of a row, and what becomes of them when it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// The children's table, `name` or `schema.name`.
    pub table: String,
    /// The children's column that names their parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The place in a JSON column that names their parent, instead of `column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonPath>,
    /// The parent's column whose value they carry.
    pub references: String,
    /// Columns that must be equal in child and parent as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// What becomes of them.
    pub then: ChildThen,
    /// What becomes of their twins, where they have some and go without a deletion of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
}

/// A value inside a JSON column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonPath {
    /// The column.
    pub column: String,
    /// Names of object members, separated by dots: `a.b` is `{"a": {"b": …}}`.
    pub path: String,
}

impl JsonPath {
    /// The names, from the outermost inwards.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.path.split('.')
    }
}

/// What becomes of children when their parent goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildThen {
    /// They are deleted with it.
    Delete,
    /// Each has a deletion of its own, finished before the parent's targets are called.
    Request,
    /// They stay, and no longer name it.
    Nullify,
}

/// What becomes of the external twin of a child that is deleted with its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Twin {
    /// The external system removes it together with the parent's.
    GoesWithParent,
}

impl Child {
    /// The parent's columns that decide which rows are its children.
    pub fn parent_columns(&self) -> impl Iterator<Item = &str> {
        self.scope.iter().chain([&self.references]).map(String::as_str)
    }
}
