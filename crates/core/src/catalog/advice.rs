//! What works, but not well: child rules without an index, foreign keys that will keep rows from being deleted.

use sea_orm::ConnectionTrait;

use super::{
    Catalog, ChildRule, Link, Problem,
    foreign_keys::{OnDelete, has_rule, referencing},
};
use crate::db::{self, Db, Dialect, literal};

impl Catalog {
    /// What somebody should know before rows are deleted: each with its key path and a remedy. Nothing of it keeps a
    /// worker from starting.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn advice(&self, db: &Db) -> Result<Vec<Problem>, db::Error> {
        let mut advice = Vec::new();
        for table in self.tables.values() {
            for key in referencing(db, &table.rows.sql).await? {
                if key.on_delete == OnDelete::Refuse && !has_rule(table, &key) {
                    let columns = key.columns.join(", ");
                    advice.push(Problem {
                        path: format!("resources.{}.children", table.name),
                        message: format!(
                            "`{}` references `{}` by ({columns}) and no child rule is for it: a row that is still referenced \
                             cannot be deleted, and its deletion ends dead as `referenced`; add a [[resources.{}.children]]",
                            key.table, table.resource.table, table.name
                        ),
                    });
                }
            }
            for (number, rule) in table.children.iter().enumerate() {
                if scans(db, rule).await? {
                    advice.push(Problem {
                        path: format!("resources.{}.children[{number}]", table.name),
                        message: format!(
                            "every deletion reads the whole of `{}` to find its children; {}",
                            table.resource.children.get(number).map_or("", |child| &child.table),
                            index(rule)
                        ),
                    });
                }
            }
        }
        Ok(advice)
    }
}

/// Whether finding children reads the whole table, however large it is.
async fn scans(db: &Db, rule: &ChildRule) -> Result<bool, db::Error> {
    let value = match &rule.link {
        Link::Column(column) if db.dialect == Dialect::Postgres => column.from_text("null"),
        _ => literal("x"),
    };
    let (table, link) = (&rule.rows.sql, rule.link.value("c"));
    match db.dialect {
        Dialect::Postgres => {
            let transaction = db.begin().await?;
            // A null constant would be folded away, and a bound parameter is not planned for; a subquery is neither.
            transaction.execute_unprepared("set local enable_seqscan = off").await?;
            let sql = format!("explain (format json) select 1 from {table} c where {link} = (select {value})");
            let plan = transaction.query_one_raw(db.dialect.statement(sql, [])).await?;
            let plan: serde_json::Value = match plan {
                Some(row) => row.try_get_by_index(0)?,
                None => serde_json::Value::Null,
            };
            transaction.rollback().await?;
            Ok(plan.to_string().contains("\"Seq Scan\""))
        }
        Dialect::Sqlite => {
            let sql = format!("explain query plan select 1 from {table} c where {link} = {value}");
            let plan = db.conn.query_all_raw(db.dialect.statement(sql, [])).await?;
            let steps: Vec<String> = plan.iter().map(|row| row.try_get("", "detail")).collect::<Result<_, _>>()?;
            Ok(steps.iter().any(|step| step.starts_with("SCAN")))
        }
    }
}

/// The statement that makes an index for the rule.
fn index(rule: &ChildRule) -> String {
    let table = &rule.rows.sql;
    let name = crate::db::quote(&rule.link.column().name);
    match (&rule.link, rule.rows.dialect) {
        (Link::Column(_), Dialect::Postgres) => format!("`create index concurrently on {table} ({name})`"),
        (Link::Column(_), Dialect::Sqlite) => format!("create an index on {table} ({name})"),
        // The alias has no place in an index; the rest must be what the statements say.
        (Link::Json(..), dialect) => {
            let expression = rule.link.value("c").replace(&format!("c.{name}"), &name);
            match dialect {
                Dialect::Postgres => format!("`create index concurrently on {table} ({expression})`"),
                Dialect::Sqlite => format!("create an index on {table} ({expression})"),
            }
        }
    }
}
