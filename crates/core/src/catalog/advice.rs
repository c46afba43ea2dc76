//! Advice on what works badly: child rules without an index, foreign keys that will keep rows from being deleted.

use sea_orm::ConnectionTrait;

use super::{
    Catalog, ChildRule, ConfigProblem, Link,
    cascades::has_rule,
    foreign_keys::{OnDelete, acting},
};
use crate::db::{self, Db, Dialect, Words, literal};

impl Catalog {
    /// What people should know before rows are deleted, each with its key path and a remedy. None of it keeps a worker
    /// from starting.
    ///
    /// # Errors
    /// [`db::Error`] when the catalogue cannot be read.
    pub async fn advice(&self, db: &Db) -> Result<Vec<ConfigProblem>, db::Error> {
        let mut advice = Vec::new();
        for table in self.tables.values() {
            for key in acting(db, &table.rows.sql).await? {
                if key.on_delete == OnDelete::Refuse && !has_rule(table, &key) {
                    let columns = key.columns.join(", ");
                    advice.push(ConfigProblem {
                        path: format!("resources.{}.children", table.name),
                        message: format!(
                            "`{}` references `{}` by ({columns}) and no child rule is for it: a row that is still \
                             referenced cannot be deleted, and its deletion ends dead as `referenced`; add a \
                             [[resources.{}.children]]",
                            key.table, table.resource.table, table.name
                        ),
                    });
                }
            }
            for (number, rule) in table.children.iter().enumerate() {
                if scans(db, rule).await? {
                    advice.push(ConfigProblem {
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
pub(super) async fn scans(db: &Db, rule: &ChildRule) -> Result<bool, db::Error> {
    let value = match (&rule.link, db.dialect) {
        (Link::Column(column), Dialect::Postgres) => column.from_text("null"),
        (Link::Column(_), Dialect::Sqlite) | (Link::Json(..), _) => literal("x"),
    };
    let words = Words::new(db.dialect).with([
        ("table", rule.rows.sql.clone()),
        ("link", rule.link.value("c")),
        ("value", value),
    ]);
    // On PostgreSQL a null constant would be folded away, and a bound parameter is not planned for; a subquery is
    // neither.
    let explain = words.pick(
        "-- explain how children are found
         explain (format json) select 1 from {table} c where {link} = (select {value})",
        "-- explain how children are found
         explain query plan select 1 from {table} c where {link} = {value}",
    );
    let explain = words.render(explain).bind([]);
    match db.dialect {
        Dialect::Postgres => {
            let transaction = db.begin().await?;
            transaction.execute_unprepared("set local enable_seqscan = off").await?;
            let plan = explain.one(&transaction).await?;
            let plan: serde_json::Value = plan.map(|row| row.get("QUERY PLAN")).transpose()?.unwrap_or_default();
            transaction.rollback().await?;
            Ok(plan.to_string().contains("\"Seq Scan\""))
        }
        Dialect::Sqlite => {
            let plan = explain.all(&db.conn).await?;
            let steps = plan.iter().map(|row| row.get::<String>("detail")).collect::<Result<Vec<_>, _>>()?;
            Ok(steps.iter().any(|step| step.starts_with("SCAN")))
        }
    }
}

/// The statement that makes an index for the rule.
fn index(rule: &ChildRule) -> String {
    let (table, expression) = (&rule.rows.sql, rule.link.index_expression());
    match rule.rows.dialect {
        Dialect::Postgres => format!("`create index concurrently on {table} ({expression})`"),
        Dialect::Sqlite => format!("create an index on {table} ({expression})"),
    }
}
