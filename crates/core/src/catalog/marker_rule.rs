//! Marker rules: which rows each is for, and whether a row carries its marker.

use super::Column;
use crate::config::{AfterConfirmation, ColumnValue};

/// One way of marking a row, with its columns resolved.
#[derive(Debug, Clone)]
pub struct MarkerRule {
    /// The rows it is for; none: all the others.
    pub when: Option<(Column, ColumnValue)>,
    /// The column that is written.
    pub column: Column,
    /// What is written; none: the current time.
    pub value: Option<ColumnValue>,
    /// What becomes of the row once all targets confirmed.
    pub then: AfterConfirmation,
}

/// The condition that a row carries no marker. A disjunction and no `case`, so that an index on the marker can be used.
pub(super) fn live(rules: &[MarkerRule], alias: &str) -> String {
    let is_live = |rule: &MarkerRule| match &rule.value {
        None => format!("{} is null", rule.column.of(alias)),
        // Null is a value like any other here, too.
        Some(value) => {
            let column = rule.column.of(alias);
            format!("({column} <> {} or {column} is null)", rule.column.value(value))
        }
    };
    let mut earlier = String::new();
    let mut any = Vec::new();
    for rule in rules {
        let Some((column, value)) = &rule.when else {
            any.push(format!("({}{earlier})", is_live(rule)));
            continue;
        };
        let (column, value) = (column.of(alias), column.value(value));
        any.push(format!("({}{earlier} and {column} = {value})", is_live(rule)));
        earlier.push_str(&format!(" and ({column} <> {value} or {column} is null)"));
    }
    format!("({})", any.join(" or "))
}

/// The condition that a row carries its marker. Not `not`: where the column that decides on the marker is null,
/// [`live`] may be null.
pub(super) fn marked(rules: &[MarkerRule], alias: &str) -> String {
    format!("({} is not true)", live(rules, alias))
}
