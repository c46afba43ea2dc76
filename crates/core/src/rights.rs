//! Which rights the role lacks for what workers do (PostgreSQL). Without `delete` on a table, twins would go and rows
//! stay; so they are looked at before the first call, and again and again while a worker runs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    catalog::{Column, ConfigProblem, Rows, Table, UnreferencedTable},
    config::ChildThen,
    db::{self, Sql, Words},
    ids::ResourceName,
    store::Store,
};

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRight {
    /// The resource that cannot be handled without it; none if it is about Sexton's own tables.
    pub resource: Option<String>,
    /// What to grant, and where it is configured.
    pub problem: ConfigProblem,
}

struct Statements {
    missing: Sql,
}

impl db::Statements for Statements {
    fn render(words: &Words) -> Self {
        let missing = words.pick(
            include_str!("rights.postgres.sql"),
            "-- see which rights are missing
             select null as path, null as resource, null as what, null as privileges where @wanted is null",
        );
        Self { missing: words.render(missing) }
    }
}

/// The rights that the role of these sessions lacks: on Sexton's own tables, and on those of the configured resources.
/// None on SQLite.
///
/// # Errors
/// [`db::Error`] when the database does not answer.
pub async fn missing_rights(store: &Store) -> Result<Vec<MissingRight>, db::Error> {
    if !store.ledger.dialect.has_roles() {
        return Ok(Vec::new());
    }
    let wanted = Value::from(wanted(store)).to_string();
    let missing = store.ledger.statements::<Statements>().missing.bind([("wanted", wanted.into())]);
    let mut rights = Vec::new();
    for row in missing.all(&store.db.conn).await? {
        let (what, privileges): (String, String) = (row.get("what")?, row.get("privileges")?);
        let message =
            format!("the role lacks {privileges} on {what}; grant it, before a twin is deleted and its row stays");
        let problem = ConfigProblem { path: row.get("path")?, message };
        rights.push(MissingRight { resource: row.get("resource")?, problem });
    }
    Ok(rights)
}

/// Sexton's own tables, and what is done with them.
const OWN: [(&str, &[&str]); 12] = [
    ("sexton_deletion", ALL),
    ("sexton_deletion_done", ALL),
    ("sexton_attempt", ALL),
    ("sexton_child", ALL),
    ("sexton_wait", ALL),
    ("sexton_sweep", ALL),
    ("sexton_control", ALL),
    ("sexton_breaker", ALL),
    ("sexton_guard", ALL),
    ("sexton_action", &["SELECT", "INSERT"]),
    ("sexton_resource", &["SELECT"]),
    ("sexton_secret", &["SELECT"]),
];
const ALL: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

fn wanted(store: &Store) -> Vec<Value> {
    let schema = store.ledger.schema.as_deref().unwrap_or_default();
    let own = OWN.iter().flat_map(|(name, privileges)| privileges.iter().map(move |privilege| (name, privilege)));
    let mut wanted: Vec<Value> = own
        .map(|(name, privilege)| {
            json!({ "path": "database.url", "schema": schema, "name": name, "kind": "table", "privilege": privilege })
        })
        .collect();
    wanted.extend(["sexton_text", "sexton_uuidv7"].map(|name| {
        json!({ "path": "database.url", "schema": schema, "name": name, "kind": "function", "privilege": "EXECUTE" })
    }));
    wanted.extend(store.catalog.tables().flat_map(|table| of_table(table)));
    wanted.extend(store.catalog.unreferenced().flat_map(|unreferenced| of_unreferenced(unreferenced)));
    wanted
}

/// A table that is wanted for a resource.
struct Wanted<'w> {
    path: String,
    resource: &'w ResourceName,
    sql: &'w str,
}

impl Wanted<'_> {
    fn right(&self, kind: &str, privilege: &str, columns: &BTreeSet<&str>) -> Value {
        let (schema, name) = split(self.sql);
        json!({
            "path": self.path, "resource": self.resource, "schema": schema, "name": name, "kind": kind,
            "privilege": privilege, "columns": columns,
        })
    }

    fn table(&self, privilege: &str) -> Value {
        self.right("table", privilege, &BTreeSet::new())
    }

    fn columns<'c>(&self, privilege: &str, columns: impl Iterator<Item = &'c Column>) -> Value {
        self.right("columns", privilege, &columns.map(|column| column.name.as_str()).collect())
    }
}

fn key(rows: &Rows) -> impl Iterator<Item = &Column> {
    rows.key.iter().map(|(column, _)| column)
}

fn of_table(table: &Table) -> Vec<Value> {
    let (resource, sql) = (&table.name, table.rows.sql.as_str());
    let own = Wanted { path: format!("resources.{resource}.table"), resource, sql };
    let mut wanted = vec![
        own.columns("SELECT", key(&table.rows).chain(&table.payload)),
        own.columns("UPDATE", table.rules.iter().map(|rule| &rule.column)),
        own.table("DELETE"),
    ];
    for (number, rule) in table.children.iter().enumerate() {
        let path = format!("resources.{resource}.children[{number}].table");
        let children = Wanted { path, resource, sql: &rule.rows.sql };
        let read = key(&rule.rows).chain([rule.link.column()]).chain(&rule.scope);
        wanted.push(children.columns("SELECT", read));
        match rule.then {
            ChildThen::Delete => {
                wanted.push(children.table("DELETE"));
                // Which is also what locking a row needs (PostgreSQL, SELECT, "The Locking Clause").
                wanted.push(children.right("any column", "UPDATE", &BTreeSet::new()));
            }
            ChildThen::Nullify => wanted.push(children.columns("UPDATE", [rule.link.column()].into_iter())),
            ChildThen::Request => {}
        }
    }
    wanted
}

fn of_unreferenced(unreferenced: &UnreferencedTable) -> Vec<Value> {
    let UnreferencedTable { name: resource, rows, since, .. } = unreferenced;
    let own = Wanted { path: format!("resources.{resource}.table"), resource, sql: &rows.sql };
    let mut wanted = vec![
        own.columns("SELECT", key(rows).chain([since])),
        own.columns("UPDATE", [since].into_iter()),
        own.table("DELETE"),
    ];
    for (number, reference) in unreferenced.references.iter().enumerate() {
        let path = format!("resources.{resource}.unreferenced.by[{number}].table");
        let names = reference.columns.iter().map(|pair| pair.from.as_str()).collect();
        wanted.push(Wanted { path, resource, sql: &reference.sql }.right("columns", "SELECT", &names));
    }
    wanted
}

/// Schema and name of a qualified, quoted name.
fn split(sql: &str) -> (String, String) {
    let (mut names, mut is_quoted) = (vec![String::new()], false);
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => Some('"'),
            '"' => {
                is_quoted = !is_quoted;
                None
            }
            '.' if !is_quoted => {
                names.push(String::new());
                None
            }
            c => Some(c),
        };
        if let (Some(c), Some(name)) = (literal, names.last_mut()) {
            name.push(c);
        }
    }
    let name = names.pop().unwrap_or_default();
    (names.pop().unwrap_or_default(), name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::quote;

    #[test]
    fn quoted_names_are_taken_apart() {
        for (schema, name) in [("public", "block"), ("a.b", "c\"d"), ("\"", "\".\""), ("x", "\"\"y\"\"")] {
            let sql = format!("{}.{}", quote(schema), quote(name));
            assert_eq!(split(&sql), (schema.to_owned(), name.to_owned()), "{sql}");
        }
    }
}
