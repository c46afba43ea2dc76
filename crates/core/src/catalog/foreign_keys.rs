//! Foreign keys: which rows reference a table, and what the database does with them when a referenced row is deleted.

use std::collections::BTreeMap;

use crate::db::{self, Db, Dialect, Row, Words, quote};

/// What the database does with a referencing row when the referenced one is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDelete {
    /// Refuses (`restrict`, `no action`).
    Refuse,
    /// Deletes it, too.
    Cascade,
    /// Clears the reference (`set null`, `set default`).
    Clear,
}

/// A foreign key that references a table.
#[derive(Debug, Clone)]
pub(super) struct ForeignKey {
    /// The referencing table's qualified, quoted name.
    pub(super) sql: String,
    /// The same for people.
    pub(super) table: String,
    /// The referencing columns.
    pub(super) columns: Vec<String>,
    /// The columns that they reference, in the same order; on SQLite none if they are those of the primary key.
    pub(super) references: Vec<String>,
    /// The operators that compare them, the referenced column on the left; `=` where there is no other.
    pub(super) equals: Vec<String>,
    /// Why it does not keep a referenced row from being deleted, if so.
    pub(super) lax: Option<&'static str>,
    pub(super) on_delete: OnDelete,
    /// Whether the database does anything about it at all; not if it is NOT ENFORCED (PostgreSQL 18).
    pub(super) enforced: bool,
}

/// Those foreign keys that reference the table `sql` for which the database itself refuses, deletes or clears.
pub(super) async fn acting(db: &Db, sql: &str) -> Result<Vec<ForeignKey>, db::Error> {
    let keys = referencing(db, sql).await?;
    Ok(keys.into_iter().filter(|key| key.enforced).collect())
}

/// The foreign keys that reference the table `sql` (a qualified, quoted name).
pub(super) async fn referencing(db: &Db, sql: &str) -> Result<Vec<ForeignKey>, db::Error> {
    let words = Words::new(db.dialect);
    let text = words.pick(include_str!("foreign_keys.postgres.sql"), include_str!("foreign_keys.sqlite.sql"));
    let rows = words.render(text).bind([("table", sql.into())]).all(&db.conn).await?;
    match db.dialect {
        Dialect::Postgres => rows.iter().map(key_of_row).collect(),
        Dialect::Sqlite => keys_of_columns(&rows),
    }
}

/// PostgreSQL: a row is a key.
fn key_of_row(row: &Row) -> Result<ForeignKey, db::Error> {
    let (schema, name): (String, String) = (row.get("schema")?, row.get("name")?);
    let unenforced: bool = row.get("unenforced")?;
    Ok(ForeignKey {
        sql: format!("{}.{}", quote(&schema), quote(&name)),
        table: if schema == "public" { name } else { format!("{schema}.{name}") },
        columns: row.json("columns")?,
        references: row.json("references")?,
        equals: row.json("equals")?,
        enforced: !unenforced,
        lax: match (unenforced, row.get("period")?, row.get("disabled")?) {
            (true, ..) => Some("is NOT ENFORCED"),
            (_, true, _) => Some("compares periods"),
            (.., true) => Some("has triggers that are disabled (`alter table … enable trigger all`)"),
            _ => None,
        },
        on_delete: match row.get::<String>("on_delete")?.as_str() {
            "c" => OnDelete::Cascade,
            "n" | "d" => OnDelete::Clear,
            _ => OnDelete::Refuse,
        },
    })
}

/// SQLite: a row is a column of a key.
fn keys_of_columns(rows: &[Row]) -> Result<Vec<ForeignKey>, db::Error> {
    let mut keys: BTreeMap<(String, i64), ForeignKey> = BTreeMap::new();
    for row in rows {
        let (table, on_delete): (String, String) = (row.get("name")?, row.get("on_delete")?);
        let key = keys.entry((table.clone(), row.integer("id")?)).or_insert_with(|| ForeignKey {
            sql: quote(&table),
            table,
            columns: Vec::new(),
            references: Vec::new(),
            equals: Vec::new(),
            lax: None,
            enforced: true,
            on_delete: match on_delete.to_ascii_uppercase().as_str() {
                "CASCADE" => OnDelete::Cascade,
                "SET NULL" | "SET DEFAULT" => OnDelete::Clear,
                _ => OnDelete::Refuse,
            },
        });
        key.columns.push(row.get("column_name")?);
        key.equals.push("=".to_owned());
        key.references.extend(row.get::<Option<String>>("referenced")?);
    }
    Ok(keys.into_values().collect())
}
