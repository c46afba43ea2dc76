//! Holding a resource against what the catalogue says of its table.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use super::{
    Problem, Rows,
    column::Column,
    table::{Description, Relation, Rule, Table},
};
use crate::{
    config::{MarkerRule, Resource, Scalar},
    db::{self, Db, Dialect, literal},
    ids::ResourceName,
};

pub(super) type Bound = Result<Table, Vec<Problem>>;

pub(super) async fn bind(
    db: &Db,
    name: &ResourceName,
    resource: &Resource,
    found: Option<&Description>,
) -> Result<Bound, db::Error> {
    let mut binder = Binder { path: format!("resources.{name}"), resource, problems: Vec::new() };
    let Some(found) = found else {
        binder.no_table(db);
        return Ok(Err(binder.problems));
    };
    let rows = binder.rows(found, db);
    let rules = binder.rules(found, db).await?;
    let payload = binder.payload(found);
    Ok(if binder.problems.is_empty() {
        Ok(Table {
            name: name.clone(),
            resource: resource.clone(),
            paging: paging(resource, found),
            rows,
            payload,
            rules,
            children: Vec::new(),
            goes_with_itself: false,
        })
    } else {
        Err(binder.problems)
    })
}

/// The rows of a table that is found and fits, and [`paging`].
pub(super) fn bind_rows(
    db: &Db,
    name: &ResourceName,
    resource: &Resource,
    found: Option<&Description>,
) -> Result<(Rows, Vec<usize>), Vec<Problem>> {
    let mut binder = Binder { path: format!("resources.{name}"), resource, problems: Vec::new() };
    let Some(found) = found else {
        binder.no_table(db);
        return Err(binder.problems);
    };
    let rows = binder.rows(found, db);
    if binder.problems.is_empty() { Ok((rows, paging(resource, found))) } else { Err(binder.problems) }
}

/// The places in the key of the columns of a unique index, in its order where that is known: that of the primary key, or of
/// the smallest other.
fn paging(resource: &Resource, found: &Description) -> Vec<usize> {
    let place = |name: &String| resource.key.iter().position(|column| column == name);
    let primary: Option<Vec<usize>> = found.primary_key.iter().map(place).collect();
    if let Some(primary) = primary.filter(|primary| !primary.is_empty()) {
        return primary;
    }
    let inside = found.unique.iter().filter(|unique| unique.iter().all(|name| resource.key.contains(name)));
    let smallest = inside.min_by_key(|unique| unique.len());
    let columns = resource.key.iter().enumerate();
    columns.filter(|(_, name)| smallest.is_none_or(|unique| unique.contains(*name))).map(|(n, _)| n).collect()
}

struct Binder<'r> {
    path: String,
    resource: &'r Resource,
    problems: Vec<Problem>,
}

impl Binder<'_> {
    fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem { path: format!("{}.{key}", self.path), message: message.into() });
    }

    fn no_table(&mut self, db: &Db) {
        let table = self.resource.table.clone();
        let searched = match db.dialect {
            Dialect::Postgres if !table.contains('.') => {
                format!(" in the schemas {}; name another as \"schema.table\"", db.search_path.0.join(", "))
            }
            _ => String::new(),
        };
        self.problem("table", format!("there is no table `{table}`{searched}"));
    }

    fn rows(&mut self, found: &Description, db: &Db) -> Rows {
        self.relation(found);
        Rows { sql: found.sql.clone(), dialect: db.dialect, key: self.key(found) }
    }

    fn relation(&mut self, found: &Description) {
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
        if found.row_security {
            self.problem(
                "table",
                format!(
                    "row-level security applies to our role on `{table}`, and a row that a policy hides would look deleted; \
                     `alter role … bypassrls`, or let the table's owner run sexton"
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

    fn column(&mut self, key: &str, found: &Description, name: &str) -> Option<Column> {
        let column = found.columns.iter().find(|column| column.name == name).cloned();
        if column.is_none() {
            let known: Vec<_> = found.columns.iter().map(|c| c.name.as_str()).collect();
            let table = &self.resource.table;
            let message = format!("`{table}` has no column `{name}`; its columns are {}", known.join(", "));
            self.problem(key, message);
        }
        column
    }

    fn key(&mut self, found: &Description) -> Vec<(Column, super::KeyType)> {
        let mut key = Vec::new();
        for name in &self.resource.key {
            let Some(column) = self.column("key", found, name) else { continue };
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
            let mut seen = BTreeSet::new();
            for (setting, name) in target.uses() {
                if seen.insert(name) {
                    self.column(&format!("targets[{}].{setting}", target.place), found, name);
                }
            }
        }
        let wanted = resource.payload_columns();
        found.columns.iter().filter(|column| wanted.contains(&column.name)).cloned().collect()
    }

    async fn rules(&mut self, found: &Description, db: &Db) -> Result<Vec<Rule>, db::Error> {
        let configured = self.resource.marker_rules();
        let mut rules = Vec::new();
        for (number, MarkerRule { when, marker, then }) in configured.into_iter().enumerate() {
            let path = if when.is_some() { format!("marker_when[{number}].") } else { String::new() };
            let key = format!("{path}marker");
            let when = match when {
                None => None,
                Some((name, value)) => {
                    let Some(column) = self.column(&format!("{path}column"), found, &name) else { continue };
                    self.value(db, &format!("{path}equals"), &column, &value).await?;
                    Some((column, value))
                }
            };
            let Some(column) = self.column(&format!("{key}.column"), found, &marker.column) else { continue };
            self.marker(&key, &column);
            match &marker.value {
                Some(value) => self.value(db, &format!("{key}.value"), &column, value).await?,
                None => self.time_marker(&key, &column),
            }
            rules.push(Rule { when, column, value: marker.value, then });
        }
        Ok(rules)
    }

    fn marker(&mut self, key: &str, column: &Column) {
        if self.resource.key.contains(&column.name) {
            self.problem(key, format!("`{}` is a key column; marking a row must not change its key", column.name));
        }
        if column.generated {
            self.problem(key, format!("`{}` is computed by the database and cannot be written", column.name));
        }
    }

    fn time_marker(&mut self, key: &str, column: &Column) {
        let (name, type_name) = (&column.name, &column.type_name);
        if !column.is_time() {
            let message = format!(
                "`{name}` is {type_name} and cannot hold the current time; use a timestamp column, or give `value`"
            );
            self.problem(key, message);
        } else if column.not_null {
            self.problem(
                key,
                format!("`{name}` is NOT NULL, so no row could be live; drop the constraint, or give `value`"),
            );
        }
    }

    /// Whether the database takes the value for the column's type. Only its own cast can tell (enums, domains).
    async fn value(&mut self, db: &Db, key: &str, column: &Column, value: &Scalar) -> Result<(), db::Error> {
        if db.dialect == Dialect::Sqlite {
            return Ok(());
        }
        let text = literal(&value.to_string());
        // An explicit cast to varchar(n) cuts a long value off without a word (PostgreSQL §8.3).
        let sql = match column.base_type.as_str() {
            "character varying" => format!("select ({})::text <> {text} as refused", column.from_text(&text)),
            _ => format!("select ({}) is null as refused", column.from_text(&text)),
        };
        let refused = match db.conn.query_one_raw(db.dialect.statement(sql, [])).await.map_err(db::Error::from) {
            Ok(row) => row.map(|row| row.try_get("", "refused")).transpose()?.unwrap_or_default(),
            Err(error) if error.refusal().is_some() => true,
            Err(error) => return Err(error),
        };
        if refused {
            self.problem(key, format!("`{value}` is not a value of `{}`, which is {}", column.name, column.type_name));
        }
        Ok(())
    }
}
