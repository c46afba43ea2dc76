//! A resolved table, and the SQL fragments that statements on its rows are made of.

use std::collections::BTreeSet;

use super::{child::ChildRule, column::Column, rows::Rows};
use crate::{
    config::{AfterConfirmation, Child, Resource, Scalar},
    db::{Dialect, literal},
    ids::{Lane, ResourceName},
    template::Values,
};

/// What kind of relation a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Table,
    View,
    Foreign,
}

/// A table as the catalogue describes it.
#[derive(Debug, Clone)]
pub(super) struct Description {
    /// The qualified, quoted name.
    pub(super) sql: String,
    pub(super) relation: Relation,
    pub(super) columns: Vec<Column>,
    /// The columns of the primary key; none if there is no such key.
    pub(super) primary_key: Vec<String>,
    /// The column sets that are unique.
    pub(super) unique: Vec<BTreeSet<String>>,
    /// Whether row-level security applies to our role.
    pub(super) row_security: bool,
    /// Whether a rewrite rule replaces updates or deletes.
    pub(super) rewrite_rule: bool,
}

/// One way of marking a row, with its columns resolved.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The rows it is for; none: all the others.
    pub when: Option<(Column, Scalar)>,
    /// The column that is written.
    pub column: Column,
    /// What is written; none: the current time.
    pub value: Option<Scalar>,
    /// What becomes of the row once all targets confirmed.
    pub then: AfterConfirmation,
}

/// A resource whose table was found and fits.
#[derive(Debug, Clone)]
pub struct Table {
    /// The resource.
    pub name: ResourceName,
    /// Its configuration.
    pub resource: Resource,
    /// Where its rows are.
    pub rows: Rows,
    /// The places in the key of the columns by which the table is gone through.
    pub(crate) paging: Vec<usize>,
    /// The captured columns, in alphabetical order.
    pub payload: Vec<Column>,
    /// The ways of marking a row; the last is for all.
    pub rules: Vec<Rule>,
    /// Which rows of which tables are children of a row.
    pub children: Vec<ChildRule>,
    /// Whether the database may delete rows of it because others of it are deleted (`on delete cascade`).
    pub goes_with_itself: bool,
}

impl std::ops::Deref for Table {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        &self.rows
    }
}

impl Table {
    /// The lanes of this resource: its own, and one for each target.
    pub fn lanes(&self) -> Vec<Lane> {
        self.resource.lanes(&self.name)
    }

    /// The lane of a deletion whose confirmed targets are those that `confirmed` knows.
    pub fn lane(&self, confirmed: impl Fn(&str) -> bool) -> Lane {
        let mut open = self.resource.targets.iter().filter(|target| !confirmed(target.name.as_str()));
        open.next().map_or_else(|| Lane::of_resource(&self.name), |target| Lane::of_target(&self.name, &target.name))
    }

    /// What becomes of a row that was marked by rule number `rule`.
    #[must_use]
    pub fn then(&self, rule: usize) -> AfterConfirmation {
        self.rules.get(rule).map_or(self.resource.then, |rule| rule.then)
    }

    /// The captured columns as a JSON object of texts.
    #[must_use]
    pub fn payload_json(&self, alias: &str) -> String {
        self.object(alias, |_| true)
    }

    /// The captured columns but those that only say that the row is marked, as a JSON object of texts: what is known of a row
    /// that is gone.
    #[must_use]
    pub(crate) fn twin_json(&self, alias: &str) -> String {
        let markers = self.resource.marker_columns();
        let used = |name: &str| {
            self.resource.targets.iter().any(|target| target.columns().iter().any(|column| column == name))
        };
        self.object(alias, |column| !markers.contains(&column.name) || used(&column.name))
    }

    /// The columns by which children name a row, as a JSON object of texts.
    #[must_use]
    pub fn links_json(&self, alias: &str) -> String {
        let links: Vec<&str> = self.resource.children.iter().flat_map(Child::parent_columns).collect();
        self.object(alias, |column| links.contains(&column.name.as_str()))
    }

    /// Those of `values` by which children name a row.
    #[must_use]
    pub fn links(&self, values: &Values) -> Values {
        let links = self.resource.children.iter().flat_map(Child::parent_columns);
        links.filter_map(|name| values.get_key_value(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn object(&self, alias: &str, wanted: impl Fn(&Column) -> bool) -> String {
        let columns: Vec<&Column> = self.payload.iter().filter(|column| wanted(column)).collect();
        let (function, none) = match self.dialect {
            Dialect::Postgres => ("jsonb_build_object", "'{}'::jsonb"),
            Dialect::Sqlite => ("json_object", "'{}'"),
        };
        let pairs: Vec<_> = columns.iter().map(|c| format!("{}, {}", literal(&c.name), c.text(alias))).collect();
        // A function takes at most 100 arguments.
        let objects: Vec<_> = pairs.chunks(40).map(|chunk| format!("{function}({})", chunk.join(", "))).collect();
        match (self.dialect, &objects[..]) {
            (_, []) => none.to_owned(),
            (Dialect::Postgres, _) => objects.join(" || "),
            (Dialect::Sqlite, [one]) => one.clone(),
            // `json_patch` would leave out what is null.
            (Dialect::Sqlite, _) => {
                let rows: Vec<_> = pairs.iter().map(|pair| format!("({pair})")).collect();
                format!("(select json_group_object(column1, column2) from (values {}))", rows.join(", "))
            }
        }
    }

    /// Whether every captured column still has the value that `payload` (a `jsonb` expression) says (PostgreSQL).
    #[must_use]
    pub fn unchanged(&self, alias: &str, payload: &str) -> String {
        let same = |c: &Column| format!("{} is not distinct from {payload} ->> {}", c.text(alias), literal(&c.name));
        let all: Vec<_> = self.payload.iter().map(same).collect();
        if all.is_empty() { "true".to_owned() } else { all.join(" and ") }
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
    pub fn by_rule(&self, rule: &str, expression: impl Fn(&Rule) -> String) -> String {
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
    fn assign(&self, case: impl Fn(usize, &Rule) -> (String, String)) -> String {
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
            let name = crate::db::quote(&column.name);
            // The alias of the updated row is `t` in every statement that marks.
            format!("{name} = case {} else {} end", cases.join(" "), column.of("t"))
        });
        assignments.collect::<Vec<_>>().join(", ")
    }
}
