//! Which rows still reference a row (SQLite, whose error says only that some do).

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use sexton_core::{
    catalog::Table,
    db::{self, Dialect, Words, quote},
    key::Key,
};

/// The columns of a foreign key, each with the one that it references (none: the primary key's).
type Columns = Vec<(String, Option<String>)>;

/// The columns that reference the row, as `table.column`; empty if none does (any more).
///
/// # Errors
/// [`db::Error`] when the database does not answer.
pub(super) async fn references(
    conn: &impl ConnectionTrait,
    table: &Table,
    key: &Key,
) -> Result<Vec<String>, db::Error> {
    let mut found = Vec::new();
    let primary = primary_key(conn, table).await?;
    for (child, columns) in foreign_keys(conn, table).await? {
        let joined = columns.iter().enumerate().filter_map(|(n, (from, to))| {
            let to = to.as_ref().or_else(|| primary.get(n))?;
            Some(format!("c.{} = t.{}", quote(from), quote(to)))
        });
        // Rendered for each call, which is rare: the foreign keys are those of the database at this moment.
        let words = Words::new(Dialect::Sqlite).with([
            ("child", quote(&child)),
            ("table", table.sql.clone()),
            ("is_reference", joined.collect::<Vec<_>>().join(" and ")),
            ("key_is_bound", table.key_is_bound("t")),
        ]);
        let find = words.render(
            "-- look for a row that references the row
             select 1 from {child} c join {table} t on {is_reference} where {key_is_bound} limit 1",
        );
        if find.bind_all(key.values()).one(conn).await?.is_some() {
            let names: Vec<_> = columns.iter().map(|(from, _)| from.as_str()).collect();
            found.push(format!("{child}.{}", names.join("+")));
        }
    }
    Ok(found)
}

/// The foreign keys to the table, with the tables that have them.
async fn foreign_keys(conn: &impl ConnectionTrait, table: &Table) -> Result<Vec<(String, Columns)>, db::Error> {
    let read = table.rendered.get("references.foreign_keys", || {
        Words::new(Dialect::Sqlite).render(
            "-- read the foreign keys to a table
             select s.name as child, f.id, f.\"from\" as from_column, f.\"to\" as to_column
             from sqlite_schema s, pragma_foreign_key_list(s.name) f
             where s.type = 'table' and f.\"table\" = @table collate nocase order by s.name, f.id, f.seq",
        )
    });
    let mut keys: BTreeMap<(String, i64), Columns> = BTreeMap::new();
    for row in read.bind([("table", bare_name(table).into())]).all(conn).await? {
        let foreign_key = (row.get("child")?, row.get("id")?);
        keys.entry(foreign_key).or_default().push((row.get("from_column")?, row.get("to_column")?));
    }
    Ok(keys.into_iter().map(|((child, _), columns)| (child, columns)).collect())
}

async fn primary_key(conn: &impl ConnectionTrait, table: &Table) -> Result<Vec<String>, db::Error> {
    let read = table.rendered.get("references.primary_key", || {
        Words::new(Dialect::Sqlite).render(
            "-- read the primary key of a table\nselect name from pragma_table_info(@table) where pk > 0 order by pk",
        )
    });
    let rows = read.bind([("table", bare_name(table).into())]).all(conn).await?;
    rows.iter().map(|row| row.get("name")).collect()
}

fn bare_name(table: &Table) -> &str {
    table.resource.table.strip_prefix("main.").unwrap_or(&table.resource.table)
}
