//! Marking rows: which rule is for a row, whether it is marked, and the assignments that mark it and take the marker
//! back.

use super::{Column, Table};
use crate::{
    config::{AfterConfirmation, ColumnValue},
    db::quote,
};

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

impl Table {
    /// The condition that a row carries no marker, on the alias of the table.
    #[must_use]
    pub fn live(&self, alias: &str) -> String {
        live(&self.rules, alias)
    }

    /// The condition that a row carries its marker, on the alias of the table.
    #[must_use]
    pub fn marked(&self, alias: &str) -> String {
        marked(&self.rules, alias)
    }

    /// The number of the rule that is for a row.
    #[must_use]
    pub fn rule_number(&self, alias: &str) -> String {
        let last = self.rules.len().saturating_sub(1);
        let special: Vec<_> = self
            .rules
            .iter()
            .enumerate()
            .filter_map(|(n, rule)| {
                let (column, value) = rule.when.as_ref()?;
                let value = column.value(value);
                Some(format!("when {} = {value} then {n}", column.of(alias)))
            })
            .collect();
        if special.is_empty() { last.to_string() } else { format!("case {} else {last} end", special.join(" ")) }
    }

    /// What each rule's marker column holds as text, chosen by `rule` (an SQL expression).
    #[must_use]
    pub fn marker_text(&self, alias: &str, rule: &str) -> String {
        self.by_rule(rule, |r| r.column.text(alias))
    }

    /// `case rule when 0 then … end` over the rules; plain where there is one.
    #[must_use]
    pub fn by_rule(&self, rule: &str, expression: impl Fn(&MarkerRule) -> String) -> String {
        match &self.rules[..] {
            [only] => expression(only),
            rules => {
                let cases = rules.iter().enumerate().map(|(n, r)| format!("when {n} then {}", expression(r)));
                format!("case {rule} {} end", cases.collect::<Vec<_>>().join(" "))
            }
        }
    }

    /// The assignments that mark a row, given the number of its rule as an SQL expression. A row that carries its
    /// marker already keeps it.
    #[must_use]
    pub fn mark(&self, alias: &str, rule: &str) -> String {
        self.assign(|number, r| {
            let current = r.column.of(alias);
            let marked = match &r.value {
                Some(value) => r.column.value(value),
                None => format!("coalesce({current}, {})", r.column.now()),
            };
            (format!("{rule} = {number}"), marked)
        })
    }

    /// The assignments that take a marker back, given the rule's number and the text that was there before.
    #[must_use]
    pub fn unmark(&self, rule: &str, before: &str) -> String {
        self.assign(|number, r| (format!("{rule} = {number}"), r.column.from_text(before)))
    }

    /// One assignment per marker column: several rules may write the same one.
    fn assign(&self, case: impl Fn(usize, &MarkerRule) -> (String, String)) -> String {
        let mut columns: Vec<&Column> = self.rules.iter().map(|rule| &rule.column).collect();
        columns.sort_by(|a, b| a.name.cmp(&b.name));
        columns.dedup();
        let assignments = columns.into_iter().map(|column| {
            let rules = self.rules.iter().enumerate().filter(|(_, rule)| rule.column == *column);
            let cases: Vec<_> = rules
                .map(|(number, rule)| {
                    let (when, then) = case(number, rule);
                    format!("when {when} then {then}")
                })
                .collect();
            let name = quote(&column.name);
            // The alias of the updated row is `t` in every statement that marks.
            format!("{name} = case {} else {} end", cases.join(" "), column.of("t"))
        });
        assignments.collect::<Vec<_>>().join(", ")
    }
}
