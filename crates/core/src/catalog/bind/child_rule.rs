//! Child rules: the columns by which rows of one table name rows of another.

use std::collections::BTreeSet;

use crate::{
    catalog::{
        ChildRule, Column, ConfigProblem, KeyType, Link, Reading, Rows, Table,
        describe::{Description, Relation},
    },
    config::{Child, ChildThen},
    db::Db,
};

/// A child rule, what the catalogue says of the children's table, and where mistakes are reported.
pub(in crate::catalog) struct BindChildRule<'b> {
    pub(in crate::catalog) path: String,
    pub(in crate::catalog) rule: &'b Child,
    pub(in crate::catalog) parent: (&'b Table, &'b Description),
    pub(in crate::catalog) found: Option<Description>,
    /// All resources that were resolved.
    pub(in crate::catalog) tables: &'b [&'b Table],
}

impl BindChildRule<'_> {
    /// # Errors
    /// All that is wrong with the rule.
    pub(in crate::catalog) fn bind(&self, db: &Db) -> Result<ChildRule, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut wrong = |key: &str, message: String| {
            problems.push(ConfigProblem { path: format!("{}.{key}", self.path), message });
        };
        let name = &self.rule.table;
        let Some(found) = &self.found else {
            wrong("table", format!("there is no table `{name}`"));
            return Err(problems);
        };
        if found.relation != Relation::Table {
            wrong("table", format!("`{name}` is not an ordinary table; name the table whose rows are the children"));
        }
        if let Some(why) = found.shares_rows(name) {
            wrong("table", why);
        }
        if found.row_security {
            wrong(
                "table",
                format!("row-level security applies to our role on `{name}`, and a hidden child would be missed"),
            );
        }
        let mut column = |key: &str, of: &Description, table: &str, name: &str| {
            let column = of.column(name).cloned();
            if column.is_none() {
                wrong(key, format!("`{table}` has no column `{name}`; its columns are {}", of.column_names()));
            }
            column
        };
        let parent = &self.parent.0.resource.table;
        let references = column("references", self.parent.1, parent, &self.rule.references);
        let link = match (&self.rule.column, &self.rule.json) {
            (Some(named), _) => column("column", found, name, named).map(Link::Column),
            (None, Some(json)) => column("json.column", found, name, &json.column)
                .map(|column| Link::Json(column, json.members().map(str::to_owned).collect(), Reading::Plain)),
            (None, None) => None,
        };
        let mut scope = Vec::new();
        for named in &self.rule.scope {
            if let Some(of_parent) = column("scope", self.parent.1, parent, named) {
                scope.extend(column("scope", found, name, named).map(|of_child| (of_child, of_parent)));
            }
        }
        if let (Some(link), Some(references)) = (&link, &references) {
            problems.extend(self.never_matches(link, references));
        }
        for (of_child, of_parent) in &scope {
            if !comparable(of_child, of_parent) {
                problems.push(self.types("scope", of_child, of_parent));
            }
        }
        problems.extend(references.as_ref().and_then(|_| self.ambiguous()));
        let resource = self.resource(found, &mut problems);
        let key = self.key(found, resource, &mut problems);
        if self.rule.then == ChildThen::Nullify
            && let Some(Link::Column(column)) = &link
            && column.not_null
        {
            problems.push(self.problem(
                "then",
                format!("`{}` is NOT NULL and cannot be cleared; use \"delete\" or \"request\"", column.name),
            ));
        }
        match (problems.is_empty(), link, references) {
            (true, Some(link), Some(references)) => Ok(ChildRule {
                then: self.rule.then,
                rows: Rows::new(found.sql.clone(), db.dialect, key),
                resource: resource.map(|table| table.name.clone()),
                link,
                references,
                scope: scope.into_iter().map(|(of_child, _)| of_child).collect(),
            }),
            _ => Err(problems),
        }
    }

    fn problem(&self, key: &str, message: String) -> ConfigProblem {
        ConfigProblem { path: format!("{}.{key}", self.path), message }
    }

    fn types(&self, key: &str, child: &Column, parent: &Column) -> ConfigProblem {
        let (of_child, of_parent) = (&self.rule.table, &self.parent.0.resource.table);
        self.problem(
            key,
            format!(
                "no row can ever match: `{}` of `{of_child}` is {}, and `{}` of `{of_parent}` is {}",
                child.name, child.type_name, parent.name, parent.type_name
            ),
        )
    }

    fn never_matches(&self, link: &Link, references: &Column) -> Option<ConfigProblem> {
        match link {
            Link::Column(column) => {
                if references.key_type().is_none() && column.key_type().is_none() {
                    let message = format!(
                        "`{}` is {}; children are found by integers, uuids and text",
                        references.name, references.type_name
                    );
                    return Some(self.problem("references", message));
                }
                (!comparable(column, references)).then(|| self.types("column", column, references))
            }
            Link::Json(column, ..) if !column.is_json() => {
                let message = format!("`{}` is {}, not JSON; use `column`", column.name, column.type_name);
                Some(self.problem("json.column", message))
            }
            Link::Json(..) => references.key_type().is_none().then(|| {
                let message = format!(
                    "no row can ever match: `{}` is {}, and a value in JSON is compared with integers, uuids and text",
                    references.name, references.type_name
                );
                self.problem("references", message)
            }),
        }
    }

    /// A value that several parents may have would make the children of one the children of another.
    fn ambiguous(&self) -> Option<ConfigProblem> {
        let wanted = BTreeSet::from([self.rule.references.clone()]);
        let unique = self.parent.1.unique.iter().any(|unique| unique.is_subset(&wanted));
        (!unique && self.rule.scope.is_empty()).then(|| {
            let message = format!(
                "`{}` of `{}` is not unique, so that rows could be taken for children of another parent; name in \
                 `scope` the columns that tell parents with the same value apart, or add a unique index",
                self.rule.references, self.parent.0.resource.table
            );
            self.problem("scope", message)
        })
    }

    /// The resource of the children's table, if it is one.
    fn resource(&self, found: &Description, problems: &mut Vec<ConfigProblem>) -> Option<&Table> {
        let same: Vec<&&Table> = self.tables.iter().filter(|table| table.rows.sql == found.sql).collect();
        let own = same.iter().find(|table| table.name == self.parent.0.name);
        let resource = match (own, &same[..]) {
            (Some(own), _) => Some(**own),
            (None, [one]) => Some(**one),
            (None, []) => None,
            (None, several) => {
                let names: Vec<_> = several.iter().map(|table| format!("`{}`", table.name)).collect();
                problems
                    .push(self.problem("table", format!("it is the table of several resources: {}", names.join(", "))));
                None
            }
        };
        let has_targets = resource.is_some_and(|table| !table.resource.targets.is_empty());
        match self.rule.then {
            ChildThen::Delete if has_targets && self.rule.twin.is_none() => {
                let message = "the children's table has targets, and these rows would go without a call; say \
                               twin = \"goes_with_parent\" if the external system removes their twins together with \
                               the parent's, else then = \"request\"";
                problems.push(self.problem("twin", message.to_owned()));
            }
            ChildThen::Request if resource.is_none() && same.is_empty() => problems.push(self.problem(
                "then",
                format!(
                    "`{}` is not the table of a resource, so its rows cannot have deletions of their own; configure \
                     it, or use \"delete\"",
                    self.rule.table
                ),
            )),
            _ => {}
        }
        resource
    }

    /// The resource's key, or the primary key of a table that is no resource.
    fn key(
        &self,
        found: &Description,
        resource: Option<&Table>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Vec<(Column, KeyType)> {
        if let Some(table) = resource {
            return table.rows.key.clone();
        }
        let columns = found.primary_key.iter().filter_map(|name| found.column(name));
        let key: Vec<_> = columns.filter_map(|column| Some((column.clone(), column.key_type()?))).collect();
        let keyless = key.is_empty() || key.len() < found.primary_key.len();
        if keyless && found.relation == Relation::Table {
            let message = format!(
                "`{}` has no primary key of integers, uuids and text by which its rows could be locked in order; add \
                 one, or configure the table as a resource with its `key`",
                self.rule.table
            );
            problems.push(self.problem("table", message));
        }
        key
    }
}

/// Whether values of the two columns can be equal at all.
fn comparable(one: &Column, other: &Column) -> bool {
    match (one.key_type(), other.key_type()) {
        (Some(one), Some(other)) => one == other,
        _ => one.base_type.eq_ignore_ascii_case(&other.base_type),
    }
}
