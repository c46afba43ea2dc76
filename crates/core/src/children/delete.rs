//! Deleting descendants before the rows that they go with.

use std::collections::{BTreeMap, HashSet};

use sea_orm::ConnectionTrait;

use super::{
    Error,
    delete_rows::{ChildChange, change, parse},
    descendants::Descendants,
};
use crate::{
    catalog::{ChildRule, Rows},
    db::{self, Dialect, Words},
    key::Key,
};

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletedRows {
    /// The descendants; the rows themselves are still to be deleted.
    Descendants,
    /// The rows themselves as well: rows that reference each other in a circle can only be deleted in one statement
    /// (PostgreSQL).
    WithTheirRows,
}

/// Rows of one table.
struct Group<'d> {
    rows: &'d Rows,
    keys: Vec<&'d str>,
}

/// Deletes the descendants of those rows that `chosen` says, children before their parents, and clears the references
/// of the rows that stay. They were locked when they were found.
///
/// # Errors
/// [`Error`]; the caller rolls back.
pub async fn delete(
    transaction: &impl ConnectionTrait,
    descendants: &Descendants,
    chosen: &[bool],
) -> Result<DeletedRows, Error> {
    let mut to_clear: BTreeMap<String, (&ChildRule, HashSet<&str>)> = BTreeMap::new();
    for row in descendants.to_clear(chosen) {
        let of_rule = format!("{} {}", row.rule.rows.sql, row.rule.link.nullify("t"));
        to_clear.entry(of_rule).or_insert_with(|| (&row.rule, HashSet::new())).1.insert(&row.key);
    }
    for (rule, keys) in to_clear.into_values() {
        change(transaction, &rule.rows, &keys.into_iter().collect::<Vec<_>>(), ChildChange::Clear(rule)).await?;
    }
    if descendants.circle {
        match descendants.to_delete.first().map(|(rows, _)| rows.dialect) {
            // Foreign keys are then checked when the transaction commits (SQLite, "PRAGMA defer_foreign_keys").
            Some(Dialect::Sqlite) => {
                transaction.execute_unprepared("pragma defer_foreign_keys = on").await.map_err(db::Error::from)?;
            }
            Some(Dialect::Postgres) | None => return delete_circle(transaction, descendants, chosen).await,
        }
    }
    let mut groups: BTreeMap<(usize, &str), Group<'_>> = BTreeMap::new();
    for row in descendants.of_chosen(chosen) {
        add(&mut groups, (row.height, &row.rows().sql), row.rows(), &row.key);
    }
    for group in groups.into_values() {
        change(transaction, group.rows, &group.keys, ChildChange::Delete).await?;
    }
    Ok(DeletedRows::Descendants)
}

fn add<'d, K: Ord>(groups: &mut BTreeMap<K, Group<'d>>, place: K, rows: &'d Rows, key: &'d str) {
    groups.entry(place).or_insert_with(|| Group { rows, keys: Vec::new() }).keys.push(key);
}

/// Everything in one statement, at whose end foreign keys are checked (PostgreSQL).
async fn delete_circle(
    transaction: &impl ConnectionTrait,
    descendants: &Descendants,
    chosen: &[bool],
) -> Result<DeletedRows, Error> {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for row in descendants.of_chosen(chosen) {
        add(&mut groups, &row.rows().sql, row.rows(), &row.key);
    }
    for ((rows, key), _) in descendants.to_delete.iter().zip(chosen).filter(|(_, chosen)| **chosen) {
        add(&mut groups, &rows.sql, rows, key);
    }
    // Rendered for each call: the text depends on the tables that the circle goes through.
    let (mut deletes, mut counts, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (n, group) in groups.values().enumerate() {
        let words = words(group.rows).with([("n", n.to_string())]);
        deletes.push(words.expand(
            "deleted_{n} as (
                delete from {table} t using jsonb_to_recordset(@keys_{n}::jsonb) as x({key_record})
                where {key_is_wanted} returning 1
             )",
        ));
        counts.push(words.expand("(select count(*) from deleted_{n}) as n{n}"));
        let keys = Key::records(&parse(group.rows, &group.keys)).to_string();
        values.push((format!("keys_{n}"), keys.into()));
    }
    let words = Words::new(Dialect::Postgres).with([("deletes", deletes.join(", ")), ("counts", counts.join(", "))]);
    let text = "-- delete rows that reference each other in a circle\nwith {deletes} select {counts}";
    let Some(row) = words.render(text).bind_all(values).one(transaction).await? else {
        return Ok(DeletedRows::Descendants);
    };
    for (n, group) in groups.values().enumerate() {
        // A row that was to be deleted may have been gone before.
        let deleted: usize = row.count(&format!("n{n}"))?;
        if deleted != group.keys.len() && any_remains(transaction, group.rows, &group.keys).await? {
            return Err(Error::RowKept { table: group.rows.sql.clone() });
        }
    }
    Ok(DeletedRows::WithTheirRows)
}

async fn any_remains(conn: &impl ConnectionTrait, rows: &Rows, keys: &[&str]) -> Result<bool, db::Error> {
    let find = rows.rendered.get("children.any_remains", || {
        words(rows).render(
            "-- look for rows that were to be deleted
             select 1 from {table} t join jsonb_to_recordset(@keys::jsonb) as x({key_record}) on {key_is_wanted} limit 1",
        )
    });
    let keys = Key::records(&parse(rows, keys)).to_string();
    Ok(find.bind([("keys", keys.into())]).one(conn).await?.is_some())
}

fn words(rows: &Rows) -> Words {
    Words::new(rows.dialect).with([
        ("table", rows.sql.clone()),
        ("key_record", rows.key_record()),
        ("key_is_wanted", rows.key_equals("t", "x")),
    ])
}
