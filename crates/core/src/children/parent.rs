//! Rows whose children are looked for, as statements read them.

use serde_json::{Value, json};

use crate::template::Values;

/// A row whose children are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Parent {
    /// How the caller recognizes what was found for it.
    pub(crate) label: String,
    /// Its resource and key: a row is not its own child.
    pub(crate) resource: String,
    pub(crate) key: String,
    /// The columns by which children reference it.
    pub(crate) values: Values,
}

/// The columns of a parent in the JSON that statements read: label, resource, key, and the values as an object.
pub(crate) const PARENT_COLUMNS: &str = "n text, r text, k text, v jsonb";

/// Parents as the JSON that statements read.
pub(crate) fn parents_as_json(parents: &[Parent]) -> String {
    let record = |p: &Parent| json!({ "n": p.label, "r": p.resource, "k": p.key, "v": p.values });
    parents.iter().map(record).collect::<Value>().to_string()
}
