//! `[[resources.NAME.children]]`: rows that must not outlive their parent.

use serde::{Deserialize, Serialize};

use super::check::{InvalidSetting, ensure, ensure_table_name};

/// Which rows are children of a row, and what becomes of them when it is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// The children's table, `name` or `schema.name`.
    pub table: String,
    /// The children's column that names their parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The value in a JSON column that names their parent, instead of `column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonPath>,
    /// The parent's column whose value they carry.
    pub references: String,
    /// Columns that must be equal in child and parent as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// What becomes of them.
    pub then: ChildThen,
    /// What becomes of their twins if they are deleted without a deletion of their own.
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

/// What becomes of children when their parent is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildThen {
    /// They are deleted with it.
    Delete,
    /// Each has a deletion of its own, finished before the parent's targets are called.
    Request,
    /// They stay, and their reference is set to null.
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

pub(super) fn validate(path: &str, child: &Child) -> Result<(), InvalidSetting> {
    let at = |key: &str| format!("{path}.{key}");
    ensure_table_name(&at("table"), &child.table)?;
    ensure(child.column.is_some() != child.json.is_some(), path, || {
        "expected either `column = \"…\"` or `json = { column = \"…\", path = \"…\" }`".to_owned()
    })?;
    if let Some(json) = &child.json {
        ensure(json.members().all(|member| !member.is_empty()), &at("json.path"), || {
            format!("`{}` is not a path: expected names of members separated by dots", json.path)
        })?;
    }
    ensure(!child.scope.contains(&child.references), &at("scope"), || {
        format!("`{}` is the column that `references` names already", child.references)
    })?;
    ensure(child.twin.is_none() || child.then == ChildThen::Delete, &at("twin"), || {
        "it says what becomes of the twins of rows that go without a deletion of their own: only with then = \"delete\""
            .to_owned()
    })
}
