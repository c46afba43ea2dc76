//! Foreign keys with `on delete cascade`: rows that the database deletes by itself when others are deleted.

use std::collections::BTreeSet;

use super::{
    ConfigProblem,
    foreign_keys::{ForeignKey, OnDelete, acting},
    table::Table,
};
use crate::db::{self, Db};

/// Whether a child rule of `table` is for the rows that reference it by `key`.
pub(super) fn has_rule(table: &Table, key: &ForeignKey) -> bool {
    let by = |rule: &super::ChildRule| rule.rows.sql == key.sql && key.columns.contains(&rule.link.column().name);
    table.children.iter().any(by)
}

/// Whether the database may delete rows of the table `sql` because others of the same table are deleted.
pub(super) async fn cascades_to_itself(db: &Db, sql: &str) -> Result<bool, db::Error> {
    let (mut visited, mut open) = (BTreeSet::new(), vec![sql.to_owned()]);
    while let Some(referenced) = open.pop() {
        for key in acting(db, &referenced).await?.into_iter().filter(|key| key.on_delete == OnDelete::Cascade) {
            if key.sql == sql {
                return Ok(true);
            }
            if visited.insert(key.sql.clone()) {
                open.push(key.sql);
            }
        }
    }
    Ok(false)
}

/// The foreign keys by which deleting a row of `table` would delete rows that have twins, without a call for them.
pub(super) async fn cascades_to_twins(
    db: &Db,
    table: &Table,
    tables: &[&Table],
) -> Result<Vec<ConfigProblem>, db::Error> {
    let mut problems = Vec::new();
    let mut visited = BTreeSet::from([table.rows.sql.clone()]);
    let mut open = vec![(table.rows.sql.clone(), Vec::<String>::new())];
    while let Some((sql, path)) = open.pop() {
        let resources: Vec<&&Table> = tables.iter().filter(|known| known.rows.sql == sql).collect();
        for key in acting(db, &sql).await? {
            if key.on_delete != OnDelete::Cascade || resources.iter().any(|table| has_rule(table, &key)) {
                continue;
            }
            let mut path = path.clone();
            path.push(format!("{}.{}", key.table, key.columns.join("+")));
            let victim = tables.iter().find(|other| other.rows.sql == key.sql && !other.resource.targets.is_empty());
            if let Some(victim) = victim {
                problems.push(ConfigProblem {
                    path: format!("resources.{}.table", table.name),
                    message: format!(
                        "deleting its rows also deletes rows of resource `{}` by ON DELETE CASCADE ({}), whose targets \
                         would never hear of it; add a [[resources.{}.children]] for it, or make the foreign key \
                         RESTRICT",
                        victim.name,
                        path.join(" → "),
                        resources.first().map_or(&table.name, |table| &table.name),
                    ),
                });
            }
            if visited.insert(key.sql.clone()) {
                open.push((key.sql, path));
            }
        }
    }
    Ok(problems)
}
