//! Who still references a row (SQLite, whose error says only that somebody does).

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use sexton_core::{
    catalog::Table,
    db::{self, Dialect, quote},
    key::Key,
};

/// The columns of a foreign key, each with the one that it references (none: the primary key's).
type Columns = Vec<(String, Option<String>)>;

/// The columns that reference the row, as `table.column`; empty if nobody does (any more).
///
/// # Errors
/// Whatever the database says.
pub(super) async fn references(
    conn: &impl ConnectionTrait,
    table: &Table,
    key: &Key,
) -> Result<Vec<String>, db::Error> {
    let mut found = Vec::new();
    let primary = primary_key(conn, table).await?;
    for (child, columns) in foreign_keys(conn, table).await? {
        let mut values = Vec::new();
        let matches = table.key_matches("t", key, &mut values);
        let joined = columns.iter().enumerate().filter_map(|(n, (from, to))| {
            let to = to.as_ref().or_else(|| primary.get(n))?;
            Some(format!("c.{} = t.{}", quote(from), quote(to)))
        });
        let joined: Vec<_> = joined.collect();
        let sql = format!(
            "select 1 from {} c join {} t on {} where {matches} limit 1",
            quote(&child),
            table.sql,
            joined.join(" and ")
        );
        if conn.query_one_raw(Dialect::Sqlite.statement(sql, values)).await?.is_some() {
            let names: Vec<_> = columns.iter().map(|(from, _)| from.as_str()).collect();
            found.push(format!("{child}.{}", names.join("+")));
        }
    }
    Ok(found)
}

/// The foreign keys to the table, with the tables that have them.
async fn foreign_keys(conn: &impl ConnectionTrait, table: &Table) -> Result<Vec<(String, Columns)>, db::Error> {
    let name = table.resource.table.strip_prefix("main.").unwrap_or(&table.resource.table);
    let sql = "select s.name as child, f.id, f.\"from\" as from_column, f.\"to\" as to_column
               from sqlite_schema s, pragma_foreign_key_list(s.name) f
               where s.type = 'table' and f.\"table\" = $1 collate nocase order by s.name, f.id, f.seq";
    let mut keys: BTreeMap<(String, i64), Columns> = BTreeMap::new();
    for row in conn.query_all_raw(Dialect::Sqlite.statement(sql, [name.into()])).await? {
        let of = (row.try_get("", "child")?, row.try_get("", "id")?);
        keys.entry(of).or_default().push((row.try_get("", "from_column")?, row.try_get("", "to_column")?));
    }
    Ok(keys.into_iter().map(|((child, _), columns)| (child, columns)).collect())
}

async fn primary_key(conn: &impl ConnectionTrait, table: &Table) -> Result<Vec<String>, db::Error> {
    let name = table.resource.table.strip_prefix("main.").unwrap_or(&table.resource.table);
    let sql = "select name from pragma_table_info($1) where pk > 0 order by pk";
    let rows = conn.query_all_raw(Dialect::Sqlite.statement(sql, [name.into()])).await?;
    rows.iter().map(|row| row.try_get("", "name").map_err(db::Error::from)).collect()
}
