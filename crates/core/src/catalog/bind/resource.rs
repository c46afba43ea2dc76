//! Resources: the table, its key and the columns that targets use.

use std::collections::BTreeSet;

use crate::{
    catalog::{
        Column, ConfigProblem, KeyType, Rows, Table,
        describe::{Description, Relation},
        table::TableStatements,
    },
    config::Resource,
    db::{self, Db, Dialect},
    ids::ResourceName,
};

/// A resource with its table, or all that is wrong with it.
type BoundResource = Result<Table, Vec<ConfigProblem>>;

/// Resolves a resource whose table is `found`. Child rules are resolved later, once all tables are.
pub(in crate::catalog) async fn resource(
    db: &Db,
    name: &ResourceName,
    resource: &Resource,
    found: Option<&Description>,
) -> Result<BoundResource, db::Error> {
    let mut binder = ResourceBinder { path: format!("resources.{name}"), resource, problems: Vec::new() };
    let Some(found) = found else {
        binder.report_no_table(db);
        return Ok(Err(binder.problems));
    };
    let rows = binder.rows(found, db);
    let rules = binder.rules(found, db).await?;
    let payload = binder.payload(found);
    Ok(if binder.problems.is_empty() {
        Ok(Table {
            statements: TableStatements::render(&rows, &rules).into(),
            name: name.clone(),
            resource: resource.clone(),
            paging: paging(resource, found),
            rows,
            payload,
            rules,
            children: Vec::new(),
            cascades_to_itself: false,
        })
    } else {
        Err(binder.problems)
    })
}

/// The rows of a table that is found and fits, and the order of its pages.
pub(in crate::catalog) fn rows(
    db: &Db,
    name: &ResourceName,
    resource: &Resource,
    found: Option<&Description>,
) -> Result<(Rows, Vec<usize>), Vec<ConfigProblem>> {
    let mut binder = ResourceBinder { path: format!("resources.{name}"), resource, problems: Vec::new() };
    let Some(found) = found else {
        binder.report_no_table(db);
        return Err(binder.problems);
    };
    let rows = binder.rows(found, db);
    if binder.problems.is_empty() { Ok((rows, paging(resource, found))) } else { Err(binder.problems) }
}

/// The key columns that order pages, as positions in the key: those of the primary key in its order, else those of the
/// smallest other unique index.
fn paging(resource: &Resource, found: &Description) -> Vec<usize> {
    let position = |name: &String| resource.key.iter().position(|column| column == name);
    let primary: Option<Vec<usize>> = found.primary_key.iter().map(position).collect();
    if let Some(primary) = primary.filter(|primary| !primary.is_empty()) {
        return primary;
    }
    let inside = found.unique.iter().filter(|unique| unique.iter().all(|name| resource.key.contains(name)));
    let smallest = inside.min_by_key(|unique| unique.len());
    let columns = resource.key.iter().enumerate();
    columns.filter(|(_, name)| smallest.is_none_or(|unique| unique.contains(*name))).map(|(n, _)| n).collect()
}

/// A resource, and the mistakes that were found so far.
pub(super) struct ResourceBinder<'r> {
    path: String,
    pub(super) resource: &'r Resource,
    problems: Vec<ConfigProblem>,
}

impl ResourceBinder<'_> {
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(ConfigProblem { path: format!("{}.{key}", self.path), message: message.into() });
    }

    fn report_no_table(&mut self, db: &Db) {
        let table = self.resource.table.clone();
        let searched = match db.dialect {
            Dialect::Postgres if !table.contains('.') => {
                format!(" in the schemas {}; name another as \"schema.table\"", db.search_path.0.join(", "))
            }
            Dialect::Postgres | Dialect::Sqlite => String::new(),
        };
        self.problem("table", format!("there is no table `{table}`{searched}"));
    }

    fn rows(&mut self, found: &Description, db: &Db) -> Rows {
        self.check_relation(found);
        Rows::new(found.sql.clone(), db.dialect, self.key(found))
    }

    fn check_relation(&mut self, found: &Description) {
        let table = self.resource.table.clone();
        match found.relation {
            Relation::Table => {}
            Relation::View => {
                self.problem("table", format!("`{table}` is a view; name the table whose rows are deleted"))
            }
            Relation::Foreign => {
                self.problem(
                    "table",
                    format!("`{table}` is a foreign table; only ordinary and partitioned tables can be locked"),
                );
            }
        }
        if let Some(why) = found.shares_rows(&table) {
            self.problem("table", why);
        }
        if found.row_security {
            self.problem(
                "table",
                format!(
                    "row-level security applies to our role on `{table}`, and a row that a policy hides would look \
                     deleted; `alter role … bypassrls`, or let the table's owner run sexton"
                ),
            );
        }
        if found.rewrite_rule {
            self.problem(
                "table",
                format!("`{table}` has a rewrite rule on UPDATE or DELETE; drop the rule, or use a trigger"),
            );
        }
    }

    pub(super) fn column(&mut self, key: &str, found: &Description, name: &str) -> Option<Column> {
        let column = found.column(name).cloned();
        if column.is_none() {
            let (table, known) = (&self.resource.table, found.column_names());
            self.problem(key, format!("`{table}` has no column `{name}`; its columns are {known}"));
        }
        column
    }

    fn key(&mut self, found: &Description) -> Vec<(Column, KeyType)> {
        let mut key = Vec::new();
        for name in &self.resource.key {
            let Some(column) = self.column("key", found, name) else { continue };
            if let Some(collation) = &column.loose_collation {
                let message = format!(
                    "`{name}` has the collation {collation}, in which different texts are equal: one row would have \
                     several keys; a key column has a deterministic one (PostgreSQL) or BINARY (SQLite)"
                );
                self.problem("key", message);
            }
            match column.key_type() {
                Some(kind) => key.push((column, kind)),
                None => {
                    let message =
                        format!("`{name}` is {}; a key column is an integer, a uuid or text", column.type_name);
                    self.problem("key", message);
                }
            }
        }
        let wanted: BTreeSet<_> = self.resource.key.iter().cloned().collect();
        let complete = key.len() == self.resource.key.len();
        if complete && !found.unique.iter().any(|unique| unique.is_subset(&wanted)) {
            let columns = self.resource.key.join(", ");
            self.problem(
                "key",
                format!("({columns}) is not unique: one key must never name two rows; add a unique index"),
            );
        }
        key
    }

    fn payload(&mut self, found: &Description) -> Vec<Column> {
        let resource = self.resource;
        for target in &resource.targets {
            let mut reported = BTreeSet::new();
            for (setting, name) in target.columns_by_setting() {
                if reported.insert(name) {
                    self.column(&format!("targets[{}].{setting}", target.file_index), found, name);
                }
            }
        }
        let wanted = resource.payload_columns();
        found.columns.iter().filter(|column| wanted.contains(&column.name)).cloned().collect()
    }
}
