//! Tables that are read as a whole when a row is deleted, because an index is missing.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Catalog, Table, advice::scans};
use crate::{
    config::ChildThen,
    db::{self, Db, Dialect, Words, quote},
};

impl Catalog {
    /// What is missing so that a row of `table` is deleted quickly: foreign keys without an index (the largest tables
    /// first, PostgreSQL), and child rules without one. Each is a sentence's part for people.
    ///
    /// # Errors
    /// [`db::Error`] when the catalogue cannot be read.
    pub async fn read_as_a_whole(&self, db: &Db, table: &Table) -> Result<Vec<String>, db::Error> {
        let (mut missing, mut named) = (Vec::new(), BTreeSet::new());
        if db.dialect == Dialect::Postgres {
            let find = Words::new(db.dialect).render(include_str!("unindexed.postgres.sql"));
            for row in find.bind([("tables", json!(self.family(table)).to_string().into())]).all(&db.conn).await? {
                let (schema, name, columns): (String, String, String) =
                    (row.get("schema")?, row.get("name")?, row.get("columns")?);
                named.insert((format!("{}.{}", quote(&schema), quote(&name)), columns.clone()));
                let name = if schema == "public" { name } else { format!("{schema}.{name}") };
                missing.push(format!("{name} has no index on ({columns})"));
            }
        }
        for (rule, child) in table.children.iter().zip(&table.resource.children) {
            let columns = rule.link.index_expression();
            if !named.contains(&(rule.rows.sql.clone(), rule.link.column().name.clone())) && scans(db, rule).await? {
                missing.push(format!("{} has no index on ({columns})", child.table));
            }
        }
        Ok(missing)
    }

    /// The table, and those whose rows are deleted with its rows by child rules.
    fn family(&self, table: &Table) -> BTreeSet<String> {
        let mut tables = BTreeSet::from([table.rows.sql.clone()]);
        let mut open: Vec<_> = table.children.iter().collect();
        while let Some(rule) = open.pop() {
            if rule.then == ChildThen::Delete && tables.insert(rule.rows.sql.clone()) {
                let child = rule.resource.as_ref().and_then(|name| self.table(name));
                open.extend(child.into_iter().flat_map(|child| &child.children));
            }
        }
        tables
    }
}
