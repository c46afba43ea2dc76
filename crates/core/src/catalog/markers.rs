//! Marking rows: which rule is for a row, whether it is marked, and the assignments that mark it and take the marker
//! back.

use super::{
    Column, MarkerRule, Table,
    marker_rule::{live, marked},
};
use crate::db::quote;

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
